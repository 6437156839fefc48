"""The engine held against outside judges: the backend interface of the ONNX standard."""
