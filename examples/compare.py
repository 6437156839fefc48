"""Side by side with ONNX Runtime: outputs first, then times in turns: python compare.py

Names of further engines, where they are installed: "openvino", "ncnn", "torch", "onnxruntime:int8".
"""

import digits

import zeroskip as zs

data = digits.test_data().subset(300)
result = zs.calibrate(digits.MODEL, data, max_drop=0.01, measure_seconds=0.0)
models = {"exact": digits.MODEL, "with thresholds": zs.apply(digits.MODEL, result.thresholds).model}
for variant, model in models.items():
    measured = zs.bench.bench(model, data.subset(32), ["zeroskip", "onnxruntime"], seconds=1.0)
    print(f"{variant}:\n{measured}\n")
