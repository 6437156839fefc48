"""What storing weights in 16 bits brings on whole networks."""
