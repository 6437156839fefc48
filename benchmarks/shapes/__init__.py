"""What a new input shape costs: the first run at it, against a run at a shape that is known."""
