"""More zeros within a budget of one point of accuracy, without training: python calibrate.py"""

import digits
import numpy as np

import zeroskip as zs

result = zs.calibrate(digits.MODEL, digits.test_data(), max_drop=0.01)
print(result.message, "\n")

print("what is not above its threshold becomes zero:")
for name in result.thresholds:
    print(f"  {name:24} {np.mean(result.thresholds[name]):.3f}, {np.size(result.thresholds[name])} of them")

zs.apply(digits.MODEL, result.thresholds).save("digits.fatrelu.onnx")
print("\nwritten: digits.fatrelu.onnx, standard ONNX; any runtime computes the same")
