"""The loop: it makes networks sparse, resumes bit for bit, and survives what goes wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from interruption import Interrupt  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402
from torch_networks import Plain, labelled, loaders, pictures  # noqa: E402

import zeroskip as zs  # noqa: E402
from zeroskip.torch import (  # noqa: E402
    Callback,
    FATReLU,
    JsonLines,
    Recipe,
    StepReport,
    fatrelus,
    finetune,
    from_thresholds,
    picture_loader,
    replace_relu,
)


def network(seed: int = 0, threshold: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return replace_relu(Plain(), threshold)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """A dense network that knows its classes."""
    model = network()
    result = finetune(model, loaders(), Recipe(epochs=12, learning_rate=0.1, regularizer=None))
    assert result.best is not None
    assert result.best.metric is not None
    assert result.best.metric > 0.9
    return model


def test_the_recipe_makes_a_network_sparser_and_keeps_its_accuracy(trained: nn.Module) -> None:
    model = from_thresholds(copy.deepcopy(trained), zs.ThresholdSet({"features.2": 0.3, "features.4": 0.3}))
    recipe = Recipe(epochs=8, learning_rate=0.05, strength=0.3, distillation=0.5, max_drop=0.1)
    before = finetune(copy.deepcopy(trained), loaders(), Recipe(epochs=1, learning_rate=1e-9, regularizer=None))
    result = finetune(model, loaders(), recipe)
    assert result.is_complete
    assert result.baseline == before.baseline
    assert result.best is not None
    assert result.best.metric >= result.baseline - 0.1
    assert result.best.mean_sparsity > before.epochs[0].mean_sparsity + 0.1
    assert not model.training
    assert [module.threshold.item() for module in fatrelus(model).values()] == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize("step", [5, 9])
def test_resumes_bit_for_bit(tmp_path: Path, step: int) -> None:
    """Through dropout, mixup and a shuffled loader, from the end of an epoch and from the middle of one."""
    recipe = Recipe(epochs=3, learning_rate=0.05, distillation=0.3, mixup=0.5, seed=5)

    def make() -> nn.Module:
        model = network(threshold=0.2)
        model.features.append(nn.Dropout(0.3))
        return model

    whole, halved = make(), make()
    wanted = finetune(whole, loaders(32), recipe)
    options = {"checkpoint": tmp_path / "run.pt", "checkpoint_every": 3}
    with pytest.raises(KeyboardInterrupt):
        finetune(halved, loaders(32), recipe, callbacks=[Interrupt(step)], **options)  # type: ignore[arg-type]
    assert (tmp_path / "run.pt").exists()
    fresh = make()
    got = finetune(fresh, loaders(32), recipe, **options)  # type: ignore[arg-type]
    for name, value in whole.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value), name
    drop = {"epochs": {"__all__": {"seconds"}}}
    assert got.model_dump(exclude=drop) == wanted.model_dump(exclude=drop)


def test_the_seed_decides_and_global_generators_are_left_alone() -> None:
    states = []
    torch.manual_seed(123)
    expected = torch.rand(1)
    for seed, disturbance in ((1, 10), (1, 20), (2, 10)):
        model = network()
        torch.manual_seed(disturbance)
        finetune(model, loaders(16)[0], Recipe(epochs=1, seed=seed))
        states.append(model.head.weight.detach().clone())
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    model = network()
    torch.manual_seed(123)
    finetune(model, loaders(16)[0], Recipe(epochs=1))
    assert torch.equal(torch.rand(1), expected)


def test_without_labels_the_dense_model_teaches(trained: nn.Module) -> None:
    x = TensorDataset(labelled().tensors[0])
    model = from_thresholds(copy.deepcopy(trained), zs.ThresholdSet({"features.2": 0.2}))
    unlabelled = (DataLoader(x, 8, shuffle=True), DataLoader(x, 16))
    result = finetune(model, unlabelled, Recipe(epochs=3, distillation=1.0, strength=0.1))
    assert result.baseline == 1.0  # agreement of the dense model with itself
    assert result.best is not None
    assert result.best.metric > 0.85
    with pytest.raises(zs.DataError, match="the loader yields no targets"):
        finetune(network(), unlabelled[0], Recipe(epochs=1))


def test_a_loss_that_is_not_finite_ends_the_run_with_the_last_good_weights() -> None:
    model, calls = network(), []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        value = nn.functional.cross_entropy(outputs, targets)
        return value * float("nan") if len(calls) == 9 else value  # in the second epoch of six steps

    kept = network()
    finetune(kept, loaders(48)[0], Recipe(epochs=1, learning_rate_schedule="constant", warmup=0.0, strength_ramp=0.0))
    recipe = Recipe(epochs=4, learning_rate_schedule="constant", warmup=0.0, strength_ramp=0.0)
    result = finetune(model, loaders(48)[0], recipe, loss=loss)
    assert not result.is_complete
    assert "not finite in epoch 2" in result.stop_reason
    assert len(result.epochs) == 1
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), kept.parameters(), strict=True))


def test_callbacks_and_logs(tmp_path: Path) -> None:
    steps: list[StepReport] = []

    class Collect(Callback):
        def on_step(self, report: StepReport) -> None:
            steps.append(report)

    log = tmp_path / "log.jsonl"
    callbacks = [Collect(), JsonLines(log, every=4)]
    finetune(network(threshold=0.4), loaders(48), Recipe(epochs=2), callbacks=callbacks, sparsity_every=3)
    assert [report.step for report in steps] == list(range(12))
    assert [bool(report.sparsity) for report in steps] == [number % 3 == 0 for number in range(12)]
    assert steps[3].threshold_share == pytest.approx(0.5)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["step"] * 2 + ["epoch"] + ["step"] + ["epoch", "end"]


def test_bfloat16_and_channels_last_train_too() -> None:
    model = network()
    recipe = Recipe(epochs=4, learning_rate=0.1, precision="bfloat16", channels_last=True, strength=0.01)
    result = finetune(model, loaders(), recipe)
    assert result.epochs[-1].loss < result.epochs[0].loss
    assert model.head.weight.dtype == torch.float32


def test_learnt_thresholds_take_part() -> None:
    torch.manual_seed(0)
    model = replace_relu(Plain(), 0.1, learnable=True, form="sigmoid")
    finetune(model, loaders(16)[0], Recipe(epochs=2, learning_rate=0.1, slope=(5.0, 50.0)))
    assert [module.threshold.item() for module in fatrelus(model).values()] != pytest.approx([0.1, 0.1], abs=1e-6)
    assert all(module.slope.item() > 5.0 for module in fatrelus(model).values())


@pytest.mark.parametrize("key", ["model", "optimizer", "targets", "selection", "generators", "standing", "recipe"])
@pytest.mark.parametrize("damage", ["missing", "text", "number"])
def test_a_damaged_checkpoint_is_told_by_its_name(tmp_path: Path, key: str, damage: str) -> None:
    file = tmp_path / "run.pt"
    finetune(network(), loaders(16)[0], Recipe(epochs=1), checkpoint=file)
    content = torch.load(file, weights_only=True)
    if damage == "missing":
        del content[key]
    else:
        content[key] = {"text": "x", "number": 3}[damage]
    torch.save(content, file)
    with pytest.raises(zs.RecipeError, match=r"run\.pt"):
        finetune(network(), loaders(16)[0], Recipe(epochs=1), checkpoint=file)


def test_another_recipe_or_model_than_the_checkpoint_s(tmp_path: Path) -> None:
    file = tmp_path / "run.pt"
    finetune(network(), loaders(16)[0], Recipe(epochs=1), checkpoint=file)
    with pytest.raises(zs.RecipeError, match=r"of another recipe: epochs 1 \(now 2\)"):
        finetune(network(), loaders(16)[0], Recipe(epochs=2), checkpoint=file)
    other = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), FATReLU())
    with pytest.raises(zs.RecipeError, match="of another model"):
        finetune(other, loaders(16)[0], Recipe(epochs=1), checkpoint=file)
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(zs.RecipeError, match=r"cannot read checkpoint 'run\.pt'"):
        finetune(network(), loaders(16)[0], Recipe(epochs=1), checkpoint=file)


class Silent:
    """Says it has batches and yields none."""

    def __len__(self) -> int:
        return 3

    def __iter__(self):
        return iter(())


@pytest.mark.parametrize(
    ("loader", "error", "words"),
    [
        ([], zs.DataError, "training loader yields nothing"),
        (Silent(), zs.DataError, "training loader yields nothing"),
        (iter([pictures()]), zs.RecipeError, "has no length"),
        (["text"], zs.DataError, "a batch is str"),
        (([(pictures(), torch.zeros(4, dtype=torch.long))], []), zs.DataError, "validation loader yields nothing"),
    ],
)
def test_bad_loaders(loader: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        finetune(network(), loader, Recipe(epochs=1))  # type: ignore[arg-type]


def test_a_regulariser_needs_fatrelus_and_known_layers() -> None:
    with pytest.raises(zs.RecipeError, match="no FATReLU to regularise"):
        finetune(Plain(), loaders(16)[0], Recipe(epochs=1))
    with pytest.raises(zs.RecipeError, match=r"unknown layers \['layer9'\]"):
        finetune(network(), loaders(16)[0], Recipe(epochs=1, layer_weights={"layer9": 1.0}))


def test_data_sets_of_zeroskip_become_loaders() -> None:
    data = zs.data.arrays(labelled(10).tensors[0].numpy(), labelled(10).tensors[1].numpy())
    loader = picture_loader(data, 4, shuffle=True, augment=True, padding=2)
    torch.manual_seed(0)
    batches = list(loader)
    assert [tuple(x.shape) for x, _ in batches] == [(4, 3, 8, 8), (4, 3, 8, 8), (2, 3, 8, 8)]
    assert sorted(torch.cat([y for _, y in batches]).tolist()) == sorted(data.labels.tolist())
    plain = torch.cat([x for x, _ in picture_loader(data, 4)])
    assert torch.equal(plain, labelled(10).tensors[0])
    with pytest.raises(zs.DataError, match="batch_size is 0"):
        picture_loader(data, 0)
