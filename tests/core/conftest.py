from __future__ import annotations

import pytest

from zeroskip import _core


@pytest.fixture(params=_core.isas_supported())
def isa(request: pytest.FixtureRequest) -> str:
    """Every instruction set this CPU runs."""
    return str(request.param)
