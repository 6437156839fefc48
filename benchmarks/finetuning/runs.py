"""The runs of the study: which network, from where, how long, with which recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zeroskip.torch import Recipe

EPOCHS = {"resnet20": 12, "resnet56": 5, "widenet": 4, "resnet20_onnx": 5}
"""Of the runs after the common start that are compared first."""
SHORT_EPOCHS = 8
"""Of those on ResNet-20 that show what each part does, and of the plain run beside them."""
RECOVERY_SHARE = 0.65
"""How much of a run comes after the calibration, in the runs that calibrate on the way."""
_RECOVERY_SHARES = {"brief": 0.4}
SPARSITY = {"resnet20": 0.70, "resnet56": 0.70, "widenet": 0.75, "resnet20_onnx": 0.72}
"""By MACs, what that calibration is for: for the ResNets 18 points more than plain training has, and a little."""
UNREAD = {
    "resnet20": "layer3.2.relu2",
    "resnet56": "layer3.8.relu2",
    "widenet": "features.19",
    "resnet20_onnx": "rectifiers.layer3_2_add_relu",
}
"""The activation that no layer can skip: it is averaged. The full recipe does not penalise it."""
PICTURES = 19_000
"""Training pictures per epoch: all but those to judge by."""
_CHANGES: dict[str, dict[str, Any]] = {"resnet20_onnx": {"precision": "float32"}}
"""What runs of a network differ in from the common recipe."""
_COMMON: dict[str, Any] = {
    "learning_rate": 0.02,
    "precision": "bfloat16",
    "channels_last": True,
    "regularizer": None,
    "keep": "last",
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
        teacher: Network and run of the teacher; None for the weights that it starts from.
        epochs_before: What the run that it follows had behind it since the common start.
    """

    network: str
    method: str
    seed: int
    recipe: Recipe
    follows: str | None = None
    sparsity: float | None = None
    recovery: Recipe | None = None
    teacher: tuple[str, str] | None = None
    epochs_before: int = 0

    @property
    def epochs(self) -> int:
        """Passes over the training pictures since the common start."""
        return self.epochs_before + self.recipe.epochs + (self.recovery.epochs if self.recovery else 0)

    @property
    def pictures(self) -> int:
        """Training pictures per epoch."""
        return PICTURES

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
    "widenet": {"epochs": 6, "learning_rate": 0.1},
    "resnet20_onnx": {"epochs": 4, "learning_rate": 0.03},
}
"""What the plain training before differs in: the ResNets are trained, the wide net begins with random weights."""
_SHORT: dict[str, Any] = {"epochs": SHORT_EPOCHS, "keep": "best"}
_MIXED: dict[str, Any] = {"distillation": 1.0, "mixup": 1.0}
METHODS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mixed": _MIXED,
    "penalised": {"regularizer": "transformed_l1", "strength": 4.0, **_MIXED},
    "penalised_taught": {"regularizer": "transformed_l1", "strength": 4.0, **_MIXED},
    "recipe": {"regularizer": "transformed_l1", "strength": 3.0, **_MIXED},
    "taught": {"regularizer": "transformed_l1", "strength": 3.0, **_MIXED},
    "plainly_taught": {"regularizer": "transformed_l1", "strength": 3.0, "distillation": 0.5},
    "brief": {"regularizer": "transformed_l1", "strength": 3.0, "distillation": 0.9, "keep": "best"},
    "self_finished": {},
    "finished": {},
    "short_plain": _SHORT,
    "l1": {"regularizer": "l1", "strength": 4.0, **_SHORT},
    "hoyer_square": {"regularizer": "hoyer_square", "strength": 4.0, **_SHORT},
    "transformed_l1": {"regularizer": "transformed_l1", "strength": 4.0, **_SHORT},
    "distilled": {"regularizer": "transformed_l1", "strength": 4.0, "distillation": 0.7, **_SHORT},
    "unmixed": {"regularizer": "transformed_l1", "strength": 3.0, "distillation": 0.9, **_SHORT},
}
"""What each method changes in the common recipe."""
_RECOVERY: dict[str, Any] = {"learning_rate": 0.015, "warmup": 0.02, "threshold_ramp": 0.0}
"""What the recovery changes in it; it is taught as the training before."""
_FINISH: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 0.01,
    "warmup": 0.02,
    "threshold_ramp": 0.0,
    "distillation": 0.7,
}
"""The last epochs of a run, after those with mixup: real pictures, and labels for a part of the loss."""
_FINISHES = {"self_finished": "recipe", "finished": "taught"}
"""Method to the one whose runs it goes on from."""
_RECOVERING = ("recipe", "taught", "plainly_taught", "unmixed", "brief")
_TEACHERS = {
    **dict.fromkeys(("taught", "penalised_taught"), ("resnet56", "resnet56-plain-0")),
    "plainly_taught": ("widenet", "widenet-plain-0"),
}
_SPARING = ("penalised", "penalised_taught", *_RECOVERING)
"""Methods that do not penalise :data:`UNREAD`."""
_KEPT = ("distillation", "mixup", "keep")
_SPARSITIES = {"unmixed": 0.72, "taught": 0.72}


def run(network: str, method: str, seed: int = 0) -> Run:
    """Return one run; ``"start"`` is the plain fine-tuning that all others of a network continue."""
    changes = _CHANGES.get(network, {})
    if method == "start":
        return Run(network, method, seed, Recipe(**{**_COMMON, **changes, **STARTS[network], "seed": 100 + seed}))
    if method in _FINISHES:
        before = run(network, _FINISHES[method], seed)
        finish = Recipe(**{**_COMMON, **changes, **_FINISH, "seed": 400 + seed})
        # The teacher stays what it was, not what the run before has come to.
        teacher = before.teacher or (network, f"{network}-start-0")
        return Run(network, method, seed, finish, before.name, teacher=teacher, epochs_before=before.epochs)
    common = {**_COMMON, **changes, "epochs": EPOCHS[network], **METHODS[method], "seed": seed}
    follows = f"{network}-start-0"
    if method in _SPARING:
        common["layer_weights"] = {UNREAD[network]: 0.0}
    if method not in _RECOVERING:
        return Run(network, method, seed, Recipe(**common), follows, teacher=_TEACHERS.get(method))
    after = round(_RECOVERY_SHARES.get(method, RECOVERY_SHARE) * common["epochs"])
    penalised = {**common, "epochs": common["epochs"] - after}
    taught = {key: common[key] for key in _KEPT if key in common}
    recovery = {**_COMMON, **changes, **_RECOVERY, **taught, "epochs": after, "seed": 200 + seed}
    sparsity = _SPARSITIES.get(method, SPARSITY[network])
    made = (Recipe(**penalised), follows, sparsity, Recipe(**recovery), _TEACHERS.get(method))
    return Run(network, method, seed, *made)


def planned() -> list[Run]:
    """Return all runs in the order in which they are worth having."""
    first = [run("resnet20", "start")]
    first += [run("resnet20", method, seed) for seed in range(3) for method in ("plain", "recipe", "self_finished")]
    deeper = [run("resnet56", "start")]
    deeper += [run("resnet56", method, seed) for seed in range(3) for method in ("plain", "recipe")]
    wide = [run("widenet", method) for method in ("start", "plain", "plainly_taught")]
    alone = ("hoyer_square", "l1", "transformed_l1", "distilled", "penalised", "penalised_taught", "mixed")
    parts = [run("resnet20", method) for method in alone]
    taught = [run("resnet20", method, seed) for seed in range(3) for method in ("taught", "finished")]
    short = [run("resnet20", method, seed) for method in ("short_plain", "unmixed") for seed in range(3)]
    file = [run("resnet20_onnx", method) for method in ("start", "brief", "plain")]
    return first + deeper + taught + wide + parts + short + file
