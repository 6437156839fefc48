"""Whole networks against onnxruntime."""
