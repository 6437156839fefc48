"""What a load generator (Debian's ``hey``) sees of a server: rate, latencies, refusals."""

from __future__ import annotations

import csv
import io
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Load:
    """One measurement.

    Args:
        engine: Behind the server.
        asked_per_s: Requests per second that were sent; 0 as many as the clients could.
        clients: Connections that sent them.
        answered_per_s: Requests per second that were answered with 200.
        p50_ms: Median latency of those.
        p99_ms: 99th percentile of those.
        refused: Share of requests answered with 429, in [0, 1].
        failed: Share answered otherwise or not at all, in [0, 1].
    """

    engine: str
    asked_per_s: float
    clients: int
    answered_per_s: float
    p50_ms: float
    p99_ms: float
    refused: float
    failed: float


def run_load(
    url: str, body: Path, json_bytes: int, *, clients: int, rate: float, seconds: float
) -> list[dict[str, str]]:
    """Send one body again and again for some seconds, and return the generator's table of requests.

    Args:
        url: Where to.
        body: File with the request.
        json_bytes: Length of its JSON part.
        clients: Connections, each of which waits for its answer before it sends again. They begin one after the other,
            or all would send at once for ever.
        rate: Requests per second of all of them; 0 as many as they can.
        seconds: How long.
    """
    command = ["hey", "-z", f"{seconds}s", "-c", "1", "-m", "POST", "-D", str(body), "-o", "csv"]
    command += ["-T", "application/octet-stream", "-H", f"Inference-Header-Content-Length: {json_bytes}"]
    command += ["-q", str(rate / clients)] if rate else []
    running = []
    for _ in range(clients):
        running.append(subprocess.Popen([*command, url], stdout=subprocess.PIPE, text=True))
        time.sleep(1 / rate if rate else 0)
    tables = [process.communicate()[0] for process in running]
    return [row for table in tables for row in csv.DictReader(io.StringIO(table))]


def summarize(rows: list[dict[str, str]], engine: str, rate: float, clients: int, seconds: float) -> Load:
    """Return what the generator's tables of requests say."""
    codes = Counter(row["status-code"] for row in rows)
    times = np.array([float(row["response-time"]) for row in rows if row["status-code"] == "200"]) * 1e3
    total = max(1, len(rows))
    p50, p99 = np.percentile(times, (50, 99)) if len(times) else (float("nan"),) * 2
    refused = codes["429"] / total
    failed = 1 - (codes["429"] + codes["200"]) / total
    return Load(engine, rate, clients, len(times) / seconds, float(p50), float(p99), refused, failed)
