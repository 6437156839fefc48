"""EngineProcess: an engine in a process of its own, so that the thread pools of two engines never fight.

Several engines in one process share nothing but the cores, yet disturb each other: pools keep spinning
after a run, and two OpenMP runtimes may both be loaded. Here each engine has a process; only one is asked
to work at a time, and the others wait in a read. An engine's threads may spin while its own runs last, as
they do in service.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from ..engine.mixed.lifetime import NO_TELEMETRY
from ..errors import EngineError
from ..onnx import LoadedModel
from ..onnx.load import ModelSource
from .engine import Feed, ModelContent, Precision, Shapes
from .registry import check_engine

_PACKAGE = Path(__file__).resolve().parents[1]
_STDERR_TAIL_CHARS = 2000
_EXIT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class LoadedEngine:
    """What an engine tells of itself once it has its model.

    Attributes:
        version: Version of its package.
        description: The settings that decide its speed.
        load_ms: Time from the model's bytes to readiness.
    """

    version: str
    description: str
    load_ms: float


class EngineProcess:
    """An engine that works in another process; a context manager that ends it.

    Args:
        name: Key of ``ENGINES``.
        threads: Threads it may use.
        precision: What it shall compute in.
        python: Interpreter of another environment, for engines whose requirements contradict ours; it needs
            NumPy and the engine's package.
        isa: Instruction set that zeroskip takes there; None for the best.

    Raises:
        EngineError: If the engine is unknown, not installed, or has no such precision, or the interpreter
            cannot be started.

    Example:
        >>> with EngineProcess("onnxruntime", threads=2) as engine:  # doctest: +SKIP
        ...     engine.load(model, {"input": (1, 3, 224, 224)})
        ...     engine.set_feeds([{"input": x}])
        ...     engine.time(seconds=1.0, warmup=3)
    """

    def __init__(
        self,
        name: str,
        threads: int,
        precision: Precision = "f32",
        *,
        python: str | None = None,
        isa: str | None = None,
    ) -> None:
        check_engine(name, precision, is_elsewhere=python is not None)
        self.name = name
        self.threads = threads
        self.precision: Precision = precision
        self._isa = isa
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close(), it lives as long as the process)
        self._folder = tempfile.TemporaryDirectory(prefix="zeroskip-engine-")
        self._connection, theirs = Pipe()
        # Nothing is ever written to it: it closes when this process ends, however it ends, and then the other ends.
        life, self._life = os.pipe()
        try:
            self._process = self._start(python or sys.executable, theirs.fileno(), life)
        except OSError as error:
            self._connection.close()
            self._clean_up()
            raise EngineError(f"cannot start '{python}' for engine '{name}': {error}") from error
        finally:
            theirs.close()
            os.close(life)

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:  # Ctrl-C, for one: do not wait for the run to end
            self._kill()
        self.close()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def load(self, model: ModelSource, input_shapes: Shapes) -> LoadedEngine:
        """Load a model. It is read and checked here; the engine gets content, or a private copy, and no reference.

        Args:
            model: ONNX file, its content or a loaded model.
            input_shapes: Concrete shape of each graph input, in the graph's order.

        Raises:
            ModelError: If it cannot be read.
            EngineError: If the engine cannot run it.
        """
        loaded = LoadedModel.of(model)
        shapes = {name: tuple(shape) for name, shape in input_shapes.items()}
        if loaded.fits_one_file:
            return self._load(loaded.to_bytes(), shapes)
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            return self._load(loaded.write_copy(folder), shapes)

    def _load(self, content: ModelContent, shapes: Shapes) -> LoadedEngine:
        return LoadedEngine(*self._ask("load", self.name, self.threads, self.precision, content, shapes))

    def set_feeds(self, feeds: Sequence[Feed]) -> None:
        """Hand over the inputs that the methods below use.

        Args:
            feeds: Inputs by name, of the shapes given to :meth:`load`; at least one.

        Raises:
            EngineError: If the process has ended.
        """
        self._ask("set_feeds", [dict(feed) for feed in feeds])

    def outputs(self) -> list[list[NDArray[Any]]]:
        """Run each input once and return the graph outputs for each.

        Raises:
            EngineError: If the engine fails.
        """
        return list(self._ask("outputs"))

    def time(self, seconds: float, warmup: int) -> list[float]:
        """Run the inputs in turn and return the latency of each run in ms.

        Args:
            seconds: How long to go on; at least one run is timed.
            warmup: Runs before that are not timed.

        Raises:
            EngineError: If the engine fails.
        """
        return list(self._ask("time", seconds, warmup))

    def sparsity_seen(self) -> float | None:
        """Return the MAC-weighted sparsity over the inputs, or None if the engine never skips.

        Raises:
            EngineError: If the engine fails.
        """
        value = self._ask("sparsity_seen")
        return None if value is None else float(value)

    def close(self) -> None:
        """End the process; may be called again."""
        self._connection.close()
        try:
            self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # in the middle of a run
            self._kill()
            self._process.wait()
        self._clean_up()

    def _kill(self) -> None:
        """End the process at once, and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _start(self, python: str, connection: int, life: int) -> subprocess.Popen[bytes]:
        # A plain child instead of multiprocessing's: that one runs the caller's main module again, which
        # breaks scripts without a __main__ guard. The link shows it this very package, installed or not,
        # and nothing else of our environment.
        (Path(self._folder.name) / _PACKAGE.name).symlink_to(_PACKAGE, target_is_directory=True)
        # It works in that folder too: should an engine follow a relative path, it finds nothing there.
        forced = {} if self._isa is None else {"ZEROSKIP_FORCE_ISA": self._isa}
        inherited = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        path = os.pathsep.join([self._folder.name, *inherited])
        program = os.path.abspath(python) if os.sep in python else python
        return subprocess.Popen(
            [program, "-m", "zeroskip.baselines.worker", str(connection), str(life), self._folder.name],
            pass_fds=[connection, life],
            start_new_session=True,
            cwd=self._folder.name,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**NO_TELEMETRY, **os.environ, **forced, "PYTHONPATH": path},
        )

    def _clean_up(self) -> None:
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
        self._log.close()
        self._folder.cleanup()

    def _ask(self, command: str, *arguments: Any) -> Any:
        try:
            self._connection.send((command, arguments))
            status, value = self._connection.recv()
        except (EOFError, OSError) as error:
            raise EngineError(f"the process of engine '{self.name}' ended: {self._last_words()}") from error
        if status == "error":
            raise EngineError(f"engine '{self.name}' failed: {value}")
        return value

    def _last_words(self) -> str:
        if self._log.closed:
            return "it was closed"
        code = self._process.wait(_EXIT_TIMEOUT_S)
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").strip()
        return f"exit code {code}; {text[-_STDERR_TAIL_CHARS:] or 'it wrote nothing'}"
