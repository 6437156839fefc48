"""The process of an engine: errors come back with their text, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from zeroskip import EngineError, ModelError
from zeroskip.baselines import EngineProcess, available_engines
from zeroskip.onnx import save

onnxruntime = pytest.importorskip("onnxruntime")
SHAPES = {"image": (1, 3, 16, 16)}
FEEDS = [{"image": np.zeros((1, 3, 16, 16), np.float32)}]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # nobody may ask after an orphan


def test_leaving_the_block_ends_the_process(small_network: bytes) -> None:
    with EngineProcess("onnxruntime", 1) as process:
        process.load(small_network, SHAPES)
        pid = process.pid
        assert is_alive(pid)
    assert not is_alive(pid)
    process.close()


def test_model_it_cannot_run_is_an_error_and_the_process_goes_on(small_network: bytes) -> None:
    unknown = onnx.load_model_from_string(small_network)
    unknown.graph.node[0].op_type = "NoSuchOperator"
    with EngineProcess("onnxruntime", 1) as process:
        with pytest.raises(ModelError, match="not an ONNX file"):
            process.load(b"no model", SHAPES)
        with pytest.raises(EngineError, match="engine 'onnxruntime' failed: "):
            process.load(unknown, SHAPES)
        process.load(small_network, SHAPES)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch", "zeroskip"])
def test_references_to_files_never_reach_an_engine(
    engine: str, small_network: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those of the working folder nor those at absolute paths."""
    if engine not in available_engines():
        pytest.skip(f"{engine} is not installed")
    monkeypatch.chdir(tmp_path)
    proto = onnx.load_model_from_string(small_network)
    onnx.save(proto, "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    content = Path("m.onnx").read_bytes()
    with EngineProcess(engine, 1) as process:
        with pytest.raises(ModelError, match="give the path of the model, not its content"):
            process.load(content, SHAPES)
        assert Path(f"/proc/{process.pid}/cwd").resolve() != tmp_path
        process.load("m.onnx", SHAPES)
        process.set_feeds(FEEDS)
        (found,) = process.outputs()
    (expected,) = onnxruntime.InferenceSession(small_network).run(None, FEEDS[0])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch", "zeroskip"])
def test_models_too_large_for_one_file_are_read_from_a_private_copy(
    engine: str, small_network: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine not in available_engines():
        pytest.skip(f"{engine} is not installed")
    monkeypatch.setattr(save, "MAX_FILE_BYTES", save._SLACK_BYTES + 1000)
    with EngineProcess(engine, 1) as process:
        process.load(small_network, SHAPES)
        assert [entry.name for entry in Path(process._folder.name).iterdir()] == ["zeroskip"]  # the copy is gone
        process.set_feeds(FEEDS)
        (found,) = process.outputs()
    (expected,) = onnxruntime.InferenceSession(small_network).run(None, FEEDS[0])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_command_before_the_model_is_an_error() -> None:
    with (
        EngineProcess("onnxruntime", 1) as process,
        pytest.raises(EngineError, match="no model or no inputs"),
    ):
        process.outputs()


def test_wrong_input_is_an_error(small_network: bytes) -> None:
    with EngineProcess("onnxruntime", 1) as process:
        process.load(small_network, SHAPES)
        process.set_feeds([{"picture": FEEDS[0]["image"]}])
        with pytest.raises(EngineError, match="engine 'onnxruntime' failed"):
            process.outputs()


def test_death_of_the_process_is_an_error(small_network: bytes) -> None:
    with EngineProcess("onnxruntime", 1) as process:
        process.load(small_network, SHAPES)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="process of engine 'onnxruntime' ended: exit code -9"):
            process.set_feeds(FEEDS)


def test_interrupt_in_the_terminal_does_not_kill_it(small_network: bytes) -> None:
    with EngineProcess("onnxruntime", 1) as process:
        process.load(small_network, SHAPES)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.05)
        process.set_feeds(FEEDS)
        assert len(process.outputs()) == 1


def test_foreign_interpreter_that_is_absent_is_named() -> None:
    with pytest.raises(EngineError, match="cannot start '/no/such/python' for engine 'deepsparse'"):
        EngineProcess("deepsparse", 1, python="/no/such/python")


ORPHAN = """
import signal, sys, time
import numpy as np
from zeroskip.baselines import EngineProcess
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored
process = EngineProcess("onnxruntime", 1)
process.load(open(sys.argv[1], "rb").read(), {"image": (1, 3, 16, 16)})
process.set_feeds([{"image": np.zeros((1, 3, 16, 16), np.float32)}])
print(process.pid, process._folder.name, flush=True)
process.time(600.0, warmup=0)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_a_killed_owner_takes_the_process_and_its_folder_along(
    small_network: bytes, tmp_path: Path, number: signal.Signals
) -> None:
    """In the middle of a run of ten minutes, and whatever the signal: none of them runs any clean-up of Python."""
    (tmp_path / "model.onnx").write_bytes(small_network)
    owner = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(tmp_path / "model.onnx")], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid, folder = owner.stdout.readline().split()
    time.sleep(0.2)
    owner.send_signal(number)
    owner.communicate(timeout=20)
    end = time.monotonic() + 20
    while (is_alive(int(pid)) or Path(folder).exists()) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_alive(int(pid))
    assert not Path(folder).exists()
