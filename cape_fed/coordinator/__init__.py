"""What the coordinator of a federation does: the round loop and what it rests on."""
