"""``zeroskip serve``: what is wrong is said before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeroskip import system
from zeroskip.cli.console import Terminal
from zeroskip.cli.serve import _load
from zeroskip.serve import ModelFile, ServerOptions

from .conftest import Call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.onnx"], "'gone.onnx' is no file and no folder"),
        (["."], "no model to serve"),
        (["{model}", "--tls-key", "k.pem"], "both a certificate and its key"),
        (["{model}", "--token-file", "gone"], "cannot read the token in 'gone'"),
        (["../up={model}"], "cannot be called"),
    ],
)
def test_what_cannot_be_served(call: Call, model: Path, arguments: list[str], message: str) -> None:
    result = call("serve", *[argument.format(model=model) for argument in arguments])
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())


def test_a_token_file_that_holds_none(call: Call, model: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    result = call("serve", model, "--token-file", "token")
    assert (result.exit_code, "holds no token" in result.stderr) == (1, True)


@pytest.mark.parametrize(("quota", "threads"), [("50000 100000", 1), ("250000 100000", 3), ("max 100000", 8)])
def test_runs_take_as_many_threads_as_the_container_has_processors(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, threads: int
) -> None:
    """On a host with eight; all models of a server share one thread that runs, so the quota is not taken twice."""
    pytest.importorskip("kserve", reason="needs the extra 'serve'")
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(system, "_CGROUP", tmp_path)
    monkeypatch.setattr(system, "_OWN_CGROUPS", tmp_path / "none")
    monkeypatch.setattr(system.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    files = [ModelFile("one", "1", model), ModelFile("two", "1", model)]
    models = _load(Terminal(is_quiet=True), files, ServerOptions(), threads=None, isa=None)
    assert [one._session.explain().num_threads for one in models] == [threads, threads]
    assert models[0]._batcher._executor is models[1]._batcher._executor
    assert models[0]._batcher._executor._max_workers == 1
