"""A server among careless clients: ``cd tests; python -m soak.serving --minutes 15``.

Good clients compare every answer; others vanish in the middle of a request, read slowly, send too much or nonsense. No
good request may be lost, no answer differ, and neither memory nor file descriptors of the server may grow. A machine
that stands still for longer than the clients and the server wait for each other (60 s) proves nothing: the longest
pause is told.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import zeroskip
from tiny_network import SIDE, tiny_network

PATH = "/v2/models/tiny/infer"
MAX_GROWTH = 0.05
_SAMPLE_S = 5.0


class Watch:
    """Samples what a process uses, and how long the machine let this one wait for its turn.

    Args:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.samples: list[tuple[int, int]] = []
        self.longest_pause_s = 0.0

    def __enter__(self) -> Watch:
        self.samples.append(usage(self._pid))
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        before = time.monotonic()
        next_sample = before + _SAMPLE_S
        while not self._ended.wait(0.5):
            now = time.monotonic()
            self.longest_pause_s = max(self.longest_pause_s, now - before - 0.5)
            before = now
            if now >= next_sample:
                next_sample = now + _SAMPLE_S
                with contextlib.suppress(OSError):
                    self.samples.append(usage(self._pid))

    def used(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return memory and descriptors, medians of the second and the last quarter of the time."""
        quarter = max(1, len(self.samples) // 4)
        parts = (self.samples[quarter : 2 * quarter] or self.samples, self.samples[-quarter:])
        first, last = ([sorted(column)[len(column) // 2] for column in zip(*part, strict=True)] for part in parts)
        return (first[0], first[1]), (last[0], last[1])


class Clients:
    """The clients of one server.

    Args:
        address: Host and port.
        seconds: How long they ask.
    """

    def __init__(self, address: tuple[str, int], seconds: float) -> None:
        self._address = address
        self._end = time.monotonic() + seconds
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        image = np.random.default_rng(0).random((1, 3, SIDE, SIDE), np.float32)
        (self._expected,) = zeroskip.InferenceSession(tiny_network()).run(None, {"image": image})
        tensor = {"name": "image", "shape": image.shape, "datatype": "FP32"}
        tensor["parameters"] = {"binary_data_size": image.nbytes}
        self._json = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        self._body = self._json + image.tobytes()

    def run(self) -> None:
        """Ask until the time is over."""
        kinds = [self._good] * 4 + [self._vanishing, self._slow, self._oversized, self._malformed]
        threads = [threading.Thread(target=self._repeat, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _repeat(self, kind: object) -> None:
        assert callable(kind)
        while time.monotonic() < self._end:
            try:
                kind()
            except OSError as error:
                if kind == self._good:
                    self.wrong.append(f"a good request was lost: {error!r}")
            self.counts[getattr(kind, "__name__", "")] += 1

    def _good(self) -> None:
        length = {"Inference-Header-Content-Length": str(len(self._json))}
        with contextlib.closing(http.client.HTTPConnection(*self._address, timeout=60)) as connection:
            for _ in range(20):
                connection.request("POST", PATH, self._body, length)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    self.wrong.append(f"{answer.status}: {content[:80]!r}")
                    continue
                start = int(answer.headers["Inference-Header-Content-Length"])
                got = np.frombuffer(content[start:], np.float32).reshape(self._expected.shape)
                if not np.allclose(got, self._expected, rtol=1e-4, atol=1e-5):
                    self.wrong.append("an answer differs")
                self.counts["answers"] += 1
                time.sleep(0.01)

    def _head(self, size: int) -> bytes:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: {len(self._json)}\r\n"
        return f"{head}Content-Length: {size}\r\n\r\n".encode()

    def _vanishing(self) -> None:
        with socket.create_connection(self._address) as connection:
            whole = self._head(len(self._body)) + self._body
            connection.sendall(whole[: random.randrange(len(whole) + 1)])
        time.sleep(0.02)

    def _slow(self) -> None:
        with socket.create_connection(self._address) as connection:
            connection.sendall(self._head(len(self._body)) + self._body)
            for _ in range(20):
                if not connection.recv(1):
                    break
                time.sleep(0.02)

    def _oversized(self) -> None:
        with socket.create_connection(self._address) as connection:
            connection.sendall(self._head(1 << 33) + bytes(1 << 16))
            connection.settimeout(5)
            connection.recv(100)

    def _malformed(self) -> None:
        content = random.choice([random.randbytes(200), self._json[:-9], b"[" * 5000, self._body[::-1]])
        with socket.create_connection(self._address) as connection:
            connection.sendall(self._head(len(content)) + content)
            connection.settimeout(5)
            connection.recv(100)
        time.sleep(0.02)


def usage(pid: int) -> tuple[int, int]:
    """Return resident kilobytes and open descriptors of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0])
    return resident, len(os.listdir(f"/proc/{pid}/fd"))


def soak(seconds: float) -> tuple[Clients, Watch]:
    """Run a server and its clients; return the clients, and what was seen of the server meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.onnx"
        model.write_bytes(tiny_network())
        command = [sys.executable, "-m", "zeroskip", "serve", str(model), "--port", "0", "--grpc-port", "-1"]
        command += ["--max-body", "1", "--threads", "1", "--json", "-", "--quiet"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                host, port = json.loads(process.stdout.readline())["rest"].removeprefix("http://").split(":")
                clients = Clients((host, int(port)), seconds)
                with Watch(process.pid) as watch:
                    clients.run()
                process.send_signal(signal.SIGTERM)
                if process.wait(60) != 0:
                    clients.wrong.append(f"the server ended with {process.returncode}")
            finally:
                process.kill()
    return clients, watch


def main() -> int:
    """Run the soak; return 1 if a request was lost, an answer differed, or the server grew."""
    parser = argparse.ArgumentParser(prog="python -m soak.serving", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    clients, watch = soak(60 * parser.parse_args().minutes)
    warm, after = watch.used()
    print(dict(clients.counts))
    print(f"memory {warm[0]} -> {after[0]} kB, descriptors {warm[1]} -> {after[1]}, second and last quarter")
    print("memory in kB, every 5 s:", *(resident for resident, _ in watch.samples))
    print(f"longest pause of the machine: {watch.longest_pause_s:.1f} s")
    for what, count in collections.Counter(clients.wrong).items():
        print(f"{count} times: {what}")
    return 1 if clients.wrong or after[0] > warm[0] * (1 + MAX_GROWTH) or after[1] > warm[1] + 4 else 0


if __name__ == "__main__":
    sys.exit(main())
