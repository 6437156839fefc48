"""A program written for ONNX Runtime, run by zeroskip: python onnxruntime_program.py

The first two lines are all that is added; packages that import onnxruntime by themselves get it, too.
"""

import zeroskip.onnxruntime

zeroskip.onnxruntime.install()

import digits  # noqa: E402
import onnxruntime as ort  # noqa: E402

session = ort.InferenceSession(digits.MODEL, providers=["CPUExecutionProvider"])
data = digits.test_data()
(logits,) = session.run(None, {session.get_inputs()[0].name: data.array()})
print(f"{type(session).__module__}: accuracy {(logits.argmax(axis=1) == data.labels).mean():.1%}")
