"""Benchmarks of zeroskip: whole networks (``models``), single layers (``layers``), and the page made of them.

Run from the root of the repository: ``python -m benchmarks.models.run``, ``python -m benchmarks.layers.run``,
``python -m benchmarks.report``.
"""
