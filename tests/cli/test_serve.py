"""``zeroskip serve``: what is wrong is said before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

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
