"""Prepared models and their compiled plans: shapes, batches in parts, probes, memory."""
