"""``cape-fed release``: what is done with a bundle before it is given away, a module a command."""

COMMANDS = ("audit", "card")
DEFAULT = None
HELP = "Prepare a bundle for release."
