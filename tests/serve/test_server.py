"""A server in a process of its own, and the protocol's own clients before it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import zeroskip

pytest.importorskip("kserve", reason="needs the extra 'serve'")

from zeroskip.serve import ServerOptions
from zeroskip.serve.server import _Server

from .running_server import WIDTH, Running, network, self_signed, started

LIBRARIES = ("grpc", "http")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    network(folder, "net/1/model.onnx", 1)
    network(folder, "net/2/model.onnx", 2)
    network(folder, "fixed.onnx", 3, rows=1)
    return folder


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    with started(folder, str(models), "--max-body", "1", "--sample", "0.001") as running:
        yield running


@pytest.fixture
def images() -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).standard_normal((3, 3, WIDTH, WIDTH)).astype(np.float32)


def expected(models: Path, path: str, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    result: np.ndarray[Any, Any] = zeroskip.InferenceSession(models / path).run(None, {"x": images})[0]
    return result


# Tritonclient in a process of its own: its HTTP client patches the standard library (gevent).
CLIENT = """
import json, sys
import numpy as np
library, url, version, path = sys.argv[1:]
client_module = __import__(f"tritonclient.{library}", fromlist=["x"])
client = client_module.InferenceServerClient(url)
images = np.load(path)
given = client_module.InferInput("x", images.shape, "FP32")
given.set_data_from_numpy(images)
answer = client.infer("net", [given], model_version=version, request_id="7")
known = client.get_model_metadata("net", version)
if library == "grpc":
    known = {"versions": list(known.versions), "inputs": [{"shape": list(known.inputs[0].shape)}]}
codes = []
for name, inputs in (("absent", [given]), ("net", [])):
    try:
        client.infer(name, inputs)
    except client_module.InferenceServerException as error:
        codes.append(error.status())
print(json.dumps({
    "ready": [client.is_server_live(), client.is_server_ready(), client.is_model_ready("net", version)],
    "server": str(client.get_server_metadata()), "versions": known["versions"], "shape": known["inputs"][0]["shape"],
    "result": answer.as_numpy("y").tolist(), "codes": codes}))
"""


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("version", "file"), [("", "2"), ("1", "1"), ("2", "2")])
def test_tritonclient_works_unchanged(
    server: Running, models: Path, images: np.ndarray[Any, Any], tmp_path: Path, library: str, version: str, file: str
) -> None:
    pytest.importorskip("tritonclient", reason="needs the protocol's client")
    np.save(tmp_path / "images.npy", images)
    url = server.grpc if library == "grpc" else ":".join(map(str, server.address))
    command = [sys.executable, "-c", CLIENT, library, str(url), version, str(tmp_path / "images.npy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ready"] == [True, True, True]
    assert "zeroskip" in answer["server"]
    assert answer["versions"] == ([version] if version else ["1", "2"])
    assert answer["shape"] == [-1, 3, WIDTH, WIDTH]
    np.testing.assert_array_equal(
        np.array(answer["result"], np.float32), expected(models, f"net/{file}/model.onnx", images)
    )
    codes = {"http": ["404", "400"], "grpc": ["StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT"]}
    assert answer["codes"] == codes[library]


def test_requests_that_meet_are_run_together_with_equal_results(
    server: Running, models: Path, images: np.ndarray[Any, Any]
) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda index: server.infer(images[index % 3][None]), range(48)))
    wanted = expected(models, "net/2/model.onnx", images)
    for index, (status, content) in enumerate(answers):
        assert status == 200, content
        got = np.array(json.loads(content)["outputs"][0]["data"], np.float32)
        np.testing.assert_allclose(got, wanted[index % 3], rtol=1e-4, atol=1e-5)


def test_a_model_for_one_image_serves_one_at_a_time(server: Running, images: np.ndarray[Any, Any]) -> None:
    assert server.infer(images[:1], "fixed")[0] == 200
    status, content = server.infer(images, "fixed")
    assert status == 400
    assert b"dimension 0 must be 1" in content


def test_nothing_of_a_request_reaches_the_file_system(server: Running) -> None:
    paths = ("../../etc/passwd", "%2e%2e%2fetc", "net%2F1", "net/1", "/etc/passwd", "net/versions/../../x")
    for path in paths:
        assert server.ask(f"/v2/models/{path}")[0] in (404, 405), path
    for verb in ("load", "unload"):
        assert server.ask(f"/v2/repository/models/net/{verb}", b"{}")[0] == 404
    assert server.ask("/v2/models/net/ready")[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v2/models/net/infer", b"{", {}, 400),
        ("/v2/models/net/infer", b"", {}, 400),
        ("/v2/models/net/infer", b"x" * (1 << 20) + b"x", {}, 413),
        ("/v2/models/net/infer", b"{}", {"Inference-Header-Content-Length": "-3"}, 400),
        ("/v2/models/net/infer", b"{}", {"Inference-Header-Content-Length": "999"}, 400),
        ("/v2/models/net/infer", b"{}", {"Content-Encoding": "gzip"}, 415),
        ("/v2/models/net/versions/3/infer", b"{}", {}, 404),
        ("/v2/models/net", b"{}", {}, 405),
        ("/docs", None, {}, 404),
        ("/openapi.json", None, {}, 404),
    ],
)
def test_bad_requests_get_their_status(
    server: Running, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    got, content = server.ask(path, body, headers)
    assert got == status, content
    assert b"Traceback" not in content


def test_clients_that_vanish_harm_nobody(server: Running, images: np.ndarray[Any, Any]) -> None:
    for content in (
        b"POST /v2/models/net/infer HTTP/1.1\r\nContent-Length: 1000\r\n\r\nhalf",
        b"GET / HT",
        b"\x00" * 64,
    ):
        with socket.create_connection(server.address) as connection:
            connection.sendall(content)
    assert server.infer(images)[0] == 200


def test_metrics_tell_requests_batches_and_zeros(server: Running, images: np.ndarray[Any, Any]) -> None:
    server.infer(images)
    server.infer(images[:, :2])
    end = time.monotonic() + 20
    while "zeroskip_layer_sparsity{" not in (text := server.ask("/metrics")[1].decode()):
        assert time.monotonic() < end
        time.sleep(0.05)
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
    labels = 'model="net",version="2"'
    assert float(values['zeroskip_requests_total{model="net",outcome="ok",version="2"}']) >= 1
    assert float(values['zeroskip_requests_total{model="net",outcome="invalid",version="2"}']) >= 1
    assert float(values[f"zeroskip_batch_rows_count{{{labels}}}"]) >= 1
    layer = next(key for key in values if key.startswith("zeroskip_layer_sparsity{") and 'version="2"' in key)
    assert 0 < float(values[layer]) < 1
    assert 0 < float(values[f"zeroskip_skipped_macs_ratio{{{labels}}}"]) < 1


def test_saturation_degrades_politely(tmp_path: Path, models: Path, images: np.ndarray[Any, Any]) -> None:
    """More requests than may wait: some are told to come again, all others get right answers."""
    large = np.repeat(images, 40, axis=0)
    arguments = (str(models / "fixed.onnx"), f"net={models / 'net/1/model.onnx'}", "--queue", "2", "--max-batch", "1")
    with started(tmp_path, *arguments) as running:
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda _: running.infer(large), range(48)))
        statuses = {status for status, _ in answers}
        assert statuses == {200, 429}
        assert running.infer(large, parameters={"timeout": 1})[0] == 504  # a microsecond
        assert running.infer(images)[0] == 200


def test_sigterm_answers_what_was_accepted(tmp_path: Path, models: Path, images: np.ndarray[Any, Any]) -> None:
    large = np.repeat(images, 60, axis=0)
    with started(tmp_path, f"net={models / 'net/1/model.onnx'}", "--max-batch", "1") as running:
        assert running.infer(images)[0] == 200
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(running.infer, large) for _ in range(8)]
            end = time.monotonic() + 20
            while b'zeroskip_queue_requests{model="net",version="1"} 0.0' in running.ask("/metrics")[1]:
                assert time.monotonic() < end
            running.process.send_signal(signal.SIGTERM)
            statuses = []
            for future in futures:
                try:
                    statuses.append(future.result()[0])
                except OSError:
                    statuses.append(0)  # came too late to be accepted
        assert set(statuses) <= {200, 503, 0}
        assert 200 in statuses
        assert running.process.wait(60) == 0


def test_what_is_left_of_the_drain_is_for_slow_readers() -> None:
    """Both protocols get it at once, so that the whole ends within the time that systemd and Kubernetes know."""
    given: dict[str, float] = {}

    class Http:
        config = SimpleNamespace(timeout_graceful_shutdown=None)
        should_exit = False

    class Grpc:
        async def stop(self, grace: float) -> None:
            given["grpc"] = grace

    class Slow:
        async def drain(self) -> None:
            await asyncio.sleep(0.2)

    async def scene() -> None:
        async def serving() -> None:
            while not http.should_exit:
                await asyncio.sleep(0.01)

        server = _Server(Slow(), ServerOptions(drain_s=5.0), None)  # type: ignore[arg-type]
        await server._drain(http, asyncio.create_task(serving()), Grpc())  # type: ignore[arg-type]

    http = Http()
    asyncio.run(scene())
    assert 4 < given["grpc"] <= 4.8
    assert http.config.timeout_graceful_shutdown == 5


def test_a_token_is_asked_of_both_protocols(tmp_path: Path, models: Path) -> None:
    grpc = pytest.importorskip("grpc")
    with started(tmp_path, f"net={models / 'net/1/model.onnx'}", ZEROSKIP_SERVE_TOKEN="s3cret") as running:
        assert running.ask("/v2/models/net")[0] == 401
        assert running.ask("/v2/models/net", headers={"Authorization": "Bearer s3cret"})[0] == 200
        assert running.ask("/v2/health/live")[0] == 200
        with grpc.insecure_channel(running.grpc) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelReady")
            with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
                call(b"\n\x03net")
            assert call(b"\n\x03net", metadata=(("authorization", "Bearer s3cret"),)) == b"\x08\x01"
            assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"") == b"\x08\x01"


def test_tls_on_both_protocols(tmp_path: Path, models: Path) -> None:
    grpc = pytest.importorskip("grpc")
    certificate, key = self_signed(tmp_path)
    arguments = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    with started(tmp_path, f"net={models / 'net/1/model.onnx'}", "--host", "localhost", *arguments) as running:
        context = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection(*running.address, context=context, timeout=60)
        connection.request("GET", "/v2/models/net")
        assert connection.getresponse().status == 200
        connection.close()
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(running.grpc, credentials) as channel:
            assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=30) == b"\x08\x01"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "203.0.113.9", "--grpc-port", "-1"], "cannot serve at 203.0.113.9"),
        (["--port", "0", "--tls-key", "k", "--tls-certificate", "c"], "cannot serve"),
        (["--port", "{taken}"], "in use"),
    ],
)
def test_a_server_that_cannot_listen_says_why(models: Path, arguments: list[str], message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        filled = [argument.format(taken=other.getsockname()[1]) for argument in arguments]
        command = [sys.executable, "-m", "zeroskip", "serve", str(models / "fixed.onnx"), *filled]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
