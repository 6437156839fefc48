"""More zeros than thresholds alone can take: the weights behind them are fitted anew, by least squares.

No labels are needed and no training: python reconstruct.py. Where minutes do not matter ``strategy="blockwise"`` goes
further: thresholds and weights are learnt block by block (needs PyTorch).
"""

import digits

import zeroskip as zs

data, goal = digits.test_data().subset(300), 0.75
print(f"a sparsity of {goal:.0%}, whatever it costs, counted on held-out pictures:")
for compensation in ("none", "reconstruct"):
    result = zs.calibrate(digits.MODEL, data, target_sparsity=goal, compensation=compensation, measure_seconds=0.0)
    print(f"  compensation {compensation:12} accuracy {result.holdout.baseline:.1%} -> {result.holdout.optimized:.1%}")

result.apply(digits.MODEL).save("digits.reconstructed.onnx")  # not zs.apply: the weights changed, too
print("written: digits.reconstructed.onnx")
