"""The cage of an app: the little that the code of a run gets of the machine it runs on."""
