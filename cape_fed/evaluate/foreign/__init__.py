"""Encoders that are not this project's: what they have to offer, how they are found, and how they embed a store."""
