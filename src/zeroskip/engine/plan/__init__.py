"""From a canonical graph with concrete shapes to a ``Plan``: drafting, the passes over it, addresses."""
