"""The training loop behind `finetune`."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DataError, ModelError, RecipeError
from ..learning.fatrelu import fatrelus
from ..progress import Progress, Steps
from . import checkpoint as checkpoints
from .batches import Batch, Loaders, batches, set_epoch
from .evaluation import evaluate
from .mixup import mix_up
from .monitor import SparsityMonitor, mean_sparsity
from .objective import LossFunction, MetricFunction, Objective, make_dense
from .processes import Processes
from .recipe import Recipe
from .regularizers import REGULARIZERS, ActivationRegularizer
from .report import Callback, FinetuneResult, StepReport
from .run_state import Standing
from .schedules import Schedules, new_optimizer
from .selection import Selection
from .user_code import describe, reports

_LOGGER = logging.getLogger("zeroskip.torch")


class Training:
    """One call of :func:`finetune`: the loop, and what it needs.

    The attributes may be set before :meth:`run`; :func:`finetune` explains all arguments.
    """

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
        group.copy_weights(model)
        self._has_own_teacher = teacher is None and (recipe.distillation > 0.0 or loaders.valid is not None)
        if self._has_own_teacher:
            teacher = make_dense(copy.deepcopy(model))
        self._objective = Objective(recipe, loss, metric, teacher.eval() if teacher else None)
        self._regularizer = _regularizer(model, recipe)
        self._monitor = SparsityMonitor(model) if fatrelus(model) else None
        self._optimizer = new_optimizer(model, recipe)
        self._schedules = Schedules(recipe, model, self._optimizer, self._regularizer)
        self._selection = Selection(recipe)
        self._steps_per_epoch = len(loaders.train)  # type: ignore[arg-type]
        self._steps = self._steps_per_epoch * recipe.epochs
        self._at = Standing()
        self._states: dict[str, Any] | None = None

    def run(self) -> FinetuneResult:
        """Train, from the start or from the checkpoint."""
        self._start()
        stop: str | None = self._selection.stop_reason
        is_complete = True
        while stop is None and self._at.epoch < self._recipe.epochs:
            started = time.monotonic()
            if not self._train():
                stop = f"the loss is not finite in epoch {self._at.epoch + 1}: last good weights kept"
                is_complete = False
                _LOGGER.warning(stop)
                break
            stop = self._finish_epoch(time.monotonic() - started)
            self._save()
        checkpoints.restore(self._model, self._at.kept or self._at.good)
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
        self._at.good = checkpoints.snapshot(self._model)
        self._group.require_same("the number of batches of the training loader", self._steps_per_epoch)
        has_checkpoint = self.checkpoint is not None and self.checkpoint.exists()
        self._group.require_same("whether the checkpoint is there (0 or 1)", has_checkpoint)
        if self.checkpoint is not None and has_checkpoint:
            content = checkpoints.load_checkpoint(self.checkpoint, self._recipe)
            with checkpoints.damage_reported(self.checkpoint):
                self._load(content)
        elif self._loaders.valid is not None:
            assert self._objective.teacher is not None  # made from the model where none was given
            self._at.baseline, _ = self._evaluated(self._objective.teacher)

    def _train(self) -> bool:
        """Train the rest of this epoch; return whether all losses were finite."""
        self._model.train()
        skipped, states = self._at.done_in_epoch, self._states
        checkpoints.seed_everything(self._recipe.seed * 1_000_003 + self._at.epoch)
        set_epoch(self._loaders.train, self._at.epoch, self._recipe.seed * 1_000_003 + self._at.epoch)
        told = Steps(self.progress, f"epoch {self._at.epoch + 1} of {self._recipe.epochs}", self._steps_per_epoch)
        for number, batch in enumerate(self._batches(self._loaders.train)):
            if number < skipped:  # done before the checkpoint; read again so that the loader stands where it stood
                told.advance()
                continue
            if states is not None:
                checkpoints.set_generator_states(states)
                states = self._states = None
            if not self._step(batch):
                return False
            told.advance()
            done = self._at.done_in_epoch  # gradients are not part of a checkpoint
            is_due = bool(self.checkpoint_every) and done % (self.checkpoint_every or 1) < self._recipe.accumulation
            if is_due and self._ends_group(done):
                self._group.share_buffers(self._model)
                self._save()
        if self._at.done_in_epoch == 0:
            raise DataError("the training loader yields nothing")
        return True

    def _step(self, batch: Batch) -> bool:
        step = self._at.epoch * self._steps_per_epoch + self._at.done_in_epoch
        self._schedules.apply(step / self._steps)
        if self._recipe.mixup > 0.0:
            batch = mix_up(batch, self._recipe.mixup)
        watches = self._watches(step)
        with self._autocast():
            with reports("the model", ModelError, lambda: f"inputs {describe(batch.x)}"):
                outputs = self._model(batch.x)
            loss = self._objective.loss(outputs, batch)
        penalty = self._regularizer.penalty() if self._regularizer else torch.zeros(())
        total = (loss + penalty.to(loss.device)) * batch.weight / self._recipe.accumulation
        loss_value, penalty_value, _ = self._mean_over_processes(loss.detach(), penalty.detach(), batch)
        if not abs(loss_value + penalty_value) < float("inf"):
            return False
        if self._at.done_in_epoch % self._recipe.accumulation == 0:
            self._optimizer.zero_grad(set_to_none=True)
        with reports("the gradient of the loss", DataError):
            total.backward()  # type: ignore[no-untyped-call]
        if self._ends_group(self._at.done_in_epoch + 1):
            self._group.average_gradients(self._model)
            if self._recipe.gradient_clip is not None:
                nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.gradient_clip)
            self._optimizer.step()
        self._at.add(loss_value, penalty_value)
        self._tell_step(step, loss_value, penalty_value, watches)
        return True

    def _ends_group(self, done: int) -> bool:
        """Tell whether the weights change after so many batches of an epoch."""
        return done % self._recipe.accumulation == 0 or done == self._steps_per_epoch

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
            epoch=self._at.epoch,
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
        share = (self._at.epoch + 1) / self._recipe.epochs
        self._schedules.apply(share)  # what the next step would use
        self._group.share_buffers(self._model)
        metric: float | None = None
        sparsity: dict[str, float] = {}
        if self._loaders.valid is not None:
            metric, sparsity = self._evaluated(self._model)
        if not all(bool(torch.isfinite(value).all()) for value in self._model.parameters()):
            return "weights are no longer finite: last good weights kept"
        mean = mean_sparsity(sparsity)
        is_settled = share >= min(self._schedules.ramps_end, 1.0)
        is_best = self._selection.add(self._at.epoch, metric, self._at.baseline, mean, is_settled)
        self._at.good = checkpoints.snapshot(self._model)
        if is_best:
            self._at.kept = self._at.good
        seconds += time.monotonic() - started
        report = self._at.end_epoch(metric=metric, sparsity=sparsity, seconds=seconds, is_best=is_best)
        for callback in self.callbacks:
            callback.on_epoch(report)
        return self._selection.stop_reason

    def _evaluated(self, model: nn.Module) -> tuple[float, dict[str, float]]:
        assert self._loaders.valid is not None
        with self._autocast():
            return evaluate(model, self._batches(self._loaders.valid), self._objective, self._group, self.progress)

    def _batches(self, loader: Iterable[Any]) -> Iterator[Batch]:
        return batches(loader, self._group, self._device, channels_last=self._recipe.channels_last)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._recipe.precision == "bfloat16")

    def _result(self, stop_reason: str, is_complete: bool) -> FinetuneResult:
        return FinetuneResult(
            recipe=self._recipe,
            baseline=self._at.baseline,
            epochs=tuple(self._at.reports),
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
                "selection": self._selection.state(),
                "generators": checkpoints.generator_states(),
                "steps_per_epoch": self._steps_per_epoch,
                **self._at.state(),
            }
            checkpoints.save_checkpoint(self.checkpoint, self._recipe, content)
        self._group.wait()

    def _load(self, content: dict[str, Any]) -> None:
        checkpoints.restore(self._model, content["model"])
        if content["teacher"] is not None and self._objective.teacher is not None:
            checkpoints.restore(self._objective.teacher, content["teacher"])
        self._optimizer.load_state_dict(content["optimizer"])
        self._schedules.set_targets(content["targets"])
        self._selection.set_state(content["selection"])
        self._at = Standing.of(content)
        # With a DistributedSampler other numbers of processes divide an epoch into other numbers of steps.
        saved_steps = int(content.get("steps_per_epoch", self._steps_per_epoch))
        self._at.rescale(saved_steps, self._steps_per_epoch, self._recipe.accumulation)
        states = content["generators"]
        checkpoints.set_generator_states(states)  # finds out now whether they can be set; epochs seed them anew
        self._states = states if self._at.done_in_epoch else None


def _regularizer(model: nn.Module, recipe: Recipe) -> ActivationRegularizer | None:
    if recipe.regularizer is None or recipe.strength == 0.0:
        if unknown := sorted(set(recipe.layer_weights) - set(fatrelus(model))):
            raise RecipeError(f"layer_weights of the recipe name {unknown}, which are no FATReLUs of the model")
        return None
    return REGULARIZERS[recipe.regularizer](model, recipe.strength, weights=recipe.layer_weights)
