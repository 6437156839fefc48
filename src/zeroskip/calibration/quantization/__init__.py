"""Quantisation to int8: scales from data, a standard QDQ model, and one budget for rounding and thresholds."""

from .quantizer import quantize
from .result import PrecisionScore, QuantizationResult

__all__ = ["PrecisionScore", "QuantizationResult", "quantize"]
