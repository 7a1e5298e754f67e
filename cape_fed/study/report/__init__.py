"""A study's report: one picture a question."""
