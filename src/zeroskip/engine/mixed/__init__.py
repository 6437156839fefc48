"""Models of which only parts run natively: who gets which nodes, islands, and running the parts in turn."""
