"""Packages that run ONNX models, as they are, once on ONNX Runtime and once on zeroskip standing in for it."""
