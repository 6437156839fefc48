"""The canonical form: one way to write each thing a network does.

``prepare`` does what needs no shapes, once per model (constants, thresholds, batch normalisation, linear
layers); ``specialize`` gives every value a concrete shape and does the rest, once per input shape;
``canonicalize`` is both. Each other module here holds the rewrite rules of one idea.
"""

from __future__ import annotations

from .pipeline import canonicalize, prepare, specialize

__all__ = ["canonicalize", "prepare", "specialize"]
