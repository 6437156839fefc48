"""The network under calibration: running it with thresholds, its values, its speed."""
