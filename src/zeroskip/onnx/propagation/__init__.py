"""Specialising a prepared model for a further input shape without rewriting it again.

:class:`.program.ShapeProgram` tells the shapes of all values, and the *facts*: all that the rules of ``canonical`` ask
shapes for. Shapes of the same facts have the same canonical graph, so :class:`.templates.Templates` keeps one for each
and only writes new shapes into it. What cannot be told so in advance goes the long way, by ``specialize``.
"""

from .templates import Templates

__all__ = ["Templates"]
