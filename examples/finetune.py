"""A short training towards more zeros, from an ONNX file: python finetune.py (needs PyTorch)

For a network in PyTorch use ``zst.replace_relu(model)`` in the place of ``from_onnx``, and ``zst.export`` at the end.
"""

import digits
import torch

import zeroskip as zs
import zeroskip.torch as zst


def loader(data: zs.Dataset, *, shuffle: bool = False) -> torch.utils.data.DataLoader:
    pairs = torch.utils.data.TensorDataset(torch.from_numpy(data.array()), torch.from_numpy(data.labels))
    return torch.utils.data.DataLoader(pairs, batch_size=64, shuffle=shuffle)


torch.manual_seed(0)
network = zst.from_onnx(digits.MODEL)  # rectifiers are FATReLUs already
recipe = zst.Recipe(epochs=2, learning_rate=0.01, regularizer="transformed_l1", strength=30.0, max_drop=0.01)
loaders = loader(digits.train_data().subset(320), shuffle=True), loader(digits.test_data().subset(128))
result = zst.finetune(network, loaders, recipe)
print(result)

network.to_onnx().save("digits.finetuned.onnx")
print("written: digits.finetuned.onnx; calibrate can go on from there")
