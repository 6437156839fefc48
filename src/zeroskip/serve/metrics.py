"""What a server counts, in Prometheus's form: requests, waiting, batches, and the zeros that layers see."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from .batching import Arrays

_LABELS = ("model", "version")
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)

REQUESTS = Counter("zeroskip_requests", "Requests that were answered, by outcome", (*_LABELS, "outcome"))
LATENCY = Histogram("zeroskip_request_seconds", "From arrival to result, waiting included", _LABELS, buckets=_SECONDS)
QUEUE = Gauge("zeroskip_queue_requests", "Requests that wait", _LABELS)
BATCH = Histogram("zeroskip_batch_rows", "Rows of the batches that were run", _LABELS, buckets=_ROWS)
SPARSITY = Gauge("zeroskip_layer_sparsity", "Share of zeros in a layer's input, latest sample", (*_LABELS, "layer"))
SKIPPED = Gauge("zeroskip_skipped_macs_ratio", "Share of multiply-accumulates with a zero, latest sample", _LABELS)


class ModelMetrics:
    """The metrics of one model; an observer of its queue.

    Args:
        model: Its name.
        version: Its version.
        profile: What measures a batch step by step (``InferenceSession.profile``); None measures no zeros.
        sample_s: Seconds between two such measurements; 0 makes none.
    """

    def __init__(self, model: str, version: str, profile: Callable[..., Any] | None, sample_s: float) -> None:
        self._labels = {"model": model, "version": version}
        self._profile = profile if sample_s else None
        self._sample_s = sample_s
        self._next_sample = 0.0

    def queued(self, requests: int) -> None:
        """So many requests wait now."""
        QUEUE.labels(**self._labels).set(requests)

    def ran(self, rows: int, feeds: Arrays) -> None:
        """A batch was run; now and then the zeros of one of its requests are measured by a further run."""
        BATCH.labels(**self._labels).observe(rows)
        if self._profile is not None and (now := time.monotonic()) >= self._next_sample:
            self._next_sample = now + self._sample_s
            self._sample(feeds)

    def answered(self, seconds: float, outcome: str) -> None:
        """A request was answered; ``outcome`` is ``ok`` or the name of the error's kind."""
        REQUESTS.labels(**self._labels, outcome=outcome).inc()
        LATENCY.labels(**self._labels).observe(seconds)

    def _sample(self, feeds: Arrays) -> None:
        assert self._profile is not None
        profile = self._profile(feeds, iterations=1)
        macs = sum(step.macs for step in profile.steps)
        skipped = 0.0
        for step in profile.steps:
            if step.input_density is None:
                continue
            SPARSITY.labels(**self._labels, layer=step.name).set(1 - step.input_density)
            skipped += step.macs * (1 - step.input_density)
        SKIPPED.labels(**self._labels).set(skipped / macs if macs else 0.0)
