"""What int8 costs: accuracy of networks quantised exactly and with thresholds, on pictures no choice has seen."""
