"""Train the network that the examples share: python train.py (needs torch, onnxscript and scikit-learn; a minute).

The data are the handwritten digits of the UCI repository as scikit-learn packs them: E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", CC BY 4.0. The first half trains, the second half is what the examples
calibrate and judge with. The network is an ordinary one with ReLUs; nothing about it was done with zeros in mind.
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import zeroskip as zs
import zeroskip.torch as zst

HERE = Path(__file__).parent
digits = load_digits()
pictures, classes = (digits.images * 15).astype(np.uint8), digits.target.astype(np.uint8)
half = len(pictures) // 2
np.savez_compressed(HERE / "train.npz", x=pictures[:half], y=classes[:half])
np.savez_compressed(HERE / "test.npz", x=pictures[half:], y=classes[half:])

recipe = zs.Preprocess.preset("unit", size=(24, 24))
recipe.save(HERE / "preprocess.json")
train, test = (zs.data.npz(HERE / f"{name}.npz", recipe) for name in ("train", "test"))
x, y = torch.from_numpy(train.array()), torch.from_numpy(train.labels)


def convolution(number: int, inputs: int, outputs: int, stride: int = 1) -> dict[str, nn.Module]:
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return {f"conv{number}": layer, f"bn{number}": nn.BatchNorm2d(outputs), f"relu{number}": nn.ReLU()}


torch.manual_seed(0)
layers = convolution(1, 3, 32) | convolution(2, 32, 64, 2) | convolution(3, 64, 64) | convolution(4, 64, 64)
layers |= convolution(5, 64, 96, 2)
layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "head": nn.Linear(96, 10)}
network = nn.Sequential(OrderedDict(layers))
epochs, batch = 15, 64
optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, epochs * (half // batch))
for epoch in range(epochs):
    for rows in torch.randperm(half)[: half // batch * batch].split(batch):
        shift = tuple(torch.randint(-2, 3, (2,)).tolist())
        loss = nn.functional.cross_entropy(network(x[rows].roll(shift, (2, 3))), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

network.eval()
zst.export(network, x[:1], HERE / "digits.onnx")
session = zs.InferenceSession(HERE / "digits.onnx")
(logits,) = session.run(None, {session.get_inputs()[0].name: test.array()})
print(f"accuracy on the other half: {(logits.argmax(1) == test.labels).mean():.1%}")
