"""Makes the helpers of this folder importable: it is no package, because that would shadow ``onnx`` itself."""
