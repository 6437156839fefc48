"""Does my network get faster, by how much, and where are its zeros? python analyze.py"""

import digits

import zeroskip as zs

profile = zs.analyze(digits.MODEL, digits.test_data().subset(64))

print("layer by layer: zeros in its input, its time, and its time with 10, 20 and 30 points more zeros\n")
print(profile)  # the verdict is its last sentence

busiest = max(profile.layers, key=lambda layer: layer.latency_share)
share, zeros = busiest.latency_share, busiest.input_sparsity
print(f"\nmost time goes to {busiest.title}: {share:.0%}; {zeros:.0%} of what it reads is zero")
