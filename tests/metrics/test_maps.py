"""Maps of classes are brought to the size of their masks."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.errors import ShapeError
from zeroskip.metrics import pixel_classes


@pytest.mark.parametrize("size", [(32, 9), (9, 32), (0, 8), (8, 0), (2, 16)])
def test_masks_of_another_form_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match=r"sides differ in form|for a map"):
        pixel_classes(np.zeros((3, 8, 8)), size)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((8, 8), (32, 32)), ((3, 2), (20, 17)), ((8, 8), (61, 64)), ((1, 1), (5, 7)), ((64, 48), (4, 3))],
)
def test_sides_may_be_rounded(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert pixel_classes(np.zeros((3, *shape)), size).shape == size
