"""What is predicted from a recording: age, sex, the labels, and whatever else is registered."""
