"""What a Program does around its operators: inputs, outputs, threads, sharing, profiling."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, sparse_array

SHAPE = (1, 35, 6, 7)


def relu_plan(shape: tuple[int, ...] = SHAPE) -> PlanBuilder:
    builder = PlanBuilder()
    source = builder.load(shape)
    result = builder.nhwc(shape, masked=True)
    builder.step("activation", [source], [result], {"thresholds": np.zeros(shape[1], np.float32)}, kind="fatrelu")
    again = builder.nhwc(shape)
    builder.step("copy", [result], [again])
    builder.step("to_row", [again], [builder.graph_output(shape)])
    return builder


def test_lists_instruction_sets() -> None:
    compiled, supported = _core.isas_compiled(), _core.isas_supported()
    assert compiled[0] == supported[0] == "generic"
    assert set(supported) <= set(compiled)
    assert _core.active_isa() in supported


def test_isa_is_chosen_by_argument_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    strongest = _core.isas_supported()[-1]
    monkeypatch.setenv("ZEROSKIP_FORCE_ISA", "generic")
    assert relu_plan().build().isa == _core.active_isa() == "generic"
    assert relu_plan().build(isa=strongest).isa == strongest
    monkeypatch.setenv("ZEROSKIP_FORCE_ISA", "mmx")
    with pytest.raises(_core.Error, match="unknown isa 'mmx'; compiled: generic"):
        relu_plan().build()


@pytest.mark.parametrize("isa", sorted(set(_core.isas_compiled()) - set(_core.isas_supported())))
def test_an_instruction_set_that_the_cpu_lacks_is_refused(monkeypatch: pytest.MonkeyPatch, isa: str) -> None:
    monkeypatch.setenv("ZEROSKIP_FORCE_ISA", isa)
    with pytest.raises(_core.Error, match=f"this CPU does not run isa '{isa}'; supported: generic"):
        relu_plan().build()


def test_run_returns_fresh_arrays(isa: str) -> None:
    program = relu_plan().build(isa)
    x = sparse_array(SHAPE, 0.5)
    (first,) = program.run([x])
    (second,) = program.run([-x])
    np.testing.assert_array_equal(first, np.maximum(x, 0))
    np.testing.assert_array_equal(second, np.maximum(-x, 0))
    assert first.flags.writeable
    assert first.flags.c_contiguous
    assert first.dtype == np.float32


def test_accepts_read_only_and_unaligned_inputs(isa: str) -> None:
    x = sparse_array((1, 36, 6, 7), 0.5).ravel()[1 : 1 + np.prod(SHAPE)].reshape(SHAPE)
    x.flags.writeable = False
    np.testing.assert_array_equal(relu_plan().build(isa).run([x])[0], np.maximum(x, 0))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], r"got 0 input\(s\), the program has 1"),
        ([np.zeros(SHAPE, np.float32)] * 2, r"got 2 input\(s\), the program has 1"),
        (
            [np.zeros((1, 35, 7, 6), np.float32)],
            r"input 0 't0' has shape \[1, 35, 7, 6\], the program was compiled for \[1, 35, 6, 7\]",
        ),
        ([np.zeros(SHAPE)], "input 0 't0': expected dtype float32"),
        ([np.zeros(SHAPE[::-1], np.float32).T], "input 0 't0': expected a C-contiguous array"),
        ([[1.0, 2.0]], "input 0 't0': expected a numpy array, got list"),
    ],
)
def test_refuses_inputs_that_do_not_fit(inputs: list[object], message: str) -> None:
    with pytest.raises(_core.Error, match=message):
        relu_plan().build().run(inputs)


def test_concurrent_runs_do_not_share_memory(isa: str) -> None:
    shape = (1, 64, 40, 40)
    program = relu_plan(shape).build(isa, threads=1)
    failures: list[int] = []

    def work(seed: int) -> None:
        x = sparse_array(shape, 0.5, seed)
        for _ in range(20):
            if not np.array_equal(program.run([x])[0], np.maximum(x, 0)):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_thread_count_does_not_change_results(isa: str) -> None:
    shape = (2, 40, 50, 50)
    x = sparse_array(shape, 0.5)
    results = [relu_plan(shape).build(isa, threads=threads).run([x])[0] for threads in (1, 2, 5)]
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def test_zero_threads_means_all_cpus() -> None:
    assert relu_plan().build(threads=0).num_threads == _core.available_cpus()


def test_profile_reports_every_step(isa: str) -> None:
    builder = relu_plan()
    x = sparse_array(SHAPE, 0.5)
    steps = builder.build(isa).profile([x], iterations=4)
    assert [step["op"] for step in steps] == ["to_nhwc", "activation", "copy", "to_row"]
    assert [step["name"] for step in steps] == [step["name"] for step in builder.steps]
    assert [step["kernel"] for step in steps] == builder.build(isa).kernel_names
    for step in steps:
        assert 0 < step["min_ms"] <= step["median_ms"]
        assert step["min_ms"] <= step["mean_ms"]
    assert [step["density"] for step in steps] == [None, None, pytest.approx(np.mean(x > 0)), None]


def test_profile_needs_an_iteration() -> None:
    with pytest.raises(_core.Error, match="iterations is 0, needs at least 1"):
        relu_plan().build().profile([np.zeros(SHAPE, np.float32)], iterations=0)


def test_flushes_denormals_only_while_running(isa: str) -> None:
    tiny = np.full((1, 16, 1, 1), 1e-40, np.float32)
    builder = PlanBuilder()
    source, result = builder.graph_input(tiny.shape), builder.graph_output(tiny.shape)
    builder.step("add", [source, source], [result])
    assert not builder.build(isa, threads=1).run([tiny])[0].any()
    assert (tiny + tiny).all()
