"""`finetune`: a plain training loop that makes a network sparse. Its parts can be had for loops of one's own."""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import DataError, RecipeError
from ..progress import Progress, Steps
from ..system import cpu_isas
from . import checkpoint as checkpoints
from .batches import Batch, Loaders, as_loaders, batches, set_epoch
from .distributed import Processes, processes
from .evaluation import evaluate
from .fatrelu import fatrelus
from .monitor import SparsityMonitor, mean_sparsity
from .objective import LossFunction, MetricFunction, Objective, densified
from .recipe import Recipe
from .regularizers import REGULARIZERS, ActivationRegularizer
from .report import Callback, EpochReport, FinetuneResult, StepReport
from .schedules import Schedules, sgd
from .selection import Selection

_LOGGER = logging.getLogger("zeroskip.torch")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def finetune(
    model: nn.Module,
    loaders: Loaders | Iterable[Any] | tuple[Iterable[Any], Iterable[Any] | None],
    recipe: Recipe | None = None,
    *,
    teacher: nn.Module | None = None,
    loss: LossFunction | None = None,
    metric: MetricFunction | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    sparsity_every: int = 50,
    progress: Progress | None = None,
) -> FinetuneResult:
    """Train a model so that its activations become sparse and its accuracy stays.

    Under ``torchrun`` the same call trains in several processes. The global random generators are seeded at the start
    of each epoch and put back at the end.

    Args:
        model: With FATReLUs (:func:`replace_relu`, :func:`from_thresholds`); trained in place. At the end it holds
            the weights of the best epoch and is in evaluation mode. Without FATReLUs it is simply trained, if the
            recipe has no regulariser.
        loaders: Training loader, pair of training and validation loaders, or :class:`Loaders`. Batches are inputs, or
            pairs of inputs and targets.
        recipe: How; the default is a short run with Hoyer-square.
        teacher: Dense model to distil from; by default the model as it is at the start, thresholds 0.
        loss: Of outputs and targets, averaged over the batch; cross entropy by default.
        metric: Of outputs and targets, averaged over the batch, higher is better; top-1 by default, or agreement with
            the teacher where there are no targets.
        callbacks: Told of steps and epochs, in the first process only.
        checkpoint: File to save to after each epoch, and to go on from if it exists.
        checkpoint_every: Steps between further checkpoints; None for none.
        sparsity_every: Steps between measurements of sparsity for the callbacks.
        progress: Told of each step.

    Returns:
        How it went. If the loss stops being finite the run ends, and the model holds the last good weights.

    Raises:
        RecipeError: If recipe, model and checkpoint do not fit together.
        DataError: If a loader yields nothing, or not what is needed.

    Example:
        >>> model = replace_relu(model)  # doctest: +SKIP
        >>> result = finetune(model, (train_loader, valid_loader), Recipe(epochs=4))  # doctest: +SKIP
        >>> print(result)  # doctest: +SKIP
    """
    recipe = recipe or Recipe()
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    _warn_of_slow_precision(recipe, device)
    with processes(device) as group, _generators_put_back():
        run = _Run(model, as_loaders(loaders), recipe, teacher, loss, metric, device, group)
        run.callbacks = tuple(callbacks) if group.is_first else ()
        run.progress = progress if group.is_first else None
        run.sparsity_every = max(sparsity_every, 1)
        run.checkpoint = None if checkpoint is None else Path(checkpoint)
        run.checkpoint_every = checkpoint_every
        try:
            return run.run()
        finally:
            run.close()


class _Run:
    """One call of :func:`finetune`."""

    callbacks: tuple[Callback, ...] = ()
    progress: Progress | None = None
    sparsity_every = 50
    checkpoint: Path | None = None
    checkpoint_every: int | None = None

    def __init__(
        self,
        model: nn.Module,
        loaders: Loaders,
        recipe: Recipe,
        teacher: nn.Module | None,
        loss: LossFunction | None,
        metric: MetricFunction | None,
        device: torch.device,
        group: Processes,
    ) -> None:
        self._model = model
        if recipe.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._loaders = loaders
        self._recipe = recipe
        self._device = device
        self._group = group
        self._has_own_teacher = teacher is None and (recipe.distillation > 0.0 or loaders.valid is not None)
        if self._has_own_teacher:
            teacher = densified(copy.deepcopy(model))
        self._objective = Objective(recipe, loss, metric, teacher.eval() if teacher else None)
        self._regularizer = _regularizer(model, recipe)
        self._monitor = SparsityMonitor(model) if fatrelus(model) else None
        self._optimizer = sgd(model, recipe)
        self._schedules = Schedules(recipe, model, self._optimizer, self._regularizer)
        self._selection = Selection(recipe)
        self._steps_per_epoch = len(loaders.train)  # type: ignore[arg-type]
        self._steps = self._steps_per_epoch * recipe.epochs
        self._baseline: float | None = None
        self._reports: list[EpochReport] = []
        self._kept: checkpoints.State = {}
        self._good: checkpoints.State = {}
        self._epoch = 0
        self._done_in_epoch = 0
        self._sums = [0.0, 0.0, 0.0]  # loss, penalty, steps
        self._states: dict[str, Any] | None = None

    def run(self) -> FinetuneResult:
        """Train, from the start or from the checkpoint."""
        self._start()
        trained = self._wrapped()
        stop: str | None = self._selection.stop_reason
        is_complete = True
        while stop is None and self._epoch < self._recipe.epochs:
            started = time.monotonic()
            if not self._train(trained):
                stop, is_complete = f"the loss is not finite in epoch {self._epoch + 1}: last good weights kept", False
                _LOGGER.warning(stop)
                break
            stop = self._finish_epoch(time.monotonic() - started)
            self._save()
        checkpoints.restore(self._model, self._kept or self._good)
        self._model.eval()
        result = self._result(stop or f"all {self._recipe.epochs} epochs done", is_complete)
        for callback in self.callbacks:
            callback.on_end(result)
        return result

    def close(self) -> None:
        """Take the hooks off the model again."""
        if self._regularizer is not None:
            self._regularizer.remove()
        if self._monitor is not None:
            self._monitor.remove()

    def _start(self) -> None:
        self._good = checkpoints.snapshot(self._model)
        if self.checkpoint is not None and self.checkpoint.exists():
            self._load(checkpoints.load_checkpoint(self.checkpoint, self._recipe))
        elif self._loaders.valid is not None:
            assert self._objective.teacher is not None  # made from the model where none was given
            self._baseline, _ = self._evaluated(self._objective.teacher)

    def _wrapped(self) -> nn.Module:
        if self._group.world == 1 or not any(p.requires_grad for p in self._model.parameters()):
            return self._model
        devices = None if self._device.type == "cpu" else [self._device]
        return DistributedDataParallel(self._model, device_ids=devices)

    def _train(self, trained: nn.Module) -> bool:
        """Train the rest of this epoch; return whether all losses were finite."""
        self._model.train()
        skipped, states = self._done_in_epoch, self._states
        checkpoints.seed_everything(self._recipe.seed * 1_000_003 + self._epoch)
        set_epoch(self._loaders.train, self._epoch, self._recipe.seed * 1_000_003 + self._epoch)
        told = Steps(self.progress, f"epoch {self._epoch + 1} of {self._recipe.epochs}", self._steps_per_epoch)
        for number, batch in enumerate(self._batches(self._loaders.train)):
            if number < skipped:  # done before the checkpoint; read again so that the loader stands where it stood
                told.advance()
                continue
            if states is not None:
                checkpoints.set_generator_states(states)
                states = self._states = None
            if not self._step(trained, batch):
                return False
            told.advance()
            self._done_in_epoch += 1
            if self.checkpoint_every and self._done_in_epoch % self.checkpoint_every == 0:
                self._save()
        if self._done_in_epoch == 0:
            raise DataError("the training loader yields nothing")
        return True

    def _step(self, trained: nn.Module, batch: Batch) -> bool:
        step = self._epoch * self._steps_per_epoch + self._done_in_epoch
        self._schedules.apply(step / self._steps)
        watches = self._watches(step)
        with self._autocast():
            outputs = trained(batch.x)
            loss = self._objective.loss(outputs, batch)
        penalty = self._regularizer.penalty() if self._regularizer else torch.zeros(())
        total = (loss + penalty.to(loss.device)) * batch.weight
        loss_value, penalty_value, _ = self._mean_over_processes(loss.detach(), penalty.detach(), batch)
        if not abs(loss_value + penalty_value) < float("inf"):
            return False
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        if self._recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.gradient_clip)
        self._optimizer.step()
        self._sums = [self._sums[0] + loss_value, self._sums[1] + penalty_value, self._sums[2] + 1]
        self._tell_step(step, loss_value, penalty_value, watches)
        return True

    def _mean_over_processes(self, loss: Tensor, penalty: Tensor, batch: Batch) -> list[float]:
        values = [float(loss) * batch.weight, float(penalty) * batch.weight, 1.0]
        total = self._group.sum(values)
        return [value / total[2] for value in total]

    def _watches(self, step: int) -> bool:
        watches = self._monitor is not None and bool(self.callbacks) and step % self.sparsity_every == 0
        if self._monitor is not None:
            self._monitor.is_active = watches
        return watches

    def _tell_step(self, step: int, loss: float, penalty: float, watches: bool) -> None:
        if not self.callbacks:
            return
        share = step / self._steps
        report = StepReport(
            epoch=self._epoch,
            step=step,
            steps=self._steps,
            loss=loss,
            penalty=penalty,
            learning_rate=self._recipe.learning_rate_at(share),
            strength=self._recipe.strength_at(share) if self._regularizer else 0.0,
            threshold_share=self._recipe.threshold_share_at(share),
            sparsity=self._monitor.read() if watches and self._monitor else {},
        )
        for callback in self.callbacks:
            callback.on_step(report)

    def _finish_epoch(self, seconds: float) -> str | None:
        """Judge the epoch, keep its weights if they are the best, and say why to stop, if so."""
        started = time.monotonic()
        if self._monitor is not None:
            self._monitor.is_active = False
        self._schedules.apply((self._epoch + 1) / self._recipe.epochs)  # what the next step would use
        self._group.copy_from_first(self._model)
        metric: float | None = None
        sparsity: dict[str, float] = {}
        if self._loaders.valid is not None:
            metric, sparsity = self._evaluated(self._model)
        if not all(bool(torch.isfinite(value).all()) for value in self._model.parameters()):
            return "weights are no longer finite: last good weights kept"
        self._good = checkpoints.snapshot(self._model)
        is_settled = (self._epoch + 1) / self._recipe.epochs >= min(self._schedules.ramps_end, 1.0)
        mean = mean_sparsity(sparsity)
        is_best = self._selection.add(self._epoch, metric, self._baseline, mean, is_settled)
        if is_best:
            self._kept = self._good
        count = max(self._sums[2], 1.0)
        report = EpochReport(
            epoch=self._epoch,
            loss=self._sums[0] / count,
            penalty=self._sums[1] / count,
            metric=metric,
            sparsity=sparsity,
            mean_sparsity=mean,
            seconds=seconds + time.monotonic() - started,
            is_best=is_best,
        )
        self._reports.append(report)
        for callback in self.callbacks:
            callback.on_epoch(report)
        self._epoch, self._done_in_epoch, self._sums = self._epoch + 1, 0, [0.0, 0.0, 0.0]
        return self._selection.stop_reason

    def _evaluated(self, model: nn.Module) -> tuple[float, dict[str, float]]:
        assert self._loaders.valid is not None
        with self._autocast():
            return evaluate(
                model, self._batches(self._loaders.valid), self._objective, self._group, self.progress
            )

    def _batches(self, loader: Iterable[Any]) -> Iterator[Batch]:
        return batches(loader, self._group, self._device, channels_last=self._recipe.channels_last)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self._device.type, torch.bfloat16, enabled=_DTYPES[self._recipe.precision] != torch.float32
        )

    def _result(self, stop_reason: str, is_complete: bool) -> FinetuneResult:
        return FinetuneResult(
            recipe=self._recipe,
            baseline=self._baseline,
            epochs=tuple(self._reports),
            best_epoch=self._selection.best_epoch,
            stop_reason=stop_reason,
            is_complete=is_complete,
        )

    def _save(self) -> None:
        if self.checkpoint is not None and self._group.is_first:
            teacher = self._objective.teacher
            content = {
                "model": self._model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "teacher": teacher.state_dict() if teacher is not None and self._has_own_teacher else None,
                "targets": self._schedules.targets,
                "kept": self._kept,
                "good": self._good,
                "baseline": self._baseline,
                "reports": [report.model_dump() for report in self._reports],
                "selection": self._selection.state(),
                "epoch": self._epoch,
                "done_in_epoch": self._done_in_epoch,
                "sums": self._sums,
                "generators": checkpoints.generator_states(),
            }
            checkpoints.save_checkpoint(self.checkpoint, self._recipe, content)
        self._group.wait()

    def _load(self, content: dict[str, Any]) -> None:
        checkpoints.restore(self._model, content["model"])
        if content["teacher"] is not None and self._objective.teacher is not None:
            checkpoints.restore(self._objective.teacher, content["teacher"])
        self._optimizer.load_state_dict(content["optimizer"])
        self._schedules.targets = content["targets"]
        self._kept, self._good = content["kept"], content["good"]
        self._baseline = content["baseline"]
        self._reports = [EpochReport.model_validate(report) for report in content["reports"]]
        self._selection.set_state(content["selection"])
        self._epoch, self._done_in_epoch = content["epoch"], content["done_in_epoch"]
        self._sums = content["sums"]
        self._states = content["generators"] if self._done_in_epoch else None


def _regularizer(model: nn.Module, recipe: Recipe) -> ActivationRegularizer | None:
    if recipe.regularizer is None or recipe.strength == 0.0:
        if unknown := sorted(set(recipe.layer_weights) - set(fatrelus(model))):
            raise RecipeError(f"layer_weights of the recipe name {unknown}, which are no FATReLUs of the model")
        return None
    return REGULARIZERS[recipe.regularizer](model, recipe.strength, weights=recipe.layer_weights)


def _warn_of_slow_precision(recipe: Recipe, device: torch.device) -> None:
    if recipe.precision == "bfloat16" and device.type == "cpu" and not {"avx512bf16", "amx"} & set(cpu_isas()):
        _LOGGER.warning("this CPU has no bfloat16 arithmetic: precision='float32' would be faster")


@contextmanager
def _generators_put_back() -> Iterator[None]:
    states = checkpoints.generator_states()
    try:
        yield
    finally:
        checkpoints.set_generator_states(states)
