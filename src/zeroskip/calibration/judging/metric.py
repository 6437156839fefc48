"""Choosing the metric that a budget is put on, by what the outputs are and what the targets say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...data.targets import described
from ...errors import CalibrationError
from ...metrics import agreement, is_probability
from ...onnx.chosen_outputs import Chosen
from .answers import AnswerMetric
from .blind import check_function
from .classes import ClassMetric
from .dense import Detection, MeanIoU
from .fidelity import FidelityMetric, JointFidelity
from .judge import Judge, guards_of, refuse_none_right, require_labels, top_metric
from .kinds import kind_of
from .outputs import Outputs
from .protocol import Labels, Metric, MetricFunction
from .tasks import IDENTITY_METRICS, TASKS, SequenceAccuracy, task_metric

MetricName = Literal[
    "auto", "top1", "top5", "agreement", "fidelity", "binary", "multilabel", "miou", "detection", "cosine",
    "neighbours", "recall1", "verification", "mae", "sequence",
]  # fmt: skip
METRICS: tuple[MetricName, ...] = get_args(MetricName)
WITHOUT_SCALE = ("mae",)
"""Metrics in units of the targets, of which no budget can be guessed."""

_TOP = re.compile(r"top([1-9]\d{0,3})")
_ADVICE = (
    "metric='neighbours' bounds the share of nearest neighbours kept, 'recall1' and 'verification' go by identities; "
    "if these are class scores, say metric='agreement' (or 'top1')"
)

_UNREAD = (
    "the targets ({}) are not read: {} with the original goes by none; name a metric that reads them (--metric), or "
    "give class indices, integers [N]"
)

__all__ = [
    "METRICS",
    "ClassMetric",
    "CustomMetric",
    "Detection",
    "FidelityMetric",
    "Judge",
    "Labels",
    "MeanIoU",
    "Metric",
    "MetricFunction",
    "MetricName",
    "Outputs",
    "SequenceAccuracy",
    "agreement_of",
    "check_outputs",
    "choose_metric",
    "is_known",
    "is_top1",
    "needs_identities",
]


@dataclass(frozen=True)
class CustomMetric:
    """A caller's own function of outputs and targets, higher is better; the rest as for the outputs' kind.

    Args:
        function: Gets the outputs by name, see :class:`Outputs`, and the targets.
        base: What the information loss is measured by.
    """

    function: MetricFunction
    base: Metric

    @property
    def name(self) -> str:
        """Name of the function."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`.

        Raises:
            CalibrationError: If the function raises or returns no finite number.
        """
        try:
            found = self.function(Outputs.of(outputs).shown.lent, labels)
        except Exception as error:
            raise CalibrationError(f"the metric '{self.name}' raised {type(error).__name__}: {error}") from error
        try:
            value = float(found)
        except Exception as error:
            raise CalibrationError(
                f"the metric '{self.name}' returned a {type(found).__name__}, expected one number"
            ) from error
        if not np.isfinite(value):
            raise CalibrationError(f"the metric '{self.name}' returned {value}, expected a finite number")
        return value

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> None:
        """See :class:`Metric`."""

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        return self.base.information_loss(reference, outputs)


def check_outputs(reference: Any) -> None:
    """Refuse outputs of the dense model from which nothing can be judged.

    Raises:
        CalibrationError: If some are not finite.
    """
    outputs = Outputs.of(reference)
    for name, column in outputs.items():
        rows = [np.asarray(row) for row in column]
        bad = sum(row.dtype.kind == "f" and not np.isfinite(row).all() for row in rows)
        if bad:
            which = f" in '{name}'" if len(outputs) > 1 else ""
            raise CalibrationError(
                f"the model itself gives NaN or infinite outputs on {bad} of {len(rows)} inputs{which}: "
                "check the preprocessing"
            )


def choose_metric(
    wanted: Any,
    reference: Any,
    labels: Labels,
    *,
    output: str | None = None,
    class_count: int | None = None,
    input_shapes: Sequence[Any] | None = None,
    origins: Mapping[str, Chosen] | None = None,
) -> Judge:
    """Return what judges the outputs.

    Args:
        wanted: ``"auto"`` is ``"top1"`` with labels that are class indices; without, ``"agreement"`` for outputs that
            are class scores or class indices, and ``"fidelity"`` for others. Or another name, a function of
            outputs and targets, or a :class:`Metric`.
        reference: Outputs of the dense model on the calibration data.
        labels: Targets of these, or None.
        output: Name of the output to judge; None chooses.
        class_count: How many class names the model states.
        input_shapes: Shape of every input; None where all are alike.
        origins: By output what it is to the TopK, ArgMax or ArgMin that makes it.

    Raises:
        CalibrationError: If the metric is unknown or needs what is not there, lower is better of it, or the dense
            outputs are not finite.
    """
    check_outputs(reference)
    outputs = Outputs.of(reference)
    shown = outputs.shown
    if output is not None and output not in shown:
        raise CalibrationError(f"the model has no output '{output}'; its outputs are {list(shown)}")
    classes = _class_labels(labels)
    made = origins or {}
    kinds = {name: kind_of(name, column, classes, class_count, made.get(name)) for name, column in shown.items()}
    judge = Judge(FidelityMetric(), guards_of(outputs, kinds, input_shapes), kinds)
    if isinstance(wanted, SequenceAccuracy):
        wanted = wanted.metric
    if callable(wanted):
        judge = replace(judge, metric=CustomMetric(wanted, judge))
        judge.value(outputs, outputs, labels)
        return replace(judge, notes=(*judge.notes, *check_function(judge, outputs, labels)))
    if not isinstance(wanted, str):
        if not hasattr(wanted, "information_loss"):
            raise CalibrationError(f"the metric is a {type(wanted).__name__}, expected a name or a function")
        if (named := getattr(wanted, "output", "")) and named not in shown:
            raise CalibrationError(f"the model has no output '{named}'; its outputs are {list(shown)}")
        judge = replace(judge, metric=wanted if output is None else replace(wanted, output=output))
    elif wanted == "auto":
        judge = _automatic(judge, outputs, classes, output)
        if labels is not None and judge.name in ("agreement", "fidelity"):
            judge = replace(judge, notes=(*judge.notes, _UNREAD.format(described(labels), judge.name)))
    else:
        judge = replace(judge, metric=_named(wanted, judge, shown, labels, output))
    judge = _guarded_alike(judge)
    judge.value(outputs, outputs, labels)  # whatever does not fit is told now
    return judge


def _guarded_alike(judge: Judge) -> Judge:
    """Return the judge with outputs that are judged by their fidelity guarded by it as well."""
    metric = judge.metric
    names = metric.outputs if isinstance(metric, JointFidelity) else ()
    names = (metric.output,) if isinstance(metric, FidelityMetric) else names
    return replace(judge, guards=dict(judge.guards) | {name: FidelityMetric(output=name) for name in names})


def _class_labels(labels: Labels) -> NDArray[np.int64] | None:
    is_indices = isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu"
    return labels.astype(np.int64) if is_indices else None


def _automatic(judge: Judge, outputs: Outputs, labels: NDArray[np.int64] | None, output: str | None) -> Judge:
    shown = outputs.shown
    names = [output] if output is not None else list(shown)
    scores = [name for name in names if judge.kinds[name].kind == "classes"]
    notes = list(judge.notes)
    if scores:
        name = scores[0]
        if len(scores) > 1:
            notes.append(f"the model has several outputs with classes ({', '.join(scores)}): '{name}' is judged")
        base = ClassMetric("agreement", is_probability(shown[name]), output=name)
        metric = base if labels is None else top_metric(base, shown, labels)
        return replace(judge, metric=metric, notes=tuple(notes))
    chosen = [name for name in names if judge.kinds[name].kind == "answers"]
    if len(chosen) == 1:
        return replace(judge, metric=_answers("agreement" if labels is None else "top1", chosen[0], shown, labels))
    for name in names:
        if judge.kinds[name].is_ranked:
            notes.append(
                f"output '{name}' is sorted, as by TopK: its largest value is always the first, so its fidelity is "
                "bounded; a function of (outputs, targets) as metric judges what it ranks"
            )
        if judge.kinds[name].kind == "embedding":
            which = f"output '{name}'" if name else "the output"
            reason = judge.kinds[name].reason
            notes.append(f"{which} looks like an embedding ({reason}): its fidelity is bounded; {_ADVICE}")
    fitting = [name for name in names if name in judge.guards]
    inside = [name for name in judge.guards if name in outputs.hidden]
    if not fitting and inside:
        notes.append(
            f"the outputs {names} differ in size from input to input, or are no numbers: the fidelity of what they are "
            f"made of ({', '.join(inside)}) is bounded; metric='detection' with boxes as targets, or a function of "
            "(outputs, targets), judges the outputs themselves"
        )
    return replace(judge, metric=_fidelity(fitting or inside or names), notes=tuple(notes))


def _answers(wanted: str, output: str, shown: Outputs, labels: Labels) -> AnswerMetric:
    """Return the metric of class indices that the model has chosen."""
    metric = AnswerMetric(wanted, output)
    if wanted == "agreement":
        return metric
    require_labels(wanted, labels)
    refuse_none_right(metric.value(shown, shown, labels), shown.samples)
    return metric


def _fidelity(names: list[str]) -> Metric:
    return FidelityMetric(output=names[0]) if len(names) == 1 else JointFidelity(tuple(names))


def _named(wanted: str, judge: Judge, shown: Outputs, labels: Labels, output: str | None) -> Metric:
    if wanted == "fidelity":
        fitting = [name for name in judge.guards if name in shown]
        return _fidelity([output] if output is not None else fitting or list(judge.guards) or list(shown))
    if wanted == "detection":
        return Detection(output=output or "")
    if wanted != "agreement" and not _TOP.fullmatch(wanted) and wanted not in TASKS and wanted != "miou":
        raise CalibrationError(f"unknown metric {wanted!r}, known are {list(METRICS)} or a function")
    name = output if output is not None else _only_output(wanted, judge, shown)
    if wanted == "miou":
        return MeanIoU(output=name)
    if wanted in TASKS:
        return task_metric(wanted, name)
    column = shown[name]
    if judge.kinds[name].kind == "answers":
        return _answers(wanted, name, shown, labels)
    if not isinstance(column, np.ndarray) or sum(side != 1 for side in column.shape[1:]) != 1:
        shape = list(np.shape(column)) if isinstance(column, np.ndarray) else "of a shape of its own for every input"
        raise CalibrationError(
            f"metric '{wanted}' needs outputs [N, classes], the model's output '{name}' has shape {shape}: "
            "use 'fidelity'"
        )
    base = ClassMetric("agreement", is_probability(column), output=name)
    found = _TOP.fullmatch(wanted)
    return base if found is None else top_metric(base, shown, labels, int(found[1]))


def _only_output(wanted: str, judge: Judge, shown: Outputs) -> str:
    """Return the output that a metric must mean: the only one, or the only one of a kind that it can judge."""
    if len(shown) == 1:
        return next(iter(shown))
    kind = "classes" if wanted == "agreement" or _TOP.fullmatch(wanted) else "embedding"
    fitting = [name for name, item in judge.kinds.items() if item.kind == kind]
    if not fitting and kind == "classes":
        fitting = [name for name, item in judge.kinds.items() if item.kind == "answers"]
    if len(fitting) == 1 and (kind == "classes" or wanted in ("cosine", "neighbours", *IDENTITY_METRICS)):
        return fitting[0]
    raise CalibrationError(
        f"metric '{wanted}' judges one output, the model has {list(shown)}: name it by output= (--metric-output)"
    )


def agreement_of(reference: Any, outputs: Any) -> float | None:
    """Return the share of inputs that two models answer alike, None for outputs that are no classes.

    Args:
        reference: Of the dense model.
        outputs: Of the other one.
    """
    if sum(side != 1 for side in np.shape(reference)[1:]) != 1:
        return None
    return agreement(np.asarray(reference), np.asarray(outputs))


def is_top1(
    wanted: Any,
    reference: Any,
    labels: Labels = None,
    *,
    output: str | None = None,
    origins: Mapping[str, Chosen] | None = None,
) -> str | None:
    """Return the output of which top-1 will be judged, if there are labels; None where something else is.

    Args:
        wanted: As for :func:`choose_metric`.
        reference: Outputs of the dense model.
        labels: Class indices, or None.
        output: As for :func:`choose_metric`.
        origins: The same.
    """
    if wanted not in ("auto", "top1"):
        return None
    shown = Outputs.of(reference).shown
    if output is not None and output not in shown:
        return None
    classes, made = _class_labels(labels), origins or {}
    names = [output] if output is not None else list(shown)
    kinds = {name: kind_of(name, shown[name], classes, origin=made.get(name)).kind for name in names}
    if wanted == "top1" and len(names) == 1 and isinstance(shown[names[0]], np.ndarray):
        is_row = sum(side != 1 for side in shown[names[0]].shape[1:]) == 1 or kinds[names[0]] == "answers"
        return names[0] if is_row else None
    fitting = [name for name in names if kinds[name] == "classes"]
    chosen = [name for name in names if kinds[name] == "answers" and shown[name].dtype.kind in "iub"]
    return fitting[0] if fitting else chosen[0] if len(chosen) == 1 else None


def is_known(name: str) -> bool:
    """Whether there is a metric of this name."""
    return name in METRICS or _TOP.fullmatch(name) is not None


def needs_identities(wanted: Any) -> bool:
    """Whether labels are identities, all of one of which a split must keep together."""
    return wanted in IDENTITY_METRICS
