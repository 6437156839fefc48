"""SessionOptions refuses what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import EngineError, SessionOptions


def test_defaults_leave_the_choice_to_the_machine() -> None:
    assert SessionOptions() == SessionOptions(intra_op_num_threads=0, isa=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"intra_op_num_threads": -1}, "intra_op_num_threads is -1"),
        ({"isa": "sse"}, "isa is 'sse'; expected one of generic, avx2, avxvnni, avx512"),
        ({"weight_storage": "int8"}, "weight_storage is 'int8'; expected one of float32, bf16, fp16"),
        ({"max_cached_plans": 0}, "max_cached_plans is 0"),
    ],
)
def test_values_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        SessionOptions(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"intra_op_num_threads": "2"},
        {"intra_op_num_threads": None},
        {"intra_op_num_threads": True},
        {"intra_op_num_threads": 1.5},
        {"isa": 2},
        {"isa": ["avx2"]},
        {"weight_storage": None},
        {"max_cached_plans": "8"},
        {"cost_model": 3},
        {"winograd": "no"},
        {"fallback": True},
    ],
)
def test_values_of_the_wrong_type_are_refused_by_name(options: dict) -> None:
    (name,) = options
    with pytest.raises(EngineError, match=rf"^{name} is .*; expected "):
        SessionOptions(**options)


def test_numbers_of_numpy_are_numbers() -> None:
    assert SessionOptions(intra_op_num_threads=np.int64(2), winograd=np.bool_(False)).num_threads == 2
