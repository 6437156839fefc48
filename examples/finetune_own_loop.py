"""Sparsity in a training loop of your own, with TensorBoard curves: python finetune_own_loop.py [LOGDIR].

A toy problem, so that it runs in seconds; the five lines marked with # <- are what a real loop needs.
"""

import sys

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import nn

import zeroskip.torch as zst

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4),
)  # fmt: skip
x, y = torch.randn(64, 3, 8, 8), torch.arange(64) % 4
x[torch.arange(64), y % 3, :4] += y.float()[:, None, None] + 1.0

writer = None
if len(sys.argv) > 1:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(sys.argv[1])

model = zst.replace_relu(model)  # <- every ReLU becomes a FATReLU
regularizer = zst.HoyerSquare(model, strength=0.5)  # <- watches them
monitor = zst.SparsityMonitor(model)  # <- counts zeros
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
for step in range(60):
    loss = F.cross_entropy(model(x), y) + regularizer.penalty()  # <- after the forward pass
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    sparsity = monitor.read()  # <- by layer, since the last reading
    if writer is not None:
        writer.add_scalar("loss", loss.item(), step)
        writer.add_scalars("sparsity", sparsity, step)
    if step % 20 == 0:
        print(step, f"loss {loss.item():.3f}", {name: round(value, 3) for name, value in sparsity.items()})
if writer is not None:
    writer.close()

regularizer.remove()
zst.export(model, x[:1], "model.onnx")
print("written: model.onnx")
# Next: zeroskip calibrate model.onnx ... --output thresholds.json, then zst.from_thresholds(model, thresholds).
