"""What a session tells of itself: the plan explained, measured profiles, tables."""
