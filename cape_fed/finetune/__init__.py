"""Fine-tuning: an encoder trained further with labels, compared with the same network trained from random weights."""
