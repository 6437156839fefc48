"""The files in ``deploy/``: checked by the linters and schemas of those who read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zeroskip.serve import ServerOptions

DEPLOY = Path(__file__).parents[1] / "deploy"


def documents(name: str) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def round_trip(document: dict[str, Any], kind: str) -> Any:
    """Read a document into the API's model and write it again; fields that the API does not have get lost."""
    client = pytest.importorskip("kubernetes.client")
    api = client.ApiClient()
    return api.sanitize_for_serialization(api._ApiClient__deserialize(document, kind))


def test_the_deployment_and_service_are_of_the_schema() -> None:
    deployment, service = documents("kubernetes.yaml")
    assert round_trip(deployment, "V1Deployment") == deployment
    assert round_trip(service, "V1Service") == service


def test_a_misspelled_field_would_be_found() -> None:
    deployment = documents("kubernetes.yaml")[0]
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    assert round_trip(deployment, "V1Deployment") != deployment


FIELDS = """
import json, sys
sys.argv = sys.argv[:1]
import kserve
print(json.dumps({name: list(getattr(kserve, name).attribute_map.values()) for name in
    ("V1beta1InferenceService", "V1beta1InferenceServiceSpec", "V1beta1PredictorSpec")}))
"""


def test_the_inference_service_is_of_the_schema() -> None:
    pytest.importorskip("kubernetes.client")
    done = subprocess.run([sys.executable, "-c", FIELDS], capture_output=True, text=True)
    if "No module named" in done.stderr:
        pytest.skip("needs the extra 'serve'")
    fields = json.loads(done.stdout)
    (service,) = documents("kserve.yaml")
    predictor = service["spec"]["predictor"]
    assert set(service) <= set(fields["V1beta1InferenceService"])
    assert set(service["spec"]) <= set(fields["V1beta1InferenceServiceSpec"])
    assert set(predictor) <= set(fields["V1beta1PredictorSpec"])
    (container,) = predictor["containers"]
    assert container["name"] == "kserve-container"  # what KServe looks for
    assert round_trip(container, "V1Container") == container


def test_the_dockerfile_passes_its_linter() -> None:
    tool = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([tool, str(DEPLOY / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_passes_its_verifier(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    program = tmp_path / "zeroskip"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = (DEPLOY / "zeroskip.service").read_text().replace("/opt/zeroskip/bin/zeroskip", str(program))
    (tmp_path / "zeroskip.service").write_text(unit)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "zeroskip.service")]
    done = subprocess.run(command, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "zeroskip.service" in line]
    assert (done.returncode, said) == (0, [])


def test_all_of_them_leave_time_to_drain() -> None:
    seconds = ServerOptions().drain_s
    deployment = documents("kubernetes.yaml")[0]
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > seconds
    stop = re.search(r"TimeoutStopSec=(\d+)", (DEPLOY / "zeroskip.service").read_text())
    assert stop is not None
    assert int(stop[1]) > seconds
