"""The network and the pictures that the examples share; ``train.py`` says where they are from."""

from pathlib import Path

import zeroskip as zs

_HERE = Path(__file__).parent
MODEL = _HERE / "digits.onnx"
"""Five 3x3 convolutions with ReLUs and a linear layer; 24 x 24 pixels in, ten logits out."""
RECIPE = zs.Preprocess.load(_HERE / "preprocess.json")
"""How pixels become its input; the same that it was trained with."""


def test_data() -> zs.Dataset:
    """Return 899 labelled pictures that the network has never seen."""
    return zs.data.npz(_HERE / "test.npz", RECIPE)


def train_data() -> zs.Dataset:
    """Return the 898 labelled pictures that it was trained on."""
    return zs.data.npz(_HERE / "train.npz", RECIPE)
