"""The runs of the study: which network, from where, how long, with which recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zeroskip.torch import Recipe

EPOCHS = {"resnet20": 8, "resnet56": 5, "widenet": 3}
"""Of every run after the common start."""
RECOVERY = {"resnet20": 5, "resnet56": 3, "widenet": 2}
"""How many of them come after the calibration, in the runs that calibrate on the way."""
SPARSITY = {"resnet20": 0.72, "resnet56": 0.70, "widenet": 0.80}
"""By MACs, what that calibration is for: for the ResNets 18 points more than plain training has, and a little."""
UNREAD = {"resnet20": "layer3.2.relu2", "resnet56": "layer3.8.relu2", "widenet": "features.19"}
"""The activation that no layer can skip: it is averaged. The full recipe does not penalise it."""
PICTURES = 19_000
"""Training pictures per epoch: all but those to judge by."""
_COMMON: dict[str, Any] = {
    "learning_rate": 0.02,
    "precision": "bfloat16",
    "channels_last": True,
    "regularizer": None,
}


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        network: Its name.
        method: What is done, the name of a row.
        seed: Of order, augmentation and initial weights.
        recipe: How it is trained.
        follows: Name of the run whose weights it starts from; None for the given weights.
        sparsity: By MACs, that thresholds are calibrated for after the recipe; None for no calibration on the way.
        recovery: How it is trained with these.
    """

    network: str
    method: str
    seed: int
    recipe: Recipe
    follows: str | None = None
    sparsity: float | None = None
    recovery: Recipe | None = None

    @property
    def epochs(self) -> int:
        """Passes over the training pictures in all."""
        return self.recipe.epochs + (self.recovery.epochs if self.recovery else 0)

    @property
    def batch_size(self) -> int:
        """Pictures per step: the runs to compare take small steps and many."""
        return 128 if self.follows is None else 64

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.network}-{self.method}-{self.seed}"


STARTS: dict[str, dict[str, Any]] = {
    "resnet20": {"epochs": 6, "learning_rate": 0.03},
    "resnet56": {"epochs": 3, "learning_rate": 0.03},
    "widenet": {"epochs": 4, "learning_rate": 0.1},
}
"""What the plain training before differs in: the ResNets are trained, the wide net begins with random weights."""
METHODS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mixed": {"distillation": 1.0, "mixup": 1.0},
    "l1": {"regularizer": "l1", "strength": 4.0},
    "hoyer_square": {"regularizer": "hoyer_square", "strength": 4.0},
    "transformed_l1": {"regularizer": "transformed_l1", "strength": 4.0},
    "distilled": {"regularizer": "transformed_l1", "strength": 4.0, "distillation": 0.7},
    "unmixed": {"regularizer": "transformed_l1", "strength": 3.0, "distillation": 0.9},
    "recipe": {"regularizer": "transformed_l1", "strength": 3.0, "distillation": 1.0, "mixup": 1.0},
}
"""What each method changes in the common recipe."""
_RECOVERY: dict[str, Any] = {"learning_rate": 0.015, "warmup": 0.02, "threshold_ramp": 0.0}
"""What the recovery changes in it, besides being taught as the training before."""
_TAUGHT = ("distillation", "mixup")


def run(network: str, method: str, seed: int = 0) -> Run:
    """Return one run; ``"start"`` is the plain fine-tuning that all others of a network continue."""
    if method == "start":
        changes: dict[str, Any] = STARTS[network]
        return Run(network, method, seed, Recipe(**{**_COMMON, **changes, "seed": 100 + seed}))
    common = {**_COMMON, "epochs": EPOCHS[network], **METHODS[method], "seed": seed}
    follows = f"{network}-start-0"
    if method not in ("recipe", "unmixed"):
        return Run(network, method, seed, Recipe(**common), follows)
    penalised = {**common, "epochs": EPOCHS[network] - RECOVERY[network], "layer_weights": {UNREAD[network]: 0.0}}
    taught = {key: common[key] for key in _TAUGHT if key in common}
    recovery = {**_COMMON, **_RECOVERY, **taught, "epochs": RECOVERY[network], "seed": 200 + seed}
    return Run(network, method, seed, Recipe(**penalised), follows, SPARSITY[network], Recipe(**recovery))


def planned() -> list[Run]:
    """Return all runs in the order in which they are worth having."""
    first = [run("resnet20", method) for method in ("start", "plain", "recipe")]
    seeds = [run("resnet20", method, seed) for seed in (1, 2) for method in ("plain", "recipe")]
    deeper = [run("resnet56", method) for method in ("start", "plain", "recipe")]
    wide = [run("widenet", method) for method in ("start", "plain", "recipe")]
    parts = [run("resnet20", method) for method in ("mixed", "hoyer_square", "l1", "transformed_l1", "distilled")]
    unmixed = [run("resnet20", "unmixed", seed) for seed in range(3)]
    return first + seeds + deeper + wide + parts + unmixed
