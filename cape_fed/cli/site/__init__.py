"""``cape-fed site``: what a hospital does, a module a command."""

COMMANDS = (
    *("start", "enrol", "check", "approve", "apps", "revoke", "rehearse", "train-locally", "metrics", "report"),
    *("pause", "resume", "leave", "audit", "budget", "roster"),
)
DEFAULT = "start"
"""What ``cape-fed site SITE.TOML`` means."""
HELP = "Take part in federations as a hospital; 'cape-fed site SITE.TOML' starts this site's node."
