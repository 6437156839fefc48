"""What an optional package brings, and what to do where it is missing, stands in every message alike."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zeroskip.errors import ServeError, ZeroskipError
from zeroskip.extras import _EXTRAS, install_words, needs

ROOT = Path(__file__).resolve().parents[1]


def test_extras_are_those_of_the_package() -> None:
    lines = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    for extra, modules in _EXTRAS.items():
        named = re.search(rf"^{extra} = \[(.*?)\]$", lines, re.MULTILINE | re.DOTALL)
        assert named, extra
        packages = set(re.findall(r'"([a-z-]+)', named[1]))
        assert packages <= {module.replace("_", "-") for module in modules} | {"onnxruntime"}, extra


def test_a_missing_package_says_how_to_install_it() -> None:
    with (
        pytest.raises(ServeError, match=re.escape("serving needs the package 'uvicorn'")),
        needs("serving", ServeError),
    ):
        raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
    with pytest.raises(ZeroskipError, match=re.escape("pip install 'zeroskip[torch]'")), needs("this"):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")


def test_other_modules_stay_what_they_are() -> None:
    assert install_words("json") is None
    with pytest.raises(ModuleNotFoundError, match="mine"), needs("this"):
        raise ModuleNotFoundError("No module named 'mine'", name="mine")


@pytest.mark.parametrize(
    ("module", "statement", "extra"),
    [
        ("torch", "import zeroskip.torch", "torch"),
        ("torch", "import zeroskip.learning", "torch"),
        ("uvicorn", "from zeroskip.serve import serve", "serve"),
        ("kserve", "from zeroskip.serve import ServedModel", "serve"),
        ("torch", "from zeroskip.cli import main; main(['finetune', 'm.onnx', '--data', '.'])", "torch"),
    ],
)
def test_without_an_extra(module: str, statement: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules['{module}'] = None; sys.argv[1:] = ['finetune', 'm.onnx', '--data', '.']; {statement}"
    )
    code = code.replace("main(['finetune', 'm.onnx', '--data', '.'])", "main()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    words = " ".join(done.stderr.split())
    assert f"needs the package '{module}', which is not installed: pip install 'zeroskip[{extra}]'" in words
