"""Released encoders: writing and loading bundles."""
