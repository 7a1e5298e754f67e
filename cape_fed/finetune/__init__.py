"""Fine-tuning: an encoder trained on with labels, beside the same network trained from nothing."""
