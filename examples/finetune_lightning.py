"""Sparsity as a Lightning callback: python finetune_lightning.py. Needs ``pip install lightning``."""

from __future__ import annotations

from typing import Any

import lightning as L  # noqa: N812 (its usual name)
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import zeroskip.torch as zst


class Sparsify(L.Callback):
    """Raises the strength of a module's ``regularizer`` over the first steps, and logs sparsity.

    Args:
        strength: At the end of the ramp.
        ramp_steps: Steps over which it rises from 0.
    """

    def __init__(self, strength: float = 0.5, ramp_steps: int = 20) -> None:
        self._strength, self._ramp_steps = strength, ramp_steps

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._monitor = zst.SparsityMonitor(pl_module)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        pl_module.regularizer.strength = self._strength * min(trainer.global_step / self._ramp_steps, 1.0)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for name, value in self._monitor.read().items():
            pl_module.log(f"sparsity/{name}", value)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._monitor.remove()


class Classifier(L.LightningModule):
    """An ordinary module; three lines are new."""

    def __init__(self) -> None:
        super().__init__()
        self.net = zst.replace_relu(
            nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
        )
        self.regularizer = zst.HoyerSquare(self.net, strength=0.0)  # the callback raises it

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = batch
        return F.cross_entropy(self.net(x), y) + self.regularizer.penalty()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def main() -> None:
    """Train twice, without and with the callback, and export the second network."""
    torch.manual_seed(0)
    x, y = torch.randn(256, 3, 8, 8), torch.arange(256) % 4
    x[torch.arange(256), y % 3, :4] += y.float()[:, None, None] + 1.0
    for callbacks in ([], [Sparsify()]):
        L.seed_everything(1, verbose=False)
        module = Classifier()
        trainer = L.Trainer(
            max_epochs=6,
            accelerator="cpu",
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(TensorDataset(x, y), 32, shuffle=True))
        with zst.SparsityMonitor(module) as monitor, torch.no_grad():
            accuracy = (module.eval().net(x).argmax(1) == y).float().mean().item()
            sparsity = monitor.read()
        mean = sum(sparsity.values()) / len(sparsity)
        print(f"callbacks={len(callbacks)} accuracy={accuracy:.3f} sparsity={mean:.3f}")
    zst.export(module.net, x[:1], "model.onnx")


if __name__ == "__main__":
    main()
