"""A server in a process of its own, a model for it to serve and a certificate for it to show."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

WIDTH = 16


def network(folder: Path, name: str, seed: int, rows: str | int = "N") -> Path:
    """Write a small convolutional network and return its path."""
    random = np.random.default_rng(seed)
    weights = {
        "w0": random.standard_normal((16, 3, 3, 3)) * 0.3,
        "w1": random.standard_normal((16, 16, 3, 3)) * 0.2,
        "w2": random.standard_normal((16, 10)) * 0.3,
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["c"], pads=[1, 1, 1, 1], name="second"),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "w2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [rows, 3, WIDTH, WIDTH])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [rows, 10])],
        [numpy_helper.from_array(array.astype(np.float32), key) for key, array in weights.items()],
    )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@dataclass
class Running:
    """A server that was started."""

    process: subprocess.Popen[str]
    rest: str
    grpc: str | None
    folder: Path

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.rest.partition("://")[2].rpartition(":")
        return host, int(port)

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(*self.address, timeout=60)) as connection:
            connection.request("GET" if body is None else "POST", path, body, headers or {})
            with closing(connection.getresponse()) as answer:
                return answer.status, answer.read()

    def infer(self, array: np.ndarray[Any, Any], name: str = "net", **request: Any) -> tuple[int, bytes]:
        tensor = {"name": "x", "shape": array.shape, "datatype": "FP32"}
        tensor["parameters"] = {"binary_data_size": array.nbytes}
        text = json.dumps({"inputs": [tensor], **request}).encode()
        length = {"Inference-Header-Content-Length": str(len(text))}
        return self.ask(f"/v2/models/{name}/infer", text + array.tobytes(), length)


@contextmanager
def started(folder: Path, *arguments: str, **variables: str) -> Iterator[Running]:
    """Start a server on free ports; at the end it must stop by SIGTERM, with exit code 0."""
    command = [sys.executable, "-m", "zeroskip", "serve", *arguments, "--port", "0", "--threads", "1"]
    command += [] if "--grpc-port" in arguments else ["--grpc-port", "0"]
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--json", "-"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env={**os.environ, **variables},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        yield Running(process, folder=folder, **json.loads(line))
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def self_signed(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encodings = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(*encodings))
    return paths
