"""An encoder in the formats of other runtimes."""
