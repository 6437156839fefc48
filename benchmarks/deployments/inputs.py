"""What the models of :mod:`.cases` are fed with; every function takes a folder of photographs."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zeroskip import data as zs_data

COUNT = 48
"""Inputs of each; half of them are held out."""
_TEXT = "sparse kernels skip zeros that rectifiers leave behind while dense ones multiply them all 0123456789"
_SAMPLE_RATE = 16000


def photographs(recipe: zs_data.Preprocess) -> Callable[[Path], Any]:
    """Return what reads photographs by a recipe."""
    return lambda folder: zs_data.image_folder(folder, recipe, labels="none").subset(COUNT)


def _line(random: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Return a line of drawn text on paper, uint8 ``[height, width, 3]``."""
    paper = int(random.integers(170, 256))
    image = Image.new("RGB", (width, height), (paper, paper, max(0, paper - 20)))
    font = ImageFont.load_default(size=float(random.integers(height * 5 // 10, height * 8 // 10)))
    text = " ".join(random.choice(_TEXT.split(), 1 + width // 100))
    ink, left = int(random.integers(0, 90)), int(random.integers(2, 10))
    ImageDraw.Draw(image).text((left, height // 10), text, fill=(ink, ink, ink), font=font)
    return np.asarray(image)


def lines(sizes: tuple[tuple[int, int], ...], *, is_gray: bool = False) -> Callable[[Path], Any]:
    """Return what draws lines of text of these sizes in turns, width and height, as values in [-1, 1]."""

    def made(folder: Path) -> list[NDArray[np.float32]]:
        random = np.random.default_rng(0)
        drawn = [_line(random, *sizes[number % len(sizes)]) for number in range(COUNT)]
        maps = [np.ascontiguousarray(line.transpose(2, 0, 1)).astype(np.float32) / 127.5 - 1.0 for line in drawn]
        return [item.mean(axis=0, keepdims=True) for item in maps] if is_gray else maps

    return made


def pages(folder: Path) -> list[NDArray[np.float32]]:
    """Return photographs with lines of text on them, of three sizes."""
    random, sizes = np.random.default_rng(0), ((320, 320), (320, 480), (480, 320))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pages = []
    for number, path in enumerate(sorted(folder.rglob("*.jp*g"))[:COUNT]):
        height, width = sizes[number % 3]
        page = np.asarray(Image.open(path).convert("RGB").resize((width, height))).copy()
        for _ in range(4):
            line = _line(random, 200, 32)
            top, left = random.integers(0, height - 32), random.integers(0, width - 200)
            page[top : top + 32, left : left + 200] = line
        pages.append(np.ascontiguousarray(((page / 255.0 - mean) / std).transpose(2, 0, 1), np.float32))
    return pages


def speech(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield half a tenth of a second each of voice-like sound or of noise: harmonics of a pitch under an envelope."""
    random = np.random.default_rng(0)
    time = np.arange(576) / 16000
    for number in range(COUNT):
        pitch = random.uniform(90, 250)
        voice = sum(np.sin(2 * np.pi * k * pitch * time + random.uniform(0, 6)) / k for k in range(1, 12))
        sound = 0.1 * voice * (number % 3 > 0) + random.uniform(0.001, 0.02) * random.normal(size=576)
        state = np.zeros((2, 1, 128), np.float32)
        yield {"input": sound[None].astype(np.float32), "state": state, "sr": np.array(16000)}


def voice(random: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Return harmonics of a pitch that glides, under an envelope that opens and closes, and some noise."""
    time = np.arange(samples) / _SAMPLE_RATE
    pitch = random.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(1, 4) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / _SAMPLE_RATE
    tones = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * random.uniform(1, 3) * time + random.uniform(0, 6)) + 0.4, 0, 1)
    result: NDArray[np.float64] = 0.1 * tones * envelope + random.uniform(0.001, 0.02) * random.normal(size=samples)
    return result


def frames(folder: Path) -> NDArray[np.float32]:
    """Return 64 ms of voice-like sound each, normalised as CREPE wants it."""
    random = np.random.default_rng(0)
    sound = np.stack([voice(random, 1024) for _ in range(COUNT)])
    sound -= sound.mean(axis=1, keepdims=True)
    return (sound / sound.std(axis=1, keepdims=True)).astype(np.float32)


def utterances(folder: Path) -> list[NDArray[np.float32]]:
    """Return log energies of voice-like sound, ``[frames, 80]``, of two, three and four seconds."""
    random = np.random.default_rng(0)
    return [_energies(voice(random, _SAMPLE_RATE * (2 + number % 3))) for number in range(COUNT)]


def _energies(sound: NDArray[np.float64]) -> NDArray[np.float32]:
    starts = np.arange(0, len(sound) - 400, 160)
    windows = sound[starts[:, None] + np.arange(400)] * np.hanning(400)
    power = np.abs(np.fft.rfft(windows, 512)) ** 2
    edges = np.round(257 * (np.geomspace(1, 41, 81) - 1) / 40).astype(int)
    bands = [power[:, low : max(low + 1, high)].mean(axis=1) for low, high in itertools.pairwise(edges)]
    logarithms = np.log(np.stack(bands, axis=1) + 1e-6)
    return (logarithms - logarithms.mean(axis=0)).astype(np.float32)


def faces(folder: Path) -> list[NDArray[np.float32]]:
    """Return grey faces of the wild as scikit-image brings them (25x25), enlarged to 150x150, normalised as dlib's."""
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("scikit-image is not installed")
    path = Path(next(iter(found.submodule_search_locations))) / "data" / "lfw_subset.npy"
    small = np.load(path, allow_pickle=False)[:COUNT]
    mean = np.array([122.782, 117.001, 104.298], np.float32)[:, None, None]
    large = [
        np.asarray(Image.fromarray((255 * face).astype(np.uint8)).resize((150, 150), 3), np.float32) for face in small
    ]
    return [((np.stack([face] * 3) - mean) / 256).astype(np.float32) for face in large]


def tokens(folder: Path) -> NDArray[np.float32]:
    """Return hidden states, which stand for nothing: float32 ``[48, 768]``."""
    return np.random.default_rng(0).standard_normal((COUNT, 768), np.float32)
