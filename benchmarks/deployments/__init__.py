"""Trained models as packages on PyPI bring them, exact and with thresholds, against ONNX Runtime in the same run."""
