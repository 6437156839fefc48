"""What a threshold set loses: metrics, likely drops, intervals."""
