"""A server under load: ours with zeroskip and with ONNX Runtime behind it."""
