"""Recurrence by PyTorch, step by step: LSTM, GRU and RNN behind the product with their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

State: TypeAlias = tuple[Tensor, Tensor | None]
Cell: TypeAlias = Callable[[Tensor, State, Tensor, Tensor | None], State]


def recurrence(
    attributes: Mapping[str, Any],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    initial_h: Tensor | None = None,
    initial_c: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Return all states ``[steps, directions, rows, units]`` and the last ones; operands as in the graph."""
    steps, rows, _ = x.shape
    directions, columns, units = weight.shape
    kind, direction = _text(attributes["kind"]), _text(attributes.get("direction", "forward"))
    cell = _CELLS[kind]
    products = x.reshape(steps, rows, directions, columns)
    states, last_h, last_c = [], [], []
    for index in range(directions):
        zeros = x.new_zeros(rows, units)
        c = None if kind != "lstm" else zeros if initial_c is None else initial_c[index]
        state: State = (zeros if initial_h is None else initial_h[index], c)
        order = (
            range(steps)
            if direction == "forward" or (direction == "bidirectional" and index == 0)
            else range(steps)[::-1]
        )
        by_step: list[Tensor] = [zeros] * steps
        for step in order:
            state = cell(products[step, :, index], state, weight[index], None if bias is None else bias[index])
            by_step[step] = state[0]
        states.append(torch.stack(by_step))
        last_h.append(state[0])
        last_c.append(state[1])
    results = [torch.stack(states, 1), torch.stack(last_h)]
    if kind == "lstm":
        results.append(torch.stack([c for c in last_c if c is not None]))
    return tuple(results)


def _lstm(x: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    before, cell = state
    assert cell is not None
    entry, output, forget, proposed = (x + before @ weight.T).chunk(4, 1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * torch.tanh(proposed)
    return torch.sigmoid(output) * torch.tanh(cell), cell


def _gru(x: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    before = state[0]
    units = before.shape[1]
    update, reset = torch.sigmoid(x[:, : 2 * units] + before @ weight[: 2 * units].T).chunk(2, 1)
    hidden = torch.tanh(x[:, 2 * units :] + (reset * before) @ weight[2 * units :].T)
    return update * before + (1 - update) * hidden, None


def _gru_reset_after(x: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    before = state[0]
    of_state = (before @ weight.T).chunk(3, 1)
    of_input = x.chunk(3, 1)
    update, reset = (torch.sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2], strict=True))
    kept = of_state[2] if bias is None else of_state[2] + bias
    hidden = torch.tanh(of_input[2] + reset * kept)
    return update * before + (1 - update) * hidden, None


def _rnn(function: Callable[[Tensor], Tensor]) -> Cell:
    return lambda x, state, weight, bias: (function(x + state[0] @ weight.T), None)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


_CELLS: dict[str, Cell] = {
    "gru": _gru,
    "gru_reset_after": _gru_reset_after,
    "lstm": _lstm,
    "rnn_relu": _rnn(torch.relu),
    "rnn_tanh": _rnn(torch.tanh),
}
