"""Dataset: a list of model inputs, perhaps with labels, decoded batch by batch, to be split and thinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..progress import Progress
from ..short_repr import shorten
from .classes import ClassFolders
from .preprocessing import Preprocess
from .targets import Targets, described, take

Indices = NDArray[np.int64]
_REASONS_SHOWN = 10

Batch = tuple[Any, Targets]


class Source(Protocol):
    """Where the inputs of a data set come from."""

    def load(self, indices: Indices) -> Any:
        """Return the inputs at these places as a new contiguous array ``[len(indices), ...]``.

        float32 where they are pictures; a dictionary of arrays, by name, where they feed several inputs.

        Raises:
            DataError: If an input cannot be read, or if their shapes differ; the message names it.
        """
        ...


class PictureSource(Source, Protocol):
    """A source of pictures, which can be preprocessed in another way."""

    def reprocessed(self, preprocess: Preprocess) -> PictureSource:
        """Return the same pictures with another recipe."""
        ...

    def unreadable(self, indices: Indices, progress: Progress | None = None) -> dict[int, str]:
        """Decode what was not decoded yet and return the reason for each file that fails, by its number."""
        ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs of a model in a fixed order, with labels or without; parts of it share its source.

    Args:
        source: Loads the inputs.
        indices: int64 ``[N]``: the places in the source this data set is made of, N >= 1.
        all_names: A name for each place in the source.
        all_labels: int64, a class index for each place in the source, or None.
        all_groups: int64 for each place in the source: places that show the same thing (crops of one
            picture) share a number, and a split never separates them.
        description: What the data are, in words.
        is_random: Whether the values are noise, from which no sparsity may be claimed.
        skipped: What could not be read and was left out, one line each.
        preprocess: How pixels became these inputs; None where the inputs were given as they are.
        classes: Which class each folder is; None where labels come from elsewhere.
        notes: What was decided about labels and what was left out, one line each.
        all_targets: Targets that are no class indices, for each place in the source; see :mod:`.targets`.

    Raises:
        DataError: If there is nothing in it.
    """

    source: Source
    indices: Indices
    all_names: tuple[str, ...]
    all_labels: NDArray[np.int64] | None
    all_groups: NDArray[np.int64]
    description: str
    is_random: bool = False
    skipped: tuple[str, ...] = ()
    preprocess: Preprocess | None = None
    classes: ClassFolders | None = None
    notes: tuple[str, ...] = ()
    all_targets: Targets = None

    def __post_init__(self) -> None:
        if len(self.indices) == 0:
            raise DataError(f"the data set is empty: {self.description}")

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        labels = "no labels" if self.all_labels is None else "labels"
        labels = "targets" if self.all_targets is not None else labels
        return f"Dataset({len(self)} inputs, {labels}: {shorten(self.description)})"

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Class indices, int64 ``[N]``, or None."""
        return None if self.all_labels is None else self.all_labels[self.indices]

    @property
    def targets(self) -> Targets:
        """What the model ought to say of each input: the labels, or targets of another shape, or None."""
        return self.labels if self.all_targets is None else take(self.all_targets, self.indices)

    @property
    def is_uniform(self) -> bool:
        """Whether all inputs have one shape, so that they can be put into a batch."""
        if self.preprocess is None:
            return bool(getattr(self.source, "is_uniform", True))
        return self.preprocess.sample_shape is not None or getattr(self.source, "is_uniform", False)

    @property
    def is_whole(self) -> bool:
        """Whether each input is all that one run of the model takes, batch axis and all."""
        return bool(getattr(self.source, "is_whole", False))

    @property
    def names(self) -> tuple[str, ...]:
        """One name per input: the picture's path within its folder, or its number."""
        return tuple(self.all_names[index] for index in self.indices)

    @property
    def groups(self) -> NDArray[np.int64]:
        """int64 ``[N]``: inputs cut from the same picture share a number."""
        return self.all_groups[self.indices]

    @cached_property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one input without the batch axis; reads the first one.

        Raises:
            DataError: If the first input cannot be read, or the data feed several inputs of a model.
        """
        return tuple(_only(self.source.load(self.indices[:1])).shape[1:])

    def batches(self, batch_size: int = 32) -> Iterator[Batch]:
        """Yield the data in order, decoding as it goes; the last batch may be smaller.

        Args:
            batch_size: Inputs per batch, >= 1.

        Yields:
            Inputs ``[B, ...]``, pictures as float32, a dictionary of arrays where they feed several inputs; and the
            targets of these, for class indices int64 ``[B]``, None where there are none.

        Raises:
            DataError: If an input cannot be read, inputs differ in shape, or ``batch_size`` is below 1.
        """
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}, expected >= 1")
        targets = self.targets
        for start in range(0, len(self), batch_size):
            places = np.arange(start, min(start + batch_size, len(self)))
            yield self.source.load(self.indices[places]), take(targets, places)

    def array(self) -> NDArray[Any]:
        """Return all inputs as one array ``[N, ...]``, float32 for pictures.

        Raises:
            DataError: If an input cannot be read, inputs differ in shape, or the data feed several inputs of a model.
        """
        return _only(self.source.load(self.indices))

    def subset(self, count: int) -> Dataset:
        """Return ``count`` inputs spread evenly over the data set, in order; all of them if there are fewer.

        Args:
            count: Inputs to keep, >= 1.

        Raises:
            DataError: If ``count`` is below 1.
        """
        if count < 1:
            raise DataError(f"a subset of {count} inputs was asked for, expected >= 1")
        if count >= len(self):
            return self
        return self._part(np.arange(count) * len(self) // count, f"{count} of")

    def first(self, count: int) -> Dataset:
        """Return the first ``count`` inputs; all of them if there are fewer."""
        return self if count >= len(self) else replace(self, indices=self.indices[:count])

    def check(self, progress: Progress | None = None) -> None:
        """Decode every picture once, so that none fails later; what fits into the cache is kept.

        Args:
            progress: Told of each.

        Raises:
            DataError: If pictures cannot be read; the message names them all.
        """
        if self.preprocess is None:
            return
        bad = cast(PictureSource, self.source).unreadable(self.indices, progress)
        if bad:
            raise DataError(unreadable_message(list(bad.values()), len(np.unique(self.groups))))

    def reprocessed(self, preprocess: Preprocess) -> Dataset:
        """Return the same pictures with another recipe.

        Args:
            preprocess: The recipe.

        Raises:
            DataError: If the inputs are no pictures, but arrays that were given as they are.
        """
        if self.preprocess is None:
            raise DataError(f"only pictures can be preprocessed in another way, not {self.description}")
        source = cast(PictureSource, self.source).reprocessed(preprocess)
        return replace(self, source=source, preprocess=preprocess)

    def split(
        self, fraction: float = 0.5, *, counts: tuple[int, int] | None = None, seed: int = 0
    ) -> tuple[Dataset, Dataset]:
        """Split into calibration data and holdout: disjoint, deterministic, stratified where labels exist.

        Crops of one picture stay on one side. Each class is divided in the given proportion up to one
        picture.

        Args:
            fraction: Share of the pictures that goes to the calibration data, in (0, 1); ignored with
                ``counts``.
            counts: Inputs of (calibration, holdout) instead; the rest of the data is left out.
            seed: Seed of the shuffle.

        Returns:
            The calibration data and the holdout.

        Raises:
            DataError: If a side would be empty or there are too few pictures for ``counts``.
        """
        pictures = self._shuffled_by_class(np.random.default_rng(seed))
        if counts is None:
            if not 0.0 < fraction < 1.0:
                raise DataError(f"split fraction is {fraction}, expected a value in (0, 1)")
            wanted = round(len(pictures) * fraction)
            first, second = _every_nth(pictures, wanted)
        else:
            first, second = self._split_counts(pictures, counts)
        if not (len(first) and len(second)):
            raise DataError(
                f"cannot split {len(pictures)} pictures into calibration data and holdout at {fraction}: "
                "both sides need at least one; give more data"
            )
        limits = counts or (len(self), len(self))
        return (
            self._part(self._places(first)[: limits[0]], "calibration part, {count} of"),
            self._part(self._places(second)[: limits[1]], "holdout, {count} of"),
        )

    def grouped_by_identity(self) -> Dataset:
        """Return the same data with identities as labels, of which a split keeps all of one on one side.

        Whoever is in one half is then not in the other, and has partners in their own.

        Raises:
            DataError: If the targets are not an integer or a text for each input.
        """
        targets = self.all_labels if self.all_labels is not None else self.all_targets
        names = np.empty(0) if targets is None or isinstance(targets, dict) else np.asarray(_plain(targets))
        names = names.reshape(-1) if names.shape[1:] == (1,) else names
        if names.ndim != 1 or names.dtype.kind not in "iubU" or len(names) == 0:
            what = "none" if targets is None else described(targets)
            raise DataError(f"the targets are {what}, expected an identity for every input: an integer or a text")
        numbers = np.unique(names, return_inverse=True)[1].astype(np.int64)
        return replace(self, all_labels=numbers, all_targets=None, all_groups=numbers)

    def _split_counts(self, pictures: Indices, counts: tuple[int, int]) -> tuple[Indices, Indices]:
        if min(counts) < 1:
            raise DataError(f"split counts are {counts}, expected both >= 1")
        # Pictures have equally many crops when the source made them, but a subset may have thinned them:
        # count the least, so that what is promised is there.
        per_picture = int(np.unique(self.groups, return_counts=True)[1].min())
        needed = [-(-count // per_picture) for count in counts]
        if sum(needed) > len(pictures):
            raise DataError(
                f"cannot split {len(self)} inputs of {len(pictures)} pictures into {counts[0]} for "
                f"calibration and {counts[1]} for holdout: that takes {sum(needed)} pictures, because crops "
                "of one picture stay together"
            )
        first, rest = _every_nth(pictures, needed[0])
        return first, _every_nth(rest, needed[1])[0]

    def _shuffled_by_class(self, random: np.random.Generator) -> Indices:
        """Return the groups, shuffled, those of one class beside each other, the classes shuffled as well."""
        groups, first_places = np.unique(self.groups, return_index=True)
        order = random.permutation(len(groups))
        labels = self.labels
        if labels is None:
            return groups[order]
        group_labels = labels[first_places][order]
        _, class_numbers = np.unique(group_labels, return_inverse=True)
        class_order = random.permutation(int(class_numbers.max()) + 1)
        return groups[order][np.argsort(class_order[class_numbers], kind="stable")]

    def _places(self, groups: Indices) -> Indices:
        return np.flatnonzero(np.isin(self.groups, groups)).astype(np.int64)

    def _part(self, places: Indices, words: str) -> Dataset:
        description = f"{words.format(count=len(places))} {self.description}"
        return replace(self, indices=self.indices[places], description=description)


def _only(inputs: Any) -> NDArray[Any]:
    if isinstance(inputs, dict) and len(inputs) == 1:
        return np.asarray(next(iter(inputs.values())))
    if isinstance(inputs, dict):
        raise DataError(f"the data feed the inputs {list(inputs)}, expected data for one input")
    return np.asarray(inputs)


def unreadable_message(reasons: list[str], count: int) -> str:
    """Return an error's text that lists pictures that cannot be read.

    Args:
        reasons: One line each.
        count: Pictures there are.
    """
    shown = [f"  {reason}" for reason in reasons[:_REASONS_SHOWN]]
    more = len(reasons) - len(shown)
    listed = "\n".join(shown + ([f"  ... and {more} more"] if more > 0 else []))
    if len(reasons) == count:
        return f"none of the {count} images can be read:\n{listed}"
    way = "on_error='skip' (--skip-unreadable) leaves them out"
    return f"{len(reasons)} of {count} images cannot be read; {way}:\n{listed}"


def _every_nth(items: Indices, count: int) -> tuple[Indices, Indices]:
    """Take ``count`` items at even distances, and the rest: each run of one class gets its share."""
    ends = np.arange(1, len(items) + 1) * count // max(len(items), 1)
    taken = np.diff(ends, prepend=0) > 0
    return items[taken], items[~taken]


def _plain(targets: Any) -> Any:
    """Return targets, of a list only where all are of one kind: NumPy makes texts of numbers beside texts."""
    is_list = isinstance(targets, list)
    return [] if is_list and len({type(target) for target in targets}) != 1 else targets
