"""A gate waits for those inside and keeps the others out, except the thread that closed it."""

from __future__ import annotations

import threading

from zeroskip.engine.locks import Gate


def test_closing_waits_for_those_inside() -> None:
    gate, is_inside, may_leave, is_closed = Gate(), threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        with gate:
            is_inside.set()
            may_leave.wait(60)

    def close() -> None:
        gate.close()
        is_closed.set()

    threads = [threading.Thread(target=target, daemon=True) for target in (work, close)]
    threads[0].start()
    assert is_inside.wait(60)
    threads[1].start()
    assert not is_closed.wait(0.05)
    may_leave.set()
    assert is_closed.wait(60)


def test_a_closed_gate_lets_only_its_closer_in_until_it_is_opened() -> None:
    gate, has_passed = Gate(), threading.Event()

    def work() -> None:
        with gate:
            has_passed.set()

    gate.close()
    with gate, gate:
        pass
    threading.Thread(target=work, daemon=True).start()
    assert not has_passed.wait(0.05)
    gate.open()
    assert has_passed.wait(60)


def test_closing_inside_waits_for_nobody() -> None:
    gate = Gate()
    with gate:
        gate.close()
        gate.open()
    with gate:
        pass


def test_a_renewed_gate_has_forgotten_the_other_threads() -> None:
    gate, is_inside = Gate(), threading.Event()

    def work() -> None:
        with gate:
            is_inside.set()
            threading.Event().wait()

    threading.Thread(target=work, daemon=True).start()
    assert is_inside.wait(60)
    gate.renew()
    gate.close()
