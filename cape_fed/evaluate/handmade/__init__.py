"""What a physician reads from an ECG, measured without weights: the baseline that any encoder has to beat."""
