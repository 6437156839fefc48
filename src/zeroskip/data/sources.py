"""The ways to make a :class:`Dataset`: an image folder, a list of pictures, an .npz file, arrays, noise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .archives import read_arrays, read_names
from .class_names import printable
from .classes import ClassNames
from .dataset import Dataset, unreadable_message
from .decoder import check_header
from .folders import Found, Labels, find_images
from .items import TARGET_NAMES
from .iterables import dataset_of, from_iterable
from .label_table import MAX_CLASS
from .loader import DEFAULT_CACHE_BYTES, ArraySource, FileSource, NoiseSource, PixelSource
from .pictures import VIEWS
from .preprocessing import Preprocess
from .targets import count_of

OnError = Literal["raise", "skip"]


def load(path: str | os.PathLike[str], preprocess: str | Preprocess | None = None, **options: Any) -> Dataset:
    """Open a folder of pictures or an .npz file, whichever ``path`` is.

    Args:
        path: A folder, for :func:`image_folder`, or a file ending in ``.npz``, for :func:`npz`.
        preprocess: A preset's name or a recipe; needed for pictures and for uint8 arrays.
        **options: Passed to :func:`image_folder`; an .npz file takes none.

    Raises:
        DataError: If ``path`` is neither, or the data cannot be used.
    """
    if Path(path).is_dir():
        if preprocess is None:
            raise DataError(f"'{os.fspath(path)}' holds pictures: say how to preprocess them, for example 'imagenet'")
        return image_folder(path, preprocess, **options)
    if Path(path).suffix.lower() != ".npz":
        raise DataError(f"'{os.fspath(path)}' is neither a folder nor an .npz file")
    if options:
        raise DataError(f"options {sorted(options)} are for image folders, but '{os.fspath(path)}' is an .npz file")
    return npz(path, preprocess)


def image_folder(
    path: str | os.PathLike[str],
    preprocess: str | Preprocess = "imagenet",
    *,
    labels: Labels = "auto",
    classes: str | os.PathLike[str] | ClassNames | None = None,
    crops: int = 1,
    on_error: OnError = "raise",
    cache_bytes: int = DEFAULT_CACHE_BYTES,
) -> Dataset:
    """Make a data set of the pictures in a folder, sorted by path.

    Args:
        path: Folder with pictures in it, or in one sub-folder per class, or with a ``labels.csv`` (columns
            ``file``, relative to the CSV, and ``class_index``).
        preprocess: A preset's name or a recipe.
        labels: ``"auto"``: ``labels.csv`` if it is there, else the sub-folders if there are at least two
            with pictures, else none. ``"folders"``: sub-folder names; when all are integers they are the
            class indices, else their sorted order is. A mapping: sub-folder name to class index. A path:
            another CSV. ``"none"`` or None: every picture under the folder, unlabelled.
        classes: Names of the model's classes, for class folders: a file (see ``ClassNames.load``), or names that were
            read, for example out of the model. Folders of classes that the model has and the data have not then shift
            nothing. Names that were found rather than given may fit no folder at all.
        crops: Views taken from each picture, 1..30: the centre, then corners at several zooms, then mirrored.
        on_error: What an unreadable picture does: ``"raise"``, or ``"skip"``, which decodes everything once
            at the start and lists what was left out in ``skipped``.
        cache_bytes: Decoded pictures are kept as uint8 of final size up to this many bytes (2 GiB), 0 for
            none; what does not fit is decoded anew each time.

    Returns:
        The data set. Pictures are decoded when they are needed; headers are read here.

    Raises:
        DataError: If the folder is missing or empty, labels are not usable, or pictures cannot be read (all
            bad headers are named at once; a truncated picture is named when its batch is loaded).

    Example:
        >>> data = image_folder("photos/", Preprocess.preset("caffe-bgr", crop=227))  # doctest: +SKIP
        >>> calibration, holdout = data.split(0.5)  # doctest: +SKIP
    """
    root = Path(path)
    is_given = classes is not None and not isinstance(classes, ClassNames)
    names = classes if classes is None or isinstance(classes, ClassNames) else ClassNames.load(classes)
    found = find_images(root, labels, names, is_asked=is_given)
    return _pictures(
        found,
        [file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name for file in found.files],
        _recipe(preprocess),
        crops,
        on_error,
        cache_bytes,
        f"'{printable(root.resolve().name)}'",
    )


def images(
    paths: Sequence[str | os.PathLike[str]],
    preprocess: str | Preprocess = "imagenet",
    *,
    labels: Sequence[int] | None = None,
    crops: int = 1,
    on_error: OnError = "raise",
    cache_bytes: int = DEFAULT_CACHE_BYTES,
    description: str = "a list",
) -> Dataset:
    """Make a data set of pictures listed one by one, in the order given.

    Args:
        paths: Picture files, at least one.
        preprocess: A preset's name or a recipe.
        labels: A class index for each picture, or None.
        crops: As for :func:`image_folder`.
        on_error: As for :func:`image_folder`.
        cache_bytes: As for :func:`image_folder`.
        description: Where the pictures come from, in words.

    Raises:
        DataError: As for :func:`image_folder`, or if labels and pictures differ in number.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise DataError("the list of pictures is empty")
    names = [file.name for file in files]
    indices = None if labels is None else _class_indices(labels, len(files))
    return _pictures(Found(files, indices), names, _recipe(preprocess), crops, on_error, cache_bytes, description)


def npz(
    path: str | os.PathLike[str],
    preprocess: str | Preprocess | None = None,
    *,
    inputs: Sequence[str] | None = None,
) -> Dataset:
    """Make a data set of the arrays of an .npz file.

    Args:
        path: The file. ``x`` and ``y`` are as in :func:`arrays`. Where it holds several other arrays, each is the
            model's input of that name, as it stands; ``y``, ``label``, ``target`` and their plurals are targets of any
            shape.
        preprocess: As in :func:`arrays`; for ``x`` only.
        inputs: Names of the model's inputs, so that a lone array may be called like its input, too.

    Raises:
        DataError: If the file cannot be read, or its arrays cannot be used.
    """
    name = printable(Path(path).name)
    names = read_names(path)
    given = [item for item in names if item not in TARGET_NAMES]
    by_name = given if len(given) > 1 else [item for item in given if item in (inputs or ())]
    if given == ["x"] or not by_name:
        content = read_arrays(path, "x", "y")
        return arrays(content["x"], content.get("y"), preprocess, description=f"'{name}'")
    if preprocess is not None:
        raise DataError(f"'{name}' holds the inputs {given}, which are taken as they stand: leave out preprocess")
    content = read_arrays(path, given[0], *(item for item in names if item != given[0]))
    return from_iterable(content, inputs=given, description=f"'{name}'")


def arrays(
    x: NDArray[Any] | Mapping[str, ArrayLike],
    y: ArrayLike | None = None,
    preprocess: str | Preprocess | None = None,
    *,
    targets: Any = None,
    description: str = "arrays in memory",
) -> Dataset:
    """Make a data set of arrays.

    Args:
        x: Floating point ``[N, ...]``, taken as the model's input as it stands; or uint8 pictures
            ``[N, H, W, 3]`` (or ``[N, H, W]``, grey) in RGB order, to be preprocessed. Or a dictionary: an array of any
            type for every input of the model, by name, taken as they stand.
        y: Integers ``[N]``: class indices. None if there are none.
        preprocess: A preset's name or a recipe; required for uint8 and refused for floating point.
        targets: Instead of ``y`` targets of any shape: an array ``[N, ...]``, a list of N values, or a dictionary.
        description: Where the data come from, in words.

    Raises:
        DataError: If shapes or types are not as above, or ``x`` holds NaN or infinities.

    Example:
        >>> data = arrays(np.zeros((4, 32, 32, 3), np.uint8), [0, 1, 0, 1], "cifar")
        >>> [(x.shape, y.tolist()) for x, y in data.batches(3)]
        [((3, 3, 32, 32), [0, 1, 0]), ((1, 3, 32, 32), [1])]
    """
    if y is not None and targets is not None:
        raise DataError("both y and targets were given: class indices are y, anything else is targets")
    if isinstance(x, Mapping):
        if preprocess is not None:
            raise DataError("inputs by name are taken as they stand: leave out preprocess")
        named = from_iterable(x, inputs=list(x), description=description)
        given = targets if y is None else _class_indices(y, len(named))
        return named if given is None else dataset_of(named.source, given, description)  # type: ignore[arg-type]
    if x.ndim < 2 or len(x) == 0:
        raise DataError(f"x has shape {x.shape}, expected [N, ...] with N >= 1")
    labels = None if y is None else _class_indices(y, len(x))
    source: ArraySource | PixelSource
    recipe = None
    if x.dtype == np.uint8:
        recipe = _pixel_recipe(x, preprocess)
        source, words = PixelSource(x, recipe), recipe.describe()
    elif np.issubdtype(x.dtype, np.floating):
        if preprocess is not None:
            raise DataError(
                f"x is {x.dtype}, which is taken as already preprocessed: leave out preprocess, or give uint8"
            )
        source, words = ArraySource(x), "as stored"
    else:
        raise DataError(
            f"x has dtype {x.dtype}, expected floating point (ready) or uint8 (pictures); inputs of other types are "
            "given by name: {'input': x}"
        )
    if targets is not None and count_of(targets) != len(x):
        raise DataError(f"there are {len(x)} inputs and {count_of(targets)} targets, expected one for each")
    labelled = "with targets" if targets is not None else "unlabelled" if labels is None else "labelled"
    return Dataset(
        source,
        np.arange(len(x)),
        tuple(str(index) for index in range(len(x))),
        labels,
        np.arange(len(x)),
        f"{len(x)} inputs from {description} ({labelled}; {words})",
        preprocess=recipe,
        all_targets=targets,
    )


def random_input(sample_shape: Sequence[int], count: int = 64, *, seed: int = 0) -> Dataset:
    """Make a data set of normally distributed noise, for timing only: noise says nothing about sparsity.

    Args:
        sample_shape: Shape of one input without the batch axis.
        count: Inputs, >= 1.
        seed: Seed of the noise; input i is the same whatever the batch.

    Raises:
        DataError: If a dimension or ``count`` is below 1.
    """
    shape = tuple(sample_shape)
    if count < 1 or any(side < 1 for side in shape):
        raise DataError(f"random input of shape {shape} x {count} was asked for, expected sizes >= 1")
    places = np.arange(count)
    names = tuple(f"noise {index}" for index in range(count))
    return Dataset(
        NoiseSource(shape, seed),
        places,
        names,
        None,
        places,
        f"{count} random inputs {shape}",
        is_random=True,
    )


def _pictures(
    found: Found,
    names: Sequence[str],
    preprocess: Preprocess,
    crops: int,
    on_error: OnError,
    cache_bytes: int,
    origin: str,
) -> Dataset:
    if not 1 <= crops <= len(VIEWS):
        raise DataError(f"crops is {crops}, expected 1..{len(VIEWS)}")
    if crops > 1 and preprocess.crop is None:
        raise DataError(f"crops={crops} needs a recipe with a crop, got {preprocess.describe()}")
    if on_error not in ("raise", "skip"):
        raise DataError(f"on_error is {on_error!r}, expected 'raise' or 'skip'")
    files, labels = found.files, found.labels
    source = FileSource(files, VIEWS[:crops], preprocess, cache_bytes)
    bad = source.unreadable(np.arange(len(files) * crops)) if on_error == "skip" else _bad_headers(files)
    if bad and (on_error == "raise" or len(bad) == len(files)):
        raise DataError(unreadable_message(list(bad.values()), len(files)))
    kept = np.array([index for index in range(len(files)) if index not in bad], np.int64)
    cut = f" x {crops} crops" if crops > 1 else ""
    labelled = "unlabelled" if labels is None else "labelled"
    left_out = f"; {len(bad)} unreadable left out" if bad else ""
    return Dataset(
        source,
        (kept[:, None] * crops + np.arange(crops)).ravel(),
        tuple(printable(name) for name in names for _ in range(crops)),
        None if labels is None else np.repeat(labels, crops),
        np.repeat(np.arange(len(files)), crops),
        f"{len(kept)} images{cut} from {origin} ({labelled}; {preprocess.describe()}{left_out})",
        skipped=tuple(bad.values()),
        preprocess=preprocess,
        classes=found.classes,
        notes=found.notes,
    )


def _bad_headers(files: Sequence[Path]) -> dict[int, str]:
    reasons = {index: check_header(file) for index, file in enumerate(files)}
    return {index: reason for index, reason in reasons.items() if reason is not None}


def _recipe(preprocess: str | Preprocess) -> Preprocess:
    return preprocess if isinstance(preprocess, Preprocess) else Preprocess.preset(preprocess)


def _pixel_recipe(x: NDArray[np.uint8], preprocess: str | Preprocess | None) -> Preprocess:
    if preprocess is None:
        raise DataError("x is uint8: say how to preprocess it, for example preprocess='imagenet' or 'raw'")
    if not (x.ndim == 3 or (x.ndim == 4 and x.shape[3] == 3)):
        raise DataError(f"x is uint8 with shape {x.shape}, expected pictures [N, H, W, 3] or [N, H, W]")
    return _recipe(preprocess)


def _class_indices(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    values = np.asarray(labels)
    if values.shape != (count,):
        raise DataError(f"labels have shape {values.shape}, expected ({count},): one per input")
    if not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"labels have dtype {values.dtype}, expected integers (class indices)")
    if values.min() < 0 or values.max() > MAX_CLASS:
        wrong = values.min() if values.min() < 0 else values.max()
        raise DataError(f"labels hold {wrong}, expected class indices >= 0")
    return values.astype(np.int64)
