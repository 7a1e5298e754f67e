"""Studies: many encoders, trained alike but for one thing, and what that thing does to them."""
