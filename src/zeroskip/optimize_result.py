"""OptimizeResult: everything that `optimize` found out, and the folder of files that it is kept in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .analysis import SparsityProfile, ZeroMaps
from .bench import BenchResult
from .calibration import CalibrationResult
from .errors import DataError
from .files import atomic_write_text
from .report import write_report
from .report.words import cautions, contributions, headline, price
from .short_repr import ShortRepr
from .summary import Summary
from .text import wrap
from .verification import Verification

MODEL_FILE = "model.fatrelu.onnx"
INT8_FILE = "model.int8.onnx"
QUANTIZATION_FILE = "quantization.json"
THRESHOLDS_FILE = "thresholds.json"
PROFILE_FILE = "profile.json"
PROFILE_AFTER_FILE = "profile.fatrelu.json"
CALIBRATION_FILE = "calibration.json"
BENCH_FILE = "bench.json"
VERIFICATION_FILE = "verification.json"
SUMMARY_FILE = "summary.json"
MAPS_FILE = "zero-maps.json"
MAPS_AFTER_FILE = "zero-maps.fatrelu.json"
REPORT_FILE = "report.html"

_VERIFICATIONS = TypeAdapter(tuple[Verification, ...])


@dataclass(frozen=True, repr=False)
class OptimizeResult(ShortRepr):
    """Everything `optimize` found out.

    Args:
        output: The folder with the files.
        summary: The outcome.
        profile: The original model on the calibration data.
        profile_after: The model with thresholds on the same data.
        calibration: Thresholds and how they were found.
        verifications: Comparisons with ONNX Runtime, of the original and of the written model; empty
            without it.
        bench: The measurement.
        maps: Where the original model has zeros, on a few inputs of the holdout; None in folders of earlier versions.
        maps_after: The same of the model with thresholds.
    """

    output: Path
    summary: Summary
    profile: SparsityProfile
    profile_after: SparsityProfile
    calibration: CalibrationResult
    verifications: tuple[Verification, ...]
    bench: BenchResult
    maps: ZeroMaps | None = None
    maps_after: ZeroMaps | None = None

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> OptimizeResult:
        """Read the results of an earlier run.

        Args:
            folder: What `optimize` wrote.

        Raises:
            DataError: If a file is missing or holds something else; the message names it.
        """
        path = Path(folder)
        return cls(
            output=path,
            summary=Summary.load(path / SUMMARY_FILE),
            profile=SparsityProfile.load(path / PROFILE_FILE),
            profile_after=SparsityProfile.load(path / PROFILE_AFTER_FILE),
            calibration=CalibrationResult.load(path / CALIBRATION_FILE),
            verifications=_load_verifications(path / VERIFICATION_FILE),
            bench=BenchResult.load(path / BENCH_FILE),
            maps=_load_maps(path / MAPS_FILE),
            maps_after=_load_maps(path / MAPS_AFTER_FILE),
        )

    def write_report(self, path: str | os.PathLike[str]) -> None:
        """Write the HTML report of these results.

        Args:
            path: File to create or replace.

        Raises:
            OSError: If it cannot be written.
        """
        write_report(
            path,
            summary=self.summary,
            profile=self.profile,
            profile_after=self.profile_after,
            calibration=self.calibration,
            bench=self.bench,
            verifications=self.verifications,
            maps=self.maps,
            maps_after=self.maps_after,
        )

    def write(self, folder: Path) -> None:
        """Write the results into a folder that is there; the models are not part of them."""
        self.calibration.thresholds.save(folder / THRESHOLDS_FILE)
        self.profile.save(folder / PROFILE_FILE)
        self.profile_after.save(folder / PROFILE_AFTER_FILE)
        self.calibration.save(folder / CALIBRATION_FILE)
        self.bench.save(folder / BENCH_FILE)
        self.summary.save(folder / SUMMARY_FILE)
        for maps, name in ((self.maps, MAPS_FILE), (self.maps_after, MAPS_AFTER_FILE)):
            if maps is not None:
                maps.save(folder / name)
        atomic_write_text(
            folder / VERIFICATION_FILE, _VERIFICATIONS.dump_json(self.verifications, indent=2).decode() + "\n"
        )
        self.write_report(folder / REPORT_FILE)

    def __str__(self) -> str:
        """Return the outcome in a few lines: how much faster, what each part is worth, what it cost, doubts."""
        lines = [headline(self.profile.model, self.summary), *contributions(self.summary), price(self.calibration)]
        lines += cautions(self.calibration, self.bench)
        return "\n".join([*map(wrap, lines), f"files: {self.output}"])

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        found = self.summary
        yield "output", str(self.output)
        yield "speedup", None if found.speedup is None else round(found.speedup, 2)
        yield "gain_thresholds", round(found.gain_thresholds.ratio, 2)
        yield "metric", found.metric
        yield "drop", round(found.drop, 4)
        yield "sparsity", (round(found.sparsity_before, 3), round(found.sparsity_after, 3))
        yield "recommended", found.recommended


def _load_maps(path: Path) -> ZeroMaps | None:
    return ZeroMaps.load(path) if path.exists() else None


def _load_verifications(path: Path) -> tuple[Verification, ...]:
    try:
        return _VERIFICATIONS.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"cannot read verifications from '{path}': {error}") from error
