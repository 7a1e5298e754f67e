"""The report of a fine-tuning: one picture, tables, words."""
