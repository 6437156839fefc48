"""The native operator ``recurrence`` in numpy, one step and one direction at a time."""

from __future__ import annotations

import numpy as np

from zeroskip.engine.plan.types import Plan, Step


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))


def recurrence(
    plan: Plan, step: Step, operands: list[np.ndarray], constants: dict[str, np.ndarray]
) -> tuple[np.ndarray, ...]:
    return recur(step.attributes["kind"], step.attributes["direction"], operands, constants)


def recur(
    kind: str, direction: str, operands: list[np.ndarray], constants: dict[str, np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Return all states, then the last ones, of an LSTM also of the cells.

    Args:
        kind: Of the layer, ``"lstm"`` and so on.
        direction: ``"forward"``, ``"reverse"`` or ``"bidirectional"``.
        operands: Products ``[steps, rows, directions * gates * units]`` and, or not, the first states.
        constants: ``weight`` and, of some, ``bias``.
    """
    weight = constants["weight"].astype(np.float64)
    directions, columns, units = weight.shape
    steps, rows, _ = operands[0].shape
    x = operands[0].astype(np.float64).reshape(steps, rows, directions, columns)
    zeros = [np.zeros((directions, rows, units))] * 2
    h, c = (state.astype(np.float64).copy() for state in (operands[1:] + zeros)[:2])
    y = np.zeros((steps, directions, rows, units))
    for index in range(directions):
        backwards = direction == "reverse" or index == 1
        bias = constants["bias"][index] if "bias" in constants else 0.0
        for time in range(steps)[::-1] if backwards else range(steps):
            h[index], c[index] = _advance(kind, x[time, :, index], h[index], c[index], weight[index], bias)
            y[time, index] = h[index]
    return (y, h, c) if kind == "lstm" else (y, h)


def _advance(
    kind: str, x: np.ndarray, h: np.ndarray, c: np.ndarray, weight: np.ndarray, bias: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    if kind.startswith("rnn"):
        total = x + h @ weight.T
        return (np.maximum(total, 0) if kind == "rnn_relu" else np.tanh(total)), c
    of_input, of_state = (
        np.split(x, 4 if kind == "lstm" else 3, 1),
        np.split(h @ weight.T, 4 if kind == "lstm" else 3, 1),
    )
    if kind == "lstm":
        entry, output, forget, proposed = (a + b for a, b in zip(of_input, of_state, strict=True))
        cell = sigmoid(forget) * c + sigmoid(entry) * np.tanh(proposed)
        return sigmoid(output) * np.tanh(cell), cell
    update, reset = (sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2], strict=True))
    of_hidden = reset * (of_state[2] + bias) if kind == "gru_reset_after" else (reset * h) @ weight[2 * h.shape[1] :].T
    return update * h + (1 - update) * np.tanh(of_input[2] + of_hidden), c
