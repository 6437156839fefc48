"""What threads bring, and what they do to others on the same cores."""
