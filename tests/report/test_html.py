"""The page as text: one file, nothing from elsewhere, names as text, everything the results hold."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from report.values import HOSTILE, calibration, maps, page, profile, summary
from zeroskip.analysis import FixedTime, Histogram, PrecisionTimes, SparsityProfile
from zeroskip.report import html
from zeroskip.thresholds import ThresholdSet


class Elements(HTMLParser):
    """Collects elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def test_nothing_comes_from_elsewhere(text: str) -> None:
    elements = Elements(text)
    sources = [attrs[name] for _, attrs in elements.found for name in ("src", "href") if name in attrs]
    assert all(source.startswith(("data:", "#")) for source in sources if source)
    assert not re.findall(r"url\((?!data:|#)", text)
    assert [tag for tag, _ in elements.found].count("script") == 1


def test_only_the_script_of_the_page_may_run(text: str) -> None:
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_names_that_hold_markup_stay_text(text: str) -> None:
    elements = Elements(text)
    assert not [attrs for _, attrs in elements.found if any(name.startswith("on") for name in attrs)]
    assert elements.text.count("<script>window.hurt=1</script>") >= 3
    assert "&amp;$x^2$" in elements.text


def test_every_layer_has_its_facts(text: str) -> None:
    body = text.split('<table id="layer-table"')[1].split("</tbody>")[0]
    rows = body.split("<tbody>")[1].split("<tr")[1:]
    assert len(rows) == len(profile().layers)
    last = Elements("<tr" + rows[-1]).text.split()
    assert last[:6] == ["head", "6.0", "50.0%", "50.0%", "3.0", "2.000"]
    assert "f32" in last
    assert "auto: sparse" in " ".join(last)
    assert "because of head" in " ".join(last)


def test_every_engine_has_an_interval(text: str) -> None:
    for name, interval in (("ONNX Runtime", "19.4 ms to 20.6 ms"), ("OpenVINO", "17.5 ms to 18.5 ms")):
        row = next(part for part in text.split("<tr>") if f"<td>{name}</td>" in part)
        assert interval in row


def test_identifiers_are_unique(text: str) -> None:
    named = [attrs["id"] for tag, attrs in Elements(text).found if "id" in attrs and tag not in ("path", "clippath")]
    assert sorted(named) == sorted(set(named))


def test_without_matplotlib_the_page_says_how_to_get_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "can_draw", lambda: False)
    text = page()
    assert "<svg" not in text
    assert "zeroskip[report]" in text
    assert "threshold 0.5" in text


def test_parts_that_are_not_there_leave_no_hole() -> None:
    bare = profile().model_copy(update={"activations": (), "layers": ()})
    text = page(
        maps=None, maps_after=None, profile=bare, profile_after=bare, calibration=calibration(),
        summary=summary(None, 15.0, 10.0),
    )  # fmt: skip
    for heading in ("Zero maps", "Values and thresholds", "Where thresholds were put"):
        assert heading not in text
    assert HOSTILE not in text


def test_two_hundred_layers_fit_into_three_megabytes() -> None:
    count, random = 24, np.random.default_rng(0)
    names = [f"features.denseblock{number // 50}.denselayer{number}.relu{number % 2}" for number in range(count)]

    def noise(height: int, width: int) -> str:  # packs worse than any real map
        stream = io.BytesIO()
        Image.fromarray((17 * random.integers(0, 16, (height, width))).astype(np.uint8)).save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode()

    def deep(values: SparsityProfile) -> SparsityProfile:
        layers = tuple(
            values.layers[1].model_copy(update={"name": name, "label": name, "note": "inputs are dense"})
            for name in names
        )
        counts = tuple(int(value) for value in random.integers(1, 10**6, 48))
        histogram = Histogram(upper=2.0, counts=counts)
        activations = tuple(
            values.activations[0].model_copy(update={"name": name, "histogram": histogram}) for name in names
        )
        return values.model_copy(update={"layers": layers, "activations": activations})

    tiles = [noise(28, 28) for _ in range(3)]
    of_all = tuple(
        maps(0.4)
        .layers[0]
        .model_copy(update={"activation": name, "label": name, "pixels": tuple(tiles), "channel_strip": noise(1, 512)})
        for name in names
    )
    pictures = {"names": ("a", "b", "c"), "pictures": tuple(noise(100, 100) for _ in range(3)), "layers": of_all}
    zero_maps = maps(0.4).model_copy(update=pictures)
    found = calibration(thresholds=ThresholdSet(dict.fromkeys(names, 0.5)))
    text = page(
        profile=deep(profile()),
        profile_after=deep(profile(0.7)),
        maps=zero_maps,
        maps_after=zero_maps,
        calibration=found,
    )
    assert text.count("denselayer20") >= 3
    assert len(text) < 100_000 + 14_500 * count


def test_other_precisions_have_their_times_layer_by_layer() -> None:
    before = profile()
    layers = {layer.name: (1.5, 1.25, 1.0, 0.75)[: 1 + len(before.gains)] for layer in before.layers}
    times = (1.5, *(1.5 / (1 + gain) for gain in before.gains))
    fixed = (FixedTime(reason="conversion", steps=2, share=0.25),)
    int8 = PrecisionTimes(
        precision="int8",
        latency_ms=times[0],
        predicted_latency_ms=times[1:],
        layers=layers,
        is_predicted=True,
        fixed=fixed,
    )
    shown = " ".join(Elements(page(profile=before.model_copy(update={"precisions": (int8,)}))).text.split())
    assert "In int8 Predicted by the cost model" in shown
    assert "its accuracy is not judged here" in shown
    assert "25% of its time can never skip: conversion 25%" in shown
    assert shown.count("1.500") >= len(before.layers)
    assert "In int8" not in Elements(page()).text
