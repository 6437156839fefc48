"""A real local cluster in a process of its own: several workers, one of them killed, nothing lost, nothing double."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zeroskip
from tiny_network import tiny_network

pytest.importorskip("ray.data", reason="needs the extra 'ray'")
pytest.importorskip("psutil", reason="finds the worker to kill")

import pyarrow.parquet as pq

SCRIPT = '''
import json, logging, os, sys, threading, time
from pathlib import Path
import numpy as np, psutil, ray
import zeroskip.ray
from zeroskip.errors import ZeroskipError

folder = Path(sys.argv[1])
ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
         runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}})
said = {}

def run(name, data, output, **choices):
    choices = {"part_size": 4, "batch_size": 2, "preprocess": "cifar"} | choices
    try:
        result = zeroskip.ray.score(data, folder / "tiny.onnx", folder / output, **choices)
        said[name] = [result.scored, result.skipped, sorted((Path(bad.key).name, bad.reason) for bad in result.bad)]
    except ZeroskipError as error:
        said[name] = str(error)

killed = []

def kill_one():
    """Kill a worker as soon as the first part is there."""
    end = time.monotonic() + 120
    while time.monotonic() < end and not killed:
        if list((folder / "first").glob("part-*.parquet")):
            for process in psutil.Process().children(recursive=True):
                if "MapWorker" in " ".join(process.cmdline()) and not killed:
                    process.kill()
                    killed.append(process.pid)
        time.sleep(0.005)

watch = threading.Thread(target=kill_one)
watch.start()
run("first", folder / "photos", "first", workers=2)
watch.join()
said["killed"] = len(killed)
run("all", folder / "photos", "all", workers=3)
run("again", folder / "photos", "first")
rows = [{"name": f"r{i}", "image": (folder / "photos" / f"{i:03}.png").read_bytes()} for i in range(6)]
run("bytes", ray.data.from_items(rows), "bytes", key="name")
run("unknown", ray.data.from_items([{"a": 1}]), "none")
run("nothing", [], "none")
run("absent", folder / "gone", "none")
(folder / "said.json").write_text(json.dumps(said))
'''


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[object]]]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "tiny.onnx").write_bytes(tiny_network())
    photos = folder / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for index in range(40):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(photos / f"{index:03}.png")
    (photos / "broken.png").write_bytes((photos / "000.png").read_bytes()[:60])
    (photos / "notes.txt").write_text("no picture")
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "said.json").read_text())


def test_a_killed_worker_loses_nothing_and_doubles_nothing(scene: tuple[Path, dict[str, list[object]]]) -> None:
    folder, said = scene
    assert said["killed"] == 1
    scored, skipped, bad = said["first"]
    assert (scored, skipped) == (40, 0)
    assert [name for name, _ in bad] == ["broken.png"]
    tables = [pq.read_table(path) for path in (folder / "first").glob("part-*.parquet")]
    names = [Path(path).name for table in tables for path in table.column("path").to_pylist()]
    assert sorted(names) == [f"{index:03}.png" for index in range(40)]


def test_workers_may_take_all_processors(scene: tuple[Path, dict[str, list[object]]]) -> None:
    """Three of three: the tasks that cut the data would find none left and wait for ever."""
    scored, skipped, bad = scene[1]["all"]
    assert (scored, skipped, len(bad)) == (40, 0, 1)  # type: ignore[arg-type]


def test_results_are_those_of_a_session(scene: tuple[Path, dict[str, list[object]]]) -> None:
    folder, _ = scene
    session = zeroskip.InferenceSession(folder / "tiny.onnx")
    (name,) = (argument.name for argument in session.get_outputs())
    recipe = zeroskip.data.Preprocess.preset("cifar").fitted_to(session.get_inputs()[0].shape)
    for path in list((folder / "first").glob("part-*.parquet"))[:3]:
        table = pq.read_table(path)
        for file, row in zip(table.column("path").to_pylist(), table.column(name).to_pylist(), strict=True):
            image = next(iter(zeroskip.data.images([file], recipe).batches(1)))
            array = image[0] if isinstance(image, tuple) else image
            (expected,) = session.run(None, {session.get_inputs()[0].name: array})
            np.testing.assert_allclose(row, expected[0].reshape(-1), rtol=1e-4, atol=1e-5)


def test_what_has_a_result_is_not_scored_again(scene: tuple[Path, dict[str, list[object]]]) -> None:
    folder, said = scene
    scored, skipped, bad = said["again"]
    assert (scored, skipped, [name for name, _ in bad]) == (0, 40, ["broken.png"])
    (line,) = (folder / "first" / "bad.jsonl").read_text().splitlines()
    assert "broken.png" in json.loads(line)["key"]


def test_encoded_pictures_in_a_column(scene: tuple[Path, dict[str, list[object]]]) -> None:
    folder, said = scene
    assert said["bytes"] == [6, 0, []]
    tables = [pq.read_table(path) for path in (folder / "bytes").glob("part-*.parquet")]
    assert sorted(name for table in tables for name in table.column("name").to_pylist()) == [f"r{i}" for i in range(6)]


def test_what_cannot_be_scored_is_said(scene: tuple[Path, dict[str, list[object]]]) -> None:
    _, said = scene
    assert "no column 'path'" in str(said["unknown"])
    assert "nothing to score" in str(said["nothing"])
    assert "no folder or file" in str(said["absent"])
