"""Counting multiply-adds."""

from __future__ import annotations

from pathlib import Path

from zeroskip.bench.macs import count_macs


def test_small_network_by_hand(small_network: bytes) -> None:
    by_hand = 16 * 16 * 16 * 27 + 8 * 8 * 32 * 16 + 5 * 32
    assert count_macs(small_network, {"image": (1, 3, 16, 16)}) == by_hand
    assert count_macs(small_network, {"image": (7, 3, 16, 16)}) == 7 * by_hand


def test_real_networks(squeezenet: Path, open_nsfw: Path) -> None:
    # 1.73 GFLOP for SqueezeNet v1.0 at 227 is the figure of other counting tools.
    assert count_macs(squeezenet.read_bytes(), {"input": (1, 3, 227, 227)}) in range(860_000_000, 872_000_000)
    assert (count_macs(open_nsfw.read_bytes(), {"input:0": (1, 224, 224, 3)}) or 0) > 1_000_000_000
