"""Tables and arrays that an evaluation leaves in its directory."""
