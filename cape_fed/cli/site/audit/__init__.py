"""``cape-fed site audit``: what a site's audit log says, and whether it was changed."""

COMMANDS = ("verify", "show")
HELP = "Read a site's audit log: what it joined, sent, refused and approved, and whether the log was changed."
DEFAULT = None
