"""Corrections of weights and biases that take back what thresholds lose."""
