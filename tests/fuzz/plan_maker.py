"""Makes random plans that the native core accepts: a few steps of any operators on small tensors."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from .plan_choices import ChoiceSteps

Shape = tuple[int, ...]

_KINDS = ("fatrelu", "clip", "sigmoid", "tanh", "hardswish", "hardsigmoid")
_COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
_ROUNDINGS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
_MAX_ELEMENTS = 1 << 14


class PlanMaker(ChoiceSteps):
    """Builds one plan; ``rng`` decides.

    Args:
        rng: Source of every decision.
    """

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self._maps: list[int] = []  # nhwc tensors
        self._rows: list[int] = []

    def make(self) -> None:
        """Add tensors and steps, then return every tensor through graph outputs."""
        for _ in range(self._rng.randint(1, 2)):
            self._start()
        for _ in range(self._rng.choice((1, 1, 2, 3, 5))):
            self._add_step()
        for index in self._maps:
            self.step("to_row", [index], [self.graph_output(self._shape(index))])
        for index in self._rows:
            self.step("copy", [index], [self.graph_output(self._shape(index))])

    def _start(self) -> None:
        if self._rng.random() < 0.7:
            shape = (self._rng.randint(1, 2), self._channels(), self._extent(), self._extent())
            self._maps.append(self.load(shape, self._flip(), self._rng.choice((0, 0, 16))))
        else:
            self._rows.append(self.graph_input(self._row_shape()))

    def _add_step(self) -> None:
        on_maps = (
            self._conv, self._conv, self._conv, self._depthwise, self._window, self._pointwise,
            self._pointwise, self._pad,
            self._slice, self._resize, self._move, self._reduce,
        )  # fmt: skip
        on_rows = (
            self._row_conv, self._linear, self._row_pointwise, self._row_shape_change, self._softmax, self._recurrence,
            self._arg_extreme, self._top_k, self._gather_elements, self._select,
        )  # fmt: skip
        if self._maps and (not self._rows or self._flip(0.75)):
            self._rng.choice(on_maps)(self._rng.choice(self._maps))
        elif self._rows:
            self._rng.choice(on_rows)(self._rng.choice(self._rows))

    # ------------------------------------------------------------- decisions

    def _flip(self, chance: float = 0.5) -> bool:
        return self._rng.random() < chance

    def _channels(self) -> int:
        return self._rng.choice((1, 2, 3, 8, 15, 16, 17, 20, 32, 40, 64, 70))

    def _extent(self) -> int:
        return self._rng.choice((1, 2, 3, 4, 5, 7, 9))

    def _row_shape(self) -> Shape:
        shape = [self._rng.choice((1, 2, 3, 5, 16, 17)) for _ in range(self._rng.randint(1, 4))]
        return tuple(shape)

    def _shape(self, index: int) -> Shape:
        return tuple(self.tensors[index]["shape"])

    def _floats(self, *shape: int) -> np.ndarray:
        random_state = np.random.default_rng(self._rng.getrandbits(32))
        return random_state.standard_normal(shape, dtype=np.float32)

    def _new_map(self, shape: Shape) -> int:
        index = self.nhwc(shape, self._flip(), self._rng.choice((0, 0, 0, 16)))
        self._maps.append(index)
        return index

    def _new_row(self, shape: Shape) -> int:
        self._rows.append(self.row(shape))
        return self._rows[-1]

    def _epilogue(self, channels: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        if self._flip():
            return {}, {}
        attributes = {"activation": "fatrelu", "max_value": self._rng.choice((6.0, float("inf")))}
        return attributes, {"thresholds": np.abs(self._floats(channels)) * np.float32(0.3)}

    # ------------------------------------------------------------- feature maps

    def _window_attributes(self, height: int, width: int) -> tuple[dict[str, Any], int, int] | None:
        """Return the attributes of a window and the size of what it makes, now and then of absurd size."""
        extreme = self._flip(0.01)
        kernel = [self._rng.choice((1, 1, 2, 3, 3, 3, 5)) for _ in range(2)]
        strides = [self._rng.choice((1, 1, 1, 2, 3)) for _ in range(2)]
        dilations = [self._rng.choice((1, 1, 1, 2)) for _ in range(2)]
        pads = [self._rng.choice((0, 1, 1, 2)) for _ in range(4)]
        if extreme:
            large = self._rng.choice((1 << 10, 1 << 20))
            kernel, pads = [large, large], [large - 1] * 4
            strides = [self._rng.choice((1, large)), large]
        sizes = []
        for axis, extent in enumerate((height, width)):
            room = extent + pads[axis] + pads[axis + 2] - ((kernel[axis] - 1) * dilations[axis] + 1)
            if room < 0:
                return None
            sizes.append(room // strides[axis] + 1)
        if sizes[0] * sizes[1] > 4096:
            return None
        attributes = {"kernel": kernel, "strides": strides, "pads": pads, "dilations": dilations}
        return attributes, sizes[0], sizes[1]

    def _conv(self, source: int, row_layout: str | None = None) -> None:
        shape = self._shape(source)
        n, c, h, w = (shape[0], shape[3], shape[1], shape[2]) if row_layout == "nhwc" else shape
        window = self._window_attributes(h, w)
        outputs = self._channels()
        groups = self._rng.choice([g for g in (1, 1, 1, 2, 4, c) if c % g == 0 and outputs % g == 0])
        if window is None or (row_layout and groups > 1) or np.prod(window[0]["kernel"]) > 100:
            return
        attributes, height, width = window
        more, arrays = self._epilogue(outputs)
        attributes |= more | {"groups": groups}
        if row_layout is not None:
            attributes |= {"input_layout": row_layout, "dilations": [attributes["dilations"][0], 1]}
            room = w + attributes["pads"][1] + attributes["pads"][3] - attributes["kernel"][1]
            width = room // attributes["strides"][1] + 1
        elif self.tensors[source]["masked"] and self._flip():
            attributes["algorithm"] = self._rng.choice(("auto", "sparse", "dense"))
        if self._flip():
            attributes["winograd"] = "auto"
        arrays["weight"] = self._floats(outputs, c // groups, *attributes["kernel"])
        if self._flip():
            arrays["bias"] = self._floats(outputs)
        result = (n, outputs, height, width)
        residuals = [index for index in self._maps if self._shape(index) == result]
        inputs = [source, self._rng.choice(residuals)] if residuals and self._flip() else [source]
        is_pointwise = {*attributes["kernel"], *attributes["strides"]} == {1} and not any(attributes["pads"])
        if len(inputs) == 1 and not is_pointwise and self._flip(0.2):
            arrays["residual"] = self._floats(*result[1:])
        self.step("conv", inputs, [self._new_map(result)], arrays, **attributes)

    def _depthwise(self, source: int) -> None:
        n, c, h, w = self._shape(source)
        window = self._window_attributes(h, w)
        if window is None or np.prod(window[0]["kernel"]) > 100:
            return
        attributes, arrays = self._epilogue(c)
        arrays["weight"] = self._floats(c, 1, *window[0]["kernel"])
        if self._flip():
            arrays["bias"] = self._floats(c)
        result = self._new_map((n, c, window[1], window[2]))
        self.step("depthwise", [source], [result], arrays, **window[0], **attributes)

    def _window(self, source: int) -> None:
        n, c, h, w = self._shape(source)
        window = self._window_attributes(h, w)
        if self._flip(0.2):
            self.step(self._rng.choice(("global_avg_pool", "global_max_pool")), [source], [self._new_map((n, c, 1, 1))])
        elif window is not None and _has_taps_inside(window[0], (h, w), window[1:]):
            attributes = {**window[0], "count_include_pad": int(self._flip())}
            op = self._rng.choice(("max_pool", "avg_pool"))
            self.step(op, [source], [self._new_map((n, c, window[1], window[2]))], **attributes)

    def _pointwise(self, source: int) -> None:
        shape = self._shape(source)
        op = self._rng.choice(("activation", "add", "mul", "affine", "lrn"))
        attributes, arrays, inputs = self._pointwise_parts(op, shape[1])
        inputs = [source]
        if op in ("add", "mul"):
            gate = (shape[0], shape[1], 1, 1)
            fits = [i for i in self._maps if self._shape(i) == shape or (op == "mul" and self._shape(i) == gate)]
            inputs.append(self._rng.choice(fits))
        if self._flip(0.3) and op != "lrn" and self._shape(inputs[-1]) == shape:
            into = self.tensor(**{**self.tensors[source], "masked": False, "mask_offset": -1})  # in place
            self._maps = [index for index in self._maps if index != source] + [into]
        else:
            into = self._new_map(shape)
        self.step(op, inputs, [into], arrays, **attributes)

    def _pointwise_parts(self, op: str, channels: int) -> tuple[dict[str, Any], dict[str, np.ndarray], list[int]]:
        attributes: dict[str, Any] = {}
        arrays: dict[str, np.ndarray] = {}
        if op in ("add", "affine"):
            attributes, arrays = self._epilogue(channels)
        if op == "affine":
            arrays |= {"scale": self._floats(channels), "bias": self._floats(channels)}
        if op == "activation":
            attributes["kind"] = self._rng.choice(_KINDS)
            if attributes["kind"] == "fatrelu":
                arrays["thresholds"] = np.abs(self._floats(channels))
        if op == "lrn":
            attributes |= {"size": self._rng.choice((1, 3, 5, 4096)), "beta": self._rng.choice((0.75, 0.5))}
        return attributes, arrays, []

    def _pad(self, source: int) -> None:
        shape = self._shape(source)
        pads = [self._rng.choice((0, 0, 1, 2)) for _ in range(8)]
        mode = self._rng.choice(("constant", "constant", "edge", "reflect"))
        if mode != "constant":
            pads[1] = pads[5] = 0
        if mode == "reflect" and any(max(pads[axis], pads[axis + 4]) >= shape[axis] for axis in range(4)):
            return
        result = tuple(shape[axis] + pads[axis] + pads[axis + 4] for axis in range(4))
        self.step("pad", [source], [self._new_map(result)], pads=pads, mode=mode, value=self._rng.choice((0.0, 1.5)))

    def _bounds(self, shape: Shape, steps_of_one: tuple[int, ...]) -> tuple[dict[str, Any], Shape]:
        starts, ends, steps, result = [], [], [], []
        for axis, extent in enumerate(shape):
            step = 1 if axis in steps_of_one else self._rng.choice([s for s in (1, 1, 2, -1) if abs(s) <= extent])
            start = self._rng.randrange(extent)
            end = self._rng.randint(start + 1, extent) if step > 0 else self._rng.randint(-1, start - 1)
            starts.append(start), ends.append(end), steps.append(step)
            result.append(len(range(start, end, step)))
        return {"starts": starts, "ends": ends, "steps": steps}, tuple(result)

    def _slice(self, source: int) -> None:
        bounds, result = self._bounds(self._shape(source), (1,))
        self.step("slice", [source], [self._new_map(result)], **bounds)

    def _resize(self, source: int) -> None:
        n, c, h, w = self._shape(source)
        size = (self._rng.randint(1, 2 * h), self._rng.randint(1, 2 * w))
        attributes: dict[str, Any] = {
            "mode": self._rng.choice(("nearest", "linear")),
            "coordinate_transformation_mode": self._rng.choice(_COORDINATES),
            "nearest_mode": self._rng.choice(_ROUNDINGS),
        }
        if self._flip():
            attributes["scales"] = [self._rng.choice((0.5, 1.0, 1.7)) for _ in range(2)]
        self.step("resize", [source], [self._new_map((n, c, *size))], **attributes)

    def _move(self, source: int) -> None:
        n, c, h, w = self._shape(source)
        kind = self._rng.choice(("copy", "concat", "to_row", "slices"))
        if kind == "copy":
            self.step("copy", [source], [self._new_map((n, c, h, w))])
        elif kind == "to_row":
            shape, layout = ((n, h, w, c), "nhwc") if self._flip() else ((n, c, h, w), "nchw")
            self.step("to_row", [source], [self._new_row(shape)], output_layout=layout)
        elif kind == "concat":
            others = [i for i in self._maps if self._shape(i)[:1] + self._shape(i)[2:] == (n, h, w)]
            inputs = [source, *self._rng.choices(others, k=self._rng.randint(0, 2))]
            channels = sum(self._shape(index)[1] for index in inputs)
            self.step("concat", inputs, [self._new_map((n, channels, h, w))], axis=1)
        else:
            self._concat_in_place(source)

    def _concat_in_place(self, source: int) -> None:
        """Two producers write the two halves of one buffer, as the planner lays out concatenations."""
        n, c, h, w = self._shape(source)
        whole = self.nhwc((n, 2 * c, h, w), self._flip())
        if c % 16:
            return
        fields = self.tensors[whole]
        for half in range(2):
            part = {"shape": (n, c, h, w), "offset": fields["offset"] + 4 * c * half}
            if fields["masked"]:
                part["mask_offset"] = fields["mask_offset"] + 2 * (c // 16) * half
            if part["offset"] % 64 == 0:
                self.step("copy", [source], [self.tensor(**{**fields, **part, "name": f"half{half}"})])
        self._maps.append(whole)

    def _reduce(self, source: int) -> None:
        n, c, h, w = self._shape(source)
        if h == w == 1:
            self._linear(source)
            return
        row = self._new_row((n, c, h, w))
        self.step("to_row", [source], [row])
        axes = sorted(self._rng.sample(range(4), self._rng.randint(0, 4)))
        kept = tuple(1 if axis in axes else extent for axis, extent in enumerate((n, c, h, w)))
        kind = self._rng.choice(("mean", "sum", "l2", "max", "min", "prod"))
        self.step("reduce", [row], [self._new_row(kept)], kind=kind, axes=axes)

    # ------------------------------------------------------------- rows

    def _row_conv(self, source: int) -> None:
        if len(self._shape(source)) == 4:
            self._conv(source, self._rng.choice(("nchw", "nhwc")))

    def _linear(self, source: int) -> None:
        shape = self._shape(source)
        inputs = shape[1] if self.tensors[source]["layout"] == "nhwc" else shape[-1]
        leading = shape[:1] if self.tensors[source]["layout"] == "nhwc" else shape[:-1]
        outputs = self._channels()
        attributes, arrays = self._epilogue(outputs)
        arrays["weight"] = self._floats(outputs, inputs)
        if self._flip():
            arrays["bias"] = self._floats(outputs)
        self.step("linear", [source], [self._new_row((*leading, outputs))], arrays, **attributes)

    def _row_pointwise(self, source: int) -> None:
        shape = self._shape(source)
        op = self._rng.choice(("activation", "add", "mul", "affine"))
        axis = self._rng.randrange(len(shape))
        attributes, arrays, _ = self._pointwise_parts(op, shape[axis])
        inputs = [source]
        if op in ("add", "mul"):
            inputs.append(self._rng.choice([index for index in self._rows if self._shape(index) == shape]))
        self.step(op, inputs, [self._new_row(shape)], arrays, **attributes, axis=axis)

    def _row_shape_change(self, source: int) -> None:
        shape = self._shape(source)
        kind = self._rng.choice(("transpose", "pad", "slice", "concat", "copy", "to_nhwc"))
        if kind == "transpose":
            perm = self._rng.sample(range(len(shape)), len(shape))
            self.step("transpose", [source], [self._new_row(tuple(shape[axis] for axis in perm))], perm=perm)
        elif kind == "pad":
            pads = [self._rng.choice((0, 1, 3)) for _ in range(2 * len(shape))]
            result = tuple(pads[a] + extent + pads[a + len(shape)] for a, extent in enumerate(shape))
            if np.prod(result) < _MAX_ELEMENTS:
                self.step("pad", [source], [self._new_row(result)], pads=pads, value=2.0)
        elif kind == "slice":
            bounds, result = self._bounds(shape, ())
            self.step("slice", [source], [self._new_row(result)], **bounds)
        elif kind == "concat":
            axis = self._rng.randrange(len(shape))
            result = tuple(2 * extent if a == axis else extent for a, extent in enumerate(shape))
            self.step("concat", [source, source], [self._new_row(result)], axis=axis)
        elif kind == "copy":
            self.step("copy", [source], [self._new_row((int(np.prod(shape)),))])
        else:
            n, c, h, w = (1, 1, 1, 1, *shape)[-4:] if self._flip() else (*shape, 1, 1, 1)[:4]
            self.step(
                "to_nhwc", [source], [self._new_map((n, c, h, w))], input_layout=self._rng.choice(("nchw", "nhwc"))
            )

    def _recurrence(self, source: int) -> None:
        shape = self._shape(source)
        if len(shape) != 3:
            return
        kind, gates = self._rng.choice(
            (("lstm", 4), ("gru", 3), ("gru_reset_after", 3), ("rnn_tanh", 1), ("rnn_relu", 1))
        )
        direction = self._rng.choice(("forward", "reverse", "bidirectional"))
        directions, units = 2 if direction == "bidirectional" else 1, self._rng.choice((1, 2, 15, 17))
        steps, rows, _ = shape
        columns, state, count = directions * gates * units, (directions, rows, units), 2 if kind == "lstm" else 1
        products = self._new_row((steps, rows, columns))
        self.step("linear", [source], [products], {"weight": self._floats(columns, shape[2])})
        given = [self.graph_input(state) for _ in range(count)] if self._flip() else []
        arrays = {"weight": self._floats(directions, gates * units, units)}
        if kind == "gru_reset_after" and self._flip():
            arrays["bias"] = self._floats(directions, units)
        outputs = [self._new_row((steps, *state)), *(self._new_row(state) for _ in range(count))]
        self.step("recurrence", [products, *given], outputs, arrays, kind=kind, direction=direction)

    def _softmax(self, source: int) -> None:
        shape = self._shape(source)
        self.step("softmax", [source], [self._new_row(shape)], axis=self._rng.randrange(-len(shape), len(shape)))


def _has_taps_inside(attributes: dict[str, Any], extents: Shape, sizes: Shape) -> bool:
    """Whether no window lies wholly in the padding, which pools do not take."""
    for axis in range(2):
        kernel, stride, dilation = (attributes[name][axis] for name in ("kernel", "strides", "dilations"))
        for position in range(sizes[axis]):
            start = position * stride - attributes["pads"][axis]
            skipped = max(0, -(start // dilation))
            if skipped >= kernel or start + skipped * dilation >= extents[axis]:
                return False
    return True
