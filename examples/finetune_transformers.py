"""Sparsity under the Hugging Face Trainer: python finetune_transformers.py. Needs transformers and accelerate."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import ResNetConfig, ResNetForImageClassification, Trainer, TrainingArguments

import zeroskip.torch as zst


class SparseTrainer(Trainer):
    """A Trainer whose loss has a penalty on activations; logs mean sparsity with everything else.

    Args:
        strength: Factor on the penalty.
        **arguments: Those of ``Trainer``.
    """

    def __init__(self, strength: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._regularizer = zst.HoyerSquare(self.model, strength)
        self._monitor = zst.SparsityMonitor(self.model)

    def compute_loss(self, model: nn.Module, inputs: Any, return_outputs: bool = False, **options: Any) -> Any:
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **options)
        loss = loss + self._regularizer.penalty()
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *arguments: Any) -> None:
        found = self._monitor.read()
        if found:
            logs = {**logs, "sparsity": sum(found.values()) / len(found)}
        super().log(logs, *arguments)


class Squares(Dataset):
    """Noise with a bright half, in the form the Trainer takes."""

    def __init__(self, count: int = 64) -> None:
        generator = torch.Generator().manual_seed(0)
        self._y = torch.arange(count) % 4
        self._x = torch.randn(count, 3, 32, 32, generator=generator)
        self._x[torch.arange(count), self._y % 3, :16] += self._y.float()[:, None, None] + 1.0

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"pixel_values": self._x[index], "labels": self._y[index]}


class Logits(nn.Module):
    """The logits alone: what an inference engine returns."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.model(pixel_values).logits


def main() -> None:
    """Train a small ResNet and export it."""
    torch.manual_seed(0)
    config = ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", num_labels=4, hidden_act="relu"
    )
    model = zst.replace_relu(ResNetForImageClassification(config))
    data = Squares()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=3,
            per_device_train_batch_size=16,
            learning_rate=5e-3,
            logging_steps=4,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        trainer = SparseTrainer(strength=0.5, model=model, args=arguments, train_dataset=data)
        trainer.train()
    sparsity = [entry["sparsity"] for entry in trainer.state.log_history if "sparsity" in entry]
    print(f"sparsity {sparsity[0]:.3f} -> {sparsity[-1]:.3f}")
    zst.export(Logits(model), data[0]["pixel_values"][None], "model.onnx", output_names=["logits"])


if __name__ == "__main__":
    main()
