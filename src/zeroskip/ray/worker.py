"""What one worker does: one session, batch after batch, bad inputs set aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.decoder import decode, decode_bytes
from ..data.pictures import cut
from ..data.preprocessing import Preprocess
from ..engine import InferenceSession, SessionOptions
from ..errors import DataError, ShapeError, ZeroskipError
from .parts import write_part

Batch = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Job:
    """What all workers of a run are told.

    Args:
        folder: Of results.
        key: Name of the column that tells inputs apart.
        content: Name of the column with encoded pictures; None where ``key`` is their path, or inputs are arrays.
        preprocess: How pictures become inputs; None where the columns are the model's inputs.
        rows: Of one run of the model.
        threads: Of the session.
    """

    folder: str
    key: str
    content: str | None
    preprocess: Preprocess | None
    rows: int
    threads: int


class Worker:
    """A session and what it is fed with.

    Args:
        model: Content of the ONNX file.
        job: What to do.
    """

    def __init__(self, model: bytes, job: Job) -> None:
        self._job = job
        self._session = InferenceSession(model, SessionOptions(intra_op_num_threads=job.threads))
        self._inputs = self._session.get_inputs()
        self._outputs = [argument.name for argument in self._session.get_outputs()]

    def __call__(self, batch: Batch) -> Batch:
        """Score a batch, write its part, and return how it went: one row per input that was bad, and a count.

        Args:
            batch: Column name to array, as Ray Data hands it over.
        """
        keys = [str(item) for item in batch[self._job.key]]
        good, feeds, bad = [], [], []
        for index, key in enumerate(keys):
            try:
                feeds.append(self._feed(batch, index))
                good.append(index)
            except (DataError, ShapeError) as error:
                bad.append((key, str(error)))
        results: list[dict[str, NDArray[Any]]] = []
        for start in range(0, len(good), self._job.rows):
            results += self._run(feeds[start : start + self._job.rows])
        failed = {at for at, result in enumerate(results) if isinstance(result.get("error"), str)}
        bad += [(keys[good[at]], str(results[at]["error"])) for at in sorted(failed)]
        kept = [at for at in range(len(good)) if at not in failed]
        if kept:
            outputs = {name: np.stack([results[at][name] for at in kept]) for name in self._outputs}
            write_part(Path(self._job.folder), self._job.key, [keys[good[at]] for at in kept], outputs)
        return _report(len(kept), bad)

    def _feed(self, batch: Batch, index: int) -> dict[str, NDArray[Any]]:
        job = self._job
        if job.preprocess is None:
            return {argument.name: np.asarray(batch[argument.name][index]) for argument in self._inputs}
        key = str(batch[job.key][index])
        image = decode(key) if job.content is None else decode_bytes(bytes(batch[job.content][index]), key)
        return {self._inputs[0].name: job.preprocess.normalize(cut(image, job.preprocess)[None])[0]}

    def _run(self, feeds: list[dict[str, NDArray[Any]]]) -> list[dict[str, Any]]:
        """Return the outputs of each input, or an error; a batch that fails is tried one by one."""
        try:
            joined = {name: np.stack([feed[name] for feed in feeds]) for name in feeds[0]}
            outputs = self._session.run(None, joined)
        except (ZeroskipError, ValueError) as error:
            if len(feeds) == 1:
                return [{"error": str(error)}]
            return [result for feed in feeds for result in self._run([feed])]
        named = dict(zip(self._outputs, outputs, strict=True))
        return [{name: array[row] for name, array in named.items()} for row in range(len(feeds))]


def _report(scored: int, bad: list[tuple[str, str]]) -> Batch:
    rows = [(scored, "", ""), *((0, key, reason) for key, reason in bad)]
    return {
        "scored": np.array([row[0] for row in rows], np.int64),
        "bad": np.array([row[1] for row in rows], dtype=object),
        "reason": np.array([row[2] for row in rows], dtype=object),
    }
