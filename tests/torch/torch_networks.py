"""Small networks for the tests, one for every way to write a ReLU."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

SIDE = 8


class Plain(nn.Module):
    """Convolutions with a module for each ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU6()
        )
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(dim=(2, 3)))


class Shared(nn.Module):
    """One ReLU module that is called twice."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        return self.head(self.relu(self.conv2(x)).mean(dim=(2, 3)))


class Functional(nn.Module):
    """Functions and methods, and a functional dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Shared()
        self.conv = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv[0](x))
        x = self.conv[1](x).relu()
        x = torch.relu(self.conv[2](x))
        x = F.relu6(self.conv[3](x) * 8.0)
        x = self.conv[4](x).clamp(min=0)
        return self.stem(F.dropout(x, 0.5, training=self.training))


class Residual(nn.Module):
    """As ResNets are: one ReLU called twice in a block, normalisation behind convolutions, functions beside modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(_Block(8), _Block(8))
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.bn1(self.conv1(x)))
        return self.fc(self.layer1(x).mean(dim=(2, 3)))


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + x)


class Twice(nn.Module):
    """A ReLU upon a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.conv1(x).relu()))


class OverwrittenShortcut(nn.Module):
    """An in-place ReLU whose input is read again: the shortcut sees the rectified values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        y = self.conv2(self.relu(x))
        return x + y


class Untraceable(nn.Module):
    """Control flow that depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(x)) if x.sum() > 0 else self.conv(x)


def pictures(count: int = 4, seed: int = 0) -> Tensor:
    """Return noise ``[count, 3, 8, 8]``."""
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def labelled(count: int = 48) -> TensorDataset:
    """Return pictures whose class is the quadrant that is brightened."""
    x, y = pictures(count), torch.arange(count) % 4
    for row, label in enumerate(y.tolist()):
        top, left = 4 * (label // 2), 4 * (label % 2)
        x[row, label % 3, top : top + 4, left : left + 4] += 2.0
    return TensorDataset(x, y)


def loaders(count: int = 48, batch_size: int = 8) -> tuple[DataLoader, DataLoader]:
    """Return a shuffled training loader and a validation loader of the same data."""
    data = labelled(count)
    return DataLoader(data, batch_size, shuffle=True), DataLoader(data, 16)
