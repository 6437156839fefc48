"""ThresholdSet: the thresholds T of FATReLU for the activations of one model, with where they came from.

Owns the value type, its validation and its JSON form. Does not know how thresholds are found (calibration)
nor how they are written into a model (``zeroskip.onnx``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import RecipeError
from .files import atomic_write_text, read_text
from .short_repr import ShortRepr

Threshold: TypeAlias = "float | NDArray[np.float32]"
"""One T for the whole activation, or one per channel as float32 ``[C]``."""


@dataclass(frozen=True, eq=False, repr=False)
class ThresholdSet(ShortRepr):
    """Thresholds by activation: FATReLU_T(x) = x if x > T else 0, with T >= 0 and T = 0 being ReLU.

    Values are rounded to float32 on construction, because that is what a model file stores and what every
    runtime compares with; so a set read back from JSON, or out of a model, is equal to the one written.

    Args:
        thresholds: Activation (the ONNX value name of the ReLU's output) to a float, or to a float32 array
            ``[C]`` with one threshold per channel. Finite, >= 0.
        model_sha256: Content hash of the model the thresholds were made for, if known.
        data: What they were fitted on, in words.
        metric: What bounded the loss, for example ``"top1"`` or ``"agreement"``.
        provenance: Further facts that JSON can hold: search, budget, scores, versions.

    Raises:
        RecipeError: If a threshold is negative, not finite, or neither a scalar nor one-dimensional.

    Example:
        >>> chosen = ThresholdSet({"relu_1": 0.25, "relu_2": np.array([0.0, 0.5], np.float32)}, metric="top1")
        >>> chosen.scaled(2.0)["relu_1"]
        0.5
        >>> ThresholdSet.from_json(chosen.to_json()) == chosen
        True
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    thresholds: Mapping[str, Threshold]
    model_sha256: str | None = None
    data: str | None = None
    metric: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked = {name: _checked(name, value) for name, value in self.thresholds.items()}
        object.__setattr__(self, "thresholds", MappingProxyType(checked))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    def __len__(self) -> int:
        return len(self.thresholds)

    def __iter__(self) -> Iterator[str]:
        return iter(self.thresholds)

    def __contains__(self, activation: object) -> bool:
        return activation in self.thresholds

    def __getitem__(self, activation: str) -> Threshold:
        return self.thresholds[activation]

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, ThresholdSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __reduce__(self) -> tuple[Any, ...]:
        return ThresholdSet.from_dict, (self.to_dict(),)  # read-only mappings do not pickle

    @property
    def is_zero(self) -> bool:
        """Whether every threshold is 0, so that applying the set leaves the network as it is."""
        return not any(np.any(value) for value in self.thresholds.values())

    @property
    def corrected_layers(self) -> int:
        """How many layers had their weights corrected along with the thresholds (compensation).

        The set does not hold these weights; they are in the model that ``CalibrationResult.apply`` returns.
        """
        count = self.provenance.get("corrected_layers")
        return count if isinstance(count, int) else 0

    def scaled(self, factor: float) -> ThresholdSet:
        """Return the set with every threshold multiplied by ``factor``; the rest is kept.

        Args:
            factor: Finite, >= 0.

        Raises:
            RecipeError: If the factor, or a product in float32, is negative or not finite.
        """
        if not np.isfinite(factor) or factor < 0.0:
            raise RecipeError(f"thresholds cannot be scaled by {factor}: the factor must be finite and >= 0")
        with np.errstate(over="ignore"):  # an overflow is reported by the check of the new set, with its name
            return self._with({name: value * factor for name, value in self.thresholds.items()})

    def updated(self, thresholds: Mapping[str, Threshold]) -> ThresholdSet:
        """Return the set with some thresholds replaced or added; the rest is kept.

        Args:
            thresholds: Activation to its new threshold, as in the constructor.

        Raises:
            RecipeError: If a threshold is not valid.
        """
        return self._with({**self.thresholds, **thresholds})

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and floats; :meth:`from_dict` gives an equal set back."""
        return {
            "schema_version": self.SCHEMA_VERSION,
            "model_sha256": self.model_sha256,
            "data": self.data,
            "metric": self.metric,
            "provenance": dict(self.provenance),
            "thresholds": {
                name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in self.thresholds.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ThresholdSet:
        """Build a set from what :meth:`to_dict` returned.

        Args:
            values: A mapping with ``schema_version`` and ``thresholds``; unknown keys are refused.

        Raises:
            RecipeError: If a key is missing or unknown, the schema is another one, or a threshold is not
                valid.
        """
        _check_keys(values)
        thresholds = values["thresholds"]
        if not isinstance(thresholds, Mapping):
            raise RecipeError(f"'thresholds' is a {type(thresholds).__name__}, expected activation names to values")
        return cls(**{key: value for key, value in values.items() if key != "schema_version"})

    def to_json(self) -> str:
        """Return the set as JSON text. Floats are written so that they read back bit for bit.

        Raises:
            RecipeError: If ``provenance`` holds something JSON cannot express.
        """
        try:
            return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise RecipeError(f"provenance of the threshold set cannot be written as JSON: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> ThresholdSet:
        """Read a set from JSON text.

        Args:
            text: What :meth:`to_json` returned.

        Raises:
            RecipeError: If the text is not JSON, or not a threshold set.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"not a threshold set: the text is not JSON ({error})") from error
        if not isinstance(values, dict):
            raise RecipeError(f"not a threshold set: the JSON holds a {type(values).__name__}, expected an object")
        return cls.from_dict(values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set as JSON; the file appears whole or not at all.

        Args:
            path: File to create or replace.

        Raises:
            RecipeError: If ``provenance`` holds something JSON cannot express.
            OutputError: If the file cannot be written.
        """
        atomic_write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ThresholdSet:
        """Read a set from a JSON file.

        Args:
            path: File written by :meth:`save`.

        Raises:
            RecipeError: If the file cannot be read, or is not a threshold set; the message names it.
        """
        try:
            return cls.from_json(read_text(path))
        except (OSError, UnicodeDecodeError, RecipeError) as error:
            raise RecipeError(f"cannot read thresholds from '{os.fspath(path)}': {error}") from error

    def _with(self, thresholds: Mapping[str, Threshold]) -> ThresholdSet:
        return ThresholdSet(thresholds, self.model_sha256, self.data, self.metric, self.provenance)


_KEYS = {"schema_version", "model_sha256", "data", "metric", "provenance", "thresholds"}


def _check_keys(values: Mapping[str, Any]) -> None:
    version = values.get("schema_version")
    if version != ThresholdSet.SCHEMA_VERSION:
        raise RecipeError(
            f"threshold set has schema_version {version!r}, "
            f"this version of zeroskip reads {ThresholdSet.SCHEMA_VERSION}"
        )
    if "thresholds" not in values:
        raise RecipeError("threshold set has no key 'thresholds'")
    if unknown := sorted(set(values) - _KEYS):
        raise RecipeError(f"threshold set has unknown keys {unknown}, known are {sorted(_KEYS)}")


def _checked(name: str, value: Any) -> Threshold:
    """Return ``value`` rounded to float32: a float, or a read-only array ``[C]``."""
    try:
        given = np.array(value)
    except ValueError:  # a ragged list
        given = np.array(None)
    if given.dtype.kind not in "fiu":
        raise RecipeError(f"threshold of '{name}' is {value!r}, expected a number or one number per channel")
    with np.errstate(over="ignore"):
        rounded = given.astype(np.float32)
    if rounded.ndim > 1 or rounded.size == 0:
        raise RecipeError(f"threshold of '{name}' has shape {rounded.shape}, expected a scalar or [channels]")
    wrong = ~np.isfinite(rounded) | (rounded < 0.0)
    if wrong.any():
        place = f" (channel {int(np.argmax(wrong))})" if rounded.ndim else ""
        first = float(rounded[wrong][0])
        raise RecipeError(f"threshold of '{name}'{place} is {first}, expected a finite value >= 0 in float32")
    if rounded.ndim == 0:
        return abs(float(rounded))  # abs: -0.0 passes the check and would print as a negative threshold
    rounded = np.abs(rounded)
    rounded.setflags(write=False)
    return rounded
