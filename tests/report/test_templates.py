"""The page of the templates in a real browser: Chromium without a window, by its own driver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from report.values import HOSTILE, page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with chromedriver here (Debian: chromium and chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(), "utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser: Any, url: str) -> Any:
    _resize(browser, 1200)
    browser.get(url)
    return browser


def _resize(browser: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def _names(browser: Any) -> list[str]:
    rows = browser.find_elements(By.CSS_SELECTOR, "#layer-table tbody tr")
    return [row.find_element(By.TAG_NAME, "th").text for row in rows if row.is_displayed()]


def _head(browser: Any, title: str) -> Any:
    heads = browser.find_elements(By.CSS_SELECTOR, "#layer-table th button")
    return next(head for head in heads if head.text.split("\n")[0].strip() == title)


def test_it_renders_without_complaint(opened: Any) -> None:
    assert opened.get_log("browser") == []
    figures = opened.find_elements(By.CSS_SELECTOR, "figure svg")
    assert all(figure.size["width"] > 100 and figure.size["height"] > 50 for figure in figures)
    broken = "return [...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert opened.execute_script(broken) == 0


def test_names_with_markup_do_nothing(opened: Any) -> None:
    assert opened.execute_script("return window.hurt === undefined")
    shown = opened.find_element(By.CSS_SELECTOR, "#layer-table tbody tr:nth-child(2) th").text
    assert shown.startswith(HOSTILE[:20])


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    _resize(opened, width)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width


def test_tables_sort_by_number_and_by_name(opened: Any) -> None:
    _head(opened, "MMACs").click()
    assert _names(opened)[0] == "head"
    _head(opened, "MMACs").click()
    assert _names(opened)[0] == "stem"
    _head(opened, "layer").click()
    names = _names(opened)
    assert names.index("conv9") < names.index("conv10")
    _head(opened, "dense ms").click()
    assert _names(opened)[-1] == "stem", "what has no value comes last"
    sorts = opened.find_elements(By.CSS_SELECTOR, "#layer-table th[aria-sort=descending]")
    assert len(sorts) == 1


def test_sorting_works_from_the_keyboard(opened: Any) -> None:
    head = _head(opened, "MMACs")
    opened.execute_script("arguments[0].focus()", head)
    head.send_keys(Keys.ENTER)
    assert _names(opened)[0] == "head"


def test_layers_are_filtered(opened: Any) -> None:
    tools = opened.find_element(By.ID, "layer-tools")
    tools.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("CONV1")
    assert _names(opened) == ["conv10"]
    assert tools.find_element(By.TAG_NAME, "output").text == "1 of 6 layers"
    tools.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys(Keys.BACKSPACE * 5)
    tools.find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
    assert "stem" not in _names(opened)


def test_zero_maps_switch_between_before_and_after(opened: Any) -> None:
    after = opened.find_elements(By.CSS_SELECTOR, "img.after")
    before = opened.find_elements(By.CSS_SELECTOR, "img.before")
    assert [image.is_displayed() for image in (after[0], before[0])] == [True, False]
    opened.find_element(By.CSS_SELECTOR, "#map-choice input[value=before]").click()
    assert [image.is_displayed() for image in (after[0], before[0])] == [False, True]


def test_everything_is_named_for_a_screen_reader(opened: Any) -> None:
    tree = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    kinds = ("image", "button", "searchbox", "checkbox", "radio", "link", "heading")
    named = [(node["role"]["value"], node.get("name", {}).get("value")) for node in tree if not node["ignored"]]
    assert {kind for kind, _ in named} >= set(kinds)
    assert not [kind for kind, name in named if kind in kinds and not name]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(opened: Any, scheme: str) -> None:
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    colours = "const style = getComputedStyle(document.querySelector(arguments[0])); return [style.color, style.fill]"
    ground = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    for selector, place in (("h1", 0), (".soft", 0), (".warn", 0), ("figure svg text", 1)):
        colour = opened.execute_script(colours, selector)[place]
        assert _contrast(colour, ground) >= 4.5, f"{selector} in {scheme}"


def test_it_prints_on_a_few_pages(opened: Any) -> None:
    printed = opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    assert 10_000 < len(printed) < 2_000_000


def _contrast(first: str, second: str) -> float:
    """Return the ratio of luminances as WCAG 2 defines it."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
