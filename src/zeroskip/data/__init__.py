"""Data sets: pictures or arrays, turned into the batches a model expects.

A :class:`Dataset` is made by :func:`image_folder`, :func:`images`, :func:`npz`, :func:`arrays`,
:func:`from_iterable` or :func:`load`; how pixels become numbers is stated by a :class:`Preprocess` value.
Nothing here runs a model.
"""

from __future__ import annotations

from .annotations import coco, masks, yolo
from .classes import ClassFolders, ClassNames
from .dataset import Dataset
from .iterables import from_iterable
from .preprocessing import Preprocess
from .presets import PRESETS
from .sources import arrays, image_folder, images, load, npz, random_input

__all__ = [
    "PRESETS",
    "ClassFolders",
    "ClassNames",
    "Dataset",
    "Preprocess",
    "arrays",
    "coco",
    "from_iterable",
    "image_folder",
    "images",
    "load",
    "masks",
    "npz",
    "random_input",
    "yolo",
]
