"""Recipe: everything that decides how a fine-tuning run goes, as a value that prints and saves."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from ..errors import RecipeError
from ..saved_value import SavedValue

RegularizerName = Literal["hoyer_square", "l1", "transformed_l1"]
Precision = Literal["float32", "bfloat16"]


class Recipe(SavedValue):
    """How to fine-tune. Shares of the run are fractions of its optimizer steps.

    Attributes:
        epochs: Passes over the training loader.
        learning_rate: Highest learning rate.
        learning_rate_schedule: ``"cosine"`` falls to 0 at the end, ``"step"`` multiplies by 0.2 at each third of the
            run, ``"constant"`` stays.
        warmup: Share of the run over which the learning rate rises from 0.
        optimizer: ``"sgd"``, ``"adam"`` or ``"adamw"``; the two latter want learning rates of about 1e-4 to 1e-3.
        accumulation: Batches whose mean gradient makes one change of the weights.
        momentum: Of SGD with Nesterov's correction.
        weight_decay: On weights of two and more dimensions; not on biases, normalisation or thresholds.
        threshold_learning_rate: Factor on the learning rate for learnt thresholds.
        gradient_clip: Largest norm of the gradient; None for no clipping.
        regularizer: Penalty on activations; None for none.
        strength: Factor on the penalty, which is a mean over layers, samples and elements. What counts is strength
            times steps: a few hundred steps need 2 to 10, many thousands 0.1 to 1.
        strength_ramp: Share of the run over which the strength rises from 0.
        layer_weights: Factor on the penalty by module path of the FATReLU, 1 where absent; see
            :func:`zeroskip.torch.time_weights`.
        threshold_ramp: Share of the run over which fixed thresholds rise from 0 to what the model has at the start;
            0 leaves them alone.
        slope: Steepness of the smooth forms of FATReLU at the start and at the end; rises geometrically.
        distillation: Weight of the teacher's outputs in the loss, in [0, 1]; 1 needs no labels.
        temperature: Of distillation.
        mixup: Train on weighted means of two inputs, with shares drawn from Beta(mixup, mixup); 0 for none. With
            ``distillation`` the teacher says what is wanted for them, which makes few pictures go further.
        precision: ``"bfloat16"`` computes under autocast; weights stay float32.
        channels_last: Whether model and pictures are kept in the layout that CPUs convolve fastest.
        keep: Which epoch's weights the model holds at the end: the ``"best"`` by the validation data, or the
            ``"last"``, where these are too few to choose by and the learning rate has come to rest.
        max_drop: Budget on the validation metric against that of the model at the start, or of the teacher. Among the
            epochs within it the sparsest is kept; None keeps the one with the best metric.
        target_sparsity: Stop as soon as an epoch within the budget is this sparse (mean over layers).
        patience: Stop after this many epochs without a better one, counted when the ramps are over; None never stops.
        seed: Of everything random.

    Raises:
        RecipeError: If a value is out of range; the message names it.

    Example:
        >>> Recipe(epochs=4, regularizer="hoyer_square", strength=0.5).epochs
        4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    _what: ClassVar[str] = "a recipe"

    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=0.01, gt=0.0)
    learning_rate_schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0.0, le=1.0)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    accumulation: int = Field(default=1, ge=1)
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=1e-4, ge=0.0)
    threshold_learning_rate: float = Field(default=1.0, ge=0.0)
    gradient_clip: float | None = Field(default=None, gt=0.0)
    regularizer: RegularizerName | None = "hoyer_square"
    strength: float = Field(default=0.5, ge=0.0)
    strength_ramp: float = Field(default=0.2, ge=0.0, le=1.0)
    layer_weights: dict[str, float] = Field(default_factory=dict)
    threshold_ramp: float = Field(default=0.5, ge=0.0, le=1.0)
    slope: tuple[float, float] = (10.0, 100.0)
    distillation: float = Field(default=0.0, ge=0.0, le=1.0)
    temperature: float = Field(default=2.0, gt=0.0)
    mixup: float = Field(default=0.0, ge=0.0)
    precision: Precision = "float32"
    channels_last: bool = False
    keep: Literal["best", "last"] = "best"
    max_drop: float | None = Field(default=None, ge=0.0)
    target_sparsity: float | None = Field(default=None, ge=0.0, le=1.0)
    patience: int | None = Field(default=None, ge=1)
    seed: int = 0

    def __init__(self, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'recipe'}: {item['msg']} (got {item['input']!r})"
                for item in error.errors()
            )
            raise RecipeError(f"not a valid recipe: {problems}") from error

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1.0 < self.slope[0] <= self.slope[1]:
            raise ValueError("slope must rise and be above 1")
        if self.keep == "last" and (self.max_drop is not None or self.patience is not None):
            raise ValueError("keep='last' chooses no epoch: max_drop and patience have no meaning with it")
        return self

    def learning_rate_at(self, share: float) -> float:
        """Return the learning rate when ``share`` of the run is done, in [0, 1]."""
        from math import cos, pi

        if share < self.warmup:
            return self.learning_rate * share / self.warmup
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        if self.learning_rate_schedule == "step":
            return float(self.learning_rate * 0.2 ** min(int(3 * share), 2))
        rest = (share - self.warmup) / max(1.0 - self.warmup, 1e-12)
        return self.learning_rate * 0.5 * (1.0 + cos(pi * min(rest, 1.0)))

    def strength_at(self, share: float) -> float:
        """Return the strength of the penalty when ``share`` of the run is done."""
        return self.strength * _ramp(share, self.strength_ramp)

    def threshold_share_at(self, share: float) -> float:
        """Return which part of the thresholds is in force when ``share`` of the run is done, in [0, 1]."""
        return _ramp(share, self.threshold_ramp)

    def slope_at(self, share: float) -> float:
        """Return the steepness of the smooth forms when ``share`` of the run is done."""
        first, last = self.slope
        return float(first * (last / first) ** min(share, 1.0))

    def differences(self, other: Recipe) -> dict[str, tuple[object, object]]:
        """Return the fields in which two recipes differ, with both values."""
        mine, others = self.model_dump(), other.model_dump()
        return {name: (mine[name], others[name]) for name in mine if mine[name] != others[name]}


def _ramp(share: float, length: float) -> float:
    return 1.0 if length == 0.0 else min(share / length, 1.0)
