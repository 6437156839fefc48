"""Frames that come one by one: calibrate on the first ones, then answer the rest: python stream.py"""

import time
from collections.abc import Iterator

import digits
import numpy as np

import zeroskip as zs


def camera(start: int, count: int) -> Iterator[np.ndarray]:
    """Yield frames, float32 ``[3, 24, 24]``; put your own source here."""
    yield from digits.test_data().array()[start : start + count]


# A generator is read once and kept; there are no labels, so the budget is on agreement with the model as it is.
data = zs.data.from_iterable(camera(0, 300), description="the first frames")
result = zs.calibrate(digits.MODEL, data, max_drop=0.01)
print(result.message)

session = zs.InferenceSession(result.apply(digits.MODEL).model)
name = session.get_inputs()[0].name
answers, times = [], []
for frame in camera(300, 599):
    started = time.perf_counter()
    (logits,) = session.run(None, {name: frame[None]})
    times.append(1000 * (time.perf_counter() - started))
    answers.append(int(logits.argmax()))
print("last answers:", *answers[-12:])
print(f"{len(times)} frames: {np.median(times):.2f} ms each, 99 % within {np.percentile(times, 99):.2f} ms")
