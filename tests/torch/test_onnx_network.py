"""The network of an ONNX file for training: batch normalisation comes and goes without changing what it computes."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import onnx.parser
import pytest

torch = pytest.importorskip("torch")

import zeroskip as zs  # noqa: E402
from tiny_network import tiny_data, tiny_network  # noqa: E402
from zeroskip.torch import OnnxNetwork, Recipe, finetune, from_onnx  # noqa: E402


def kinds_of_convolution() -> bytes:
    """Full, depthwise, grouped, one without bias, one weight used twice, one on a single pixel, one dead channel."""
    text = """
      g (float[N, 3, 8, 8] x) => (float[N, 8, 8, 8] y)
      {
        a = Conv <pads = [1,1,1,1]> (x, w1, b1)
        b = Relu (a)
        c = Conv <pads = [1,1,1,1], group = 8> (b, w2, b2)
        d = Relu (c)
        e = Conv <group = 2> (d, w3)
        f = Relu (e)
        h = Conv (f, w4)
        i = Relu (h)
        j = Conv (i, w4)
        p = GlobalAveragePool (j)
        q = Conv (p, w5)
        s = Sigmoid (q)
        y = Mul (j, s)
      }
    """
    graph = onnx.parser.parse_graph(text)
    random = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "b1": (8,), "w2": (8, 1, 3, 3), "b2": (8,), "w3": (8, 4, 1, 1), "w4": (8, 8, 1, 1),
              "w5": (8, 8, 1, 1)}  # fmt: skip
    for name, shape in shapes.items():
        array = random.standard_normal(shape).astype(np.float32)
        if name == "w1":
            array[2] = 0.0
        graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def images(count: int = 32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).standard_normal((count, 3, 8, 8), np.float32))


def answers(network: OnnxNetwork, x: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(network.eval()(x).numpy())


def exported(network: OnnxNetwork, x: torch.Tensor) -> np.ndarray:
    session = zs.InferenceSession(network.to_onnx().to_bytes())
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def relative(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


def test_nothing_that_the_network_computes_changes() -> None:
    network, x = from_onnx(kinds_of_convolution()), images()
    before = answers(network, x)
    network.add_batch_norm(x.split(8))
    assert len(network.norms) == 3, "neither the shared weight nor the single pixel has one"
    assert relative(answers(network, x), before) < 1e-4
    assert relative(exported(network, x), before) < 1e-4


def test_what_is_trained_is_what_is_written() -> None:
    network, x = from_onnx(kinds_of_convolution()), images()
    network.add_batch_norm([x])
    before = answers(network, x)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        network.train()(x).square().mean().backward()
        optimizer.step()
    after = answers(network, x)
    assert relative(after, before) > 1e-2
    assert relative(exported(network, x), after) < 1e-4
    network.add_batch_norm([x])
    assert relative(answers(network, x), after) < 1e-4, "adding it again folds what was there"


def test_it_trains_at_the_rates_of_networks_that_have_it() -> None:
    data = tiny_data(64)
    x = torch.from_numpy(data.array())
    network = from_onnx(tiny_network(gain=30.0))
    dense = answers(network, x)
    loader = torch.utils.data.DataLoader(x, batch_size=16)
    network.add_batch_norm([x])
    recipe = Recipe(epochs=3, learning_rate=0.02, distillation=1.0, regularizer=None, keep="last")
    result = finetune(network, (loader, loader), recipe)
    assert result.is_complete
    assert (exported(network, x).argmax(axis=1) == dense.argmax(axis=1)).mean() > 0.5


def test_copies_have_one_of_their_own_and_given_weights_replace_it() -> None:
    network, x = from_onnx(kinds_of_convolution()), images()
    before, weights = answers(network, x), network.layer_weights()
    network.add_batch_norm([x])
    twin = copy.deepcopy(network)
    with torch.no_grad():
        next(iter(twin.norms.values())).weight.mul_(2.0)
    assert relative(answers(network, x), before) < 1e-4
    assert relative(answers(twin, x), before) > 1e-2
    twin.set_layers(weights)
    assert len(twin.norms) == 0
    assert relative(answers(twin, x), before) < 1e-5
    restored = from_onnx(kinds_of_convolution())
    restored.add_batch_norm([x])
    restored.load_state_dict(network.state_dict())
    assert np.array_equal(answers(restored, x), answers(network, x))


def test_it_is_made_from_real_inputs() -> None:
    with pytest.raises(zs.DataError, match="there were none"):
        from_onnx(kinds_of_convolution()).add_batch_norm([])
