"""Tests of zeroskip.engine: planning against a numpy interpreter of plans, sessions against onnxruntime."""
