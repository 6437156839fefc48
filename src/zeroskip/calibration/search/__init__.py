"""The search for the strongest thresholds within a budget, and what it leaves behind."""
