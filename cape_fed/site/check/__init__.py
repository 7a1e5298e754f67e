"""Whether a site can take part: every step of the way in turn, each with a remedy where it fails."""
