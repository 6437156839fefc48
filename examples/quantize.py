"""int8 and zeros under one budget: python quantize.py

The same from a shell: zeroskip optimize digits/digits.onnx --data digits/test.npz --preprocess digits/preprocess.json
--precision int8 --max-drop 0.01 --output out
"""

import digits

import zeroskip as zs

data = digits.test_data().subset(400)
plain = zs.quantize(digits.MODEL, data, max_drop=0.01)
print("int8:", plain.message)

thresholds = zs.calibrate(digits.MODEL, data, max_drop=0.005, measure_seconds=0.0).thresholds
both = zs.quantize(digits.MODEL, data, max_drop=0.01, thresholds=thresholds)
print("int8 and thresholds:", both.message)

both.save_model("digits.int8.onnx")
print("written: digits.int8.onnx, ONNX in QDQ form\n")

session = zs.InferenceSession("digits.int8.onnx")
feed = {session.get_inputs()[0].name: data.array()[:1]}
print(session.explain())
print(f"{session.profile(feed).total_ms:.3f} ms a picture")
