"""Parts of a calibration's result: scores, trials, points of the curve, and what was seen of each layer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Score(BaseModel):
    """The metric before and after, on one set of inputs.

    Attributes:
        samples: Number of inputs.
        baseline: Metric of the dense model.
        optimized: Metric with the thresholds.
        information_loss: How far the outputs moved against how much they differ between inputs: 0 unchanged,
            1 blind.
        agreement: Share of inputs that both models answer alike; None for outputs that are no classes.
        neighbours: Share of inputs whose nearest neighbour among the inputs stays the same; None for outputs that are
            no embeddings.
        likely_drop: How far the metric really falls, from the drop as counted and from what the dense model's own
            probabilities let expect; top-1 only. On few inputs it depends on luck far less than ``drop``.
        interval: 95 % confidence interval of the drop, exact where the metric counts inputs; None where it was not
            asked for or nothing can be said.
        p_value: Of McNemar's test for "the two models are equally good"; top-1 only.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    samples: int
    baseline: float
    optimized: float
    information_loss: float
    agreement: float | None = None
    neighbours: float | None = None
    likely_drop: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None

    @property
    def drop(self) -> float:
        """What was lost: baseline minus optimized; negative where the thresholds happened to help."""
        return self.baseline - self.optimized

    @property
    def searched_drop(self) -> float:
        """What the search goes by: the likely drop, half an input and less being none; ``drop`` if there is none."""
        if self.likely_drop is None:
            return self.drop
        return 0.0 if 0.0 < self.likely_drop <= 0.5 / self.samples else self.likely_drop


class DropEstimate(BaseModel):
    """The best estimate of how far the metric falls on inputs like those of the calibration, by both halves together.

    Attributes:
        drop: For top-1 what was counted and what the dense model's probabilities let expect, each weighed by its error;
            else what was counted. ``optimism`` is in it.
        interval: 95 % confidence interval of the drop, which lies inside; it covers what choosing among the thresholds
            tried, by the same inputs, makes better than it is. None where a metric of one's own is the same on all of
            them, or takes too long to be asked some hundred times.
        samples: Inputs of both halves.
        changed: How many of them are answered otherwise.
        counted: Drop of the metric over both halves, as counted; half of them guided the search.
        counted_interval: Exact 95 % interval of that, without regard to the choice; None for metrics that do not count
            inputs.
        optimism: What was added to ``drop`` because the thresholds were chosen by these inputs, >= 0; 0 where a target
            chose them, None for a metric that is no mean over inputs (mean IoU, detection, one's own), whose choice
            the interval does not cover.
        factor: By what expected drops are multiplied in this network, top-1 only: 1 where the dense model's
            probabilities mean what they say.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    drop: float
    interval: tuple[float, float] | None
    samples: int
    changed: int
    counted: float
    counted_interval: tuple[float, float] | None = None
    optimism: float | None = None
    factor: float | None = None


class Trial(BaseModel):
    """One threshold set that the search tried.

    Attributes:
        stage: ``"search"`` on the calibration data, ``"holdout"`` on the holdout.
        strength: Place in the strategy's family, in [0, 1].
        sparsity: Of what the skipping layers read, weighted by MACs, in [0, 1].
        predicted_speedup: Time of the model as it is over time with the set, by ``costs`` of the options.
        score: What it did to the metric.
        passed: Whether it kept within the budget: with the likely drop where there is one, on the holdout with the
            counted one as well.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    stage: str
    strength: float
    sparsity: float
    predicted_speedup: float = 1.0
    score: Score
    passed: bool


class CurvePoint(BaseModel):
    """One point of accuracy against speed, measured on both sets of data.

    Attributes:
        strength: Place in the strategy's family, in [0, 1]; 0 is the model as it is.
        sparsity: Of what the skipping layers read, weighted by MACs, on the calibration data.
        predicted_speedup: Time of the model as it is over time at this point, by ``costs`` of the options.
        calibration: Score on the data of the search.
        holdout: Score on the other data.
        is_efficient: Whether no faster point loses less on the holdout (the Pareto front).
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    strength: float
    sparsity: float
    predicted_speedup: float
    calibration: Score
    holdout: Score
    is_efficient: bool


class LayerSensitivity(BaseModel):
    """One activation in the search.

    Attributes:
        activation: Its name.
        gain_ms: Predicted time per input that is saved if nearly all its values become zero.
        levels: Shares of its non-zero values that were dropped alone.
        damages: Damage at each of them; comparable between layers, without unit.
        is_per_channel: Whether its channels have thresholds of their own.
        fraction: The share it drops in the end.
        damage_per_ms: Damage at that share, alone, over the time saved; None where nothing is dropped.
        label: What tables call it, for example ``conv5/relu``.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    activation: str
    gain_ms: float
    levels: tuple[float, ...]
    damages: tuple[float, ...]
    is_per_channel: bool
    fraction: float
    damage_per_ms: float | None
    label: str = ""


class LearningTrial(BaseModel):
    """What block-wise learning gave for one price.

    Attributes:
        price: Of density, in units of relative squared error.
        factor: Of the learnt thresholds that budget or target allow.
        inputs: Inputs it was learnt from.
        sparsity: Of what skipping layers read, weighted by MACs.
        predicted_speedup: By ``costs`` of the options.
        likely_drop: On the calibration data; None where the metric knows none.
        is_kept: Whether it is the outcome.
    """

    model_config = ConfigDict(frozen=True)

    price: float
    factor: float
    inputs: int
    sparsity: float
    predicted_speedup: float
    likely_drop: float | None
    is_kept: bool


class DistillationTrial(BaseModel):
    """What distilling the weights toward the dense network's outputs gave.

    Attributes:
        inputs: Inputs it was made from.
        damage_before: Information loss on inputs that were held back, before.
        damage_after: Afterwards.
        is_kept: Whether it lowered the damage and let more be saved within the budget, so that it was kept.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    inputs: int
    damage_before: float
    damage_after: float
    is_kept: bool


class Correction(BaseModel):
    """What compensation did to one layer.

    Attributes:
        layer: The step of the plan.
        kind: ``"bias"`` or ``"reconstruct"``.
        ridge: Strength of the regularisation, 0 for a bias.
        damage_before: Information loss of the whole network before, on inputs the correction was not made from.
        damage_after: With the correction.
        is_kept: Whether it lowered the damage and was kept; false for all if together they let nothing more be saved.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    layer: str
    kind: str
    ridge: float
    damage_before: float
    damage_after: float
    is_kept: bool
