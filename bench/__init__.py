"""What speed claims rest on: each figure is a ratio measured in one run, with the floor beside it."""
