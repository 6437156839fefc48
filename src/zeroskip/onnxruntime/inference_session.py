"""InferenceSession with ONNX Runtime's arguments and methods: the engine's session under another face."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from ..engine import InferenceSession as EngineSession
from ..engine import NodeArg
from ..onnx import save_model
from .devices import OrtMemoryInfo
from .dimensions import with_dimensions
from .enums import OrtAllocatorType, OrtMemType
from .io_binding import IOBinding
from .model_metadata import ModelMetadata
from .notes import note_ignored
from .ort_value import OrtValue
from .providers import CPU, check_providers
from .run_options import RunOptions
from .session_options import SessionOptions
from .status import Fail, InvalidArgument, InvalidType, raises_status
from .trace import Trace

_CPU_MEMORY = OrtMemoryInfo("Cpu", OrtAllocatorType.ORT_DEVICE_ALLOCATOR, 0, OrtMemType.DEFAULT)


class InferenceSession(EngineSession):
    """Runs one ONNX model, called as ``onnxruntime.InferenceSession`` is.

    It is a :class:`zeroskip.InferenceSession`, so :meth:`explain`, :meth:`profile` and the rest are there as well.
    Names of dimensions bind no sizes, as in ONNX Runtime.

    Args:
        path_or_bytes: Path of a model, or its content.
        sess_options: Options; those without meaning here are accepted.
        providers: Names of execution providers; there is the CPU's only, others give a warning.
        provider_options: Accepted.
        kwargs: ``disabled_optimizers`` and others, accepted.

    Raises:
        NoSuchFile: If there is no such file.
        InvalidProtobuf: If it is no ONNX file.
        InvalidGraph: If its graph is not valid.
        UnsupportedModel: Listing every node that cannot be run.
        InvalidArgument: If the options are none.

    Example::

        session = zeroskip.onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
        (logits,) = session.run(["logits"], {"input": images})
    """

    _binds_names = False

    def __init__(
        self,
        path_or_bytes: Any,
        sess_options: SessionOptions | None = None,
        providers: Any = None,
        provider_options: Any = None,
        **kwargs: Any,
    ) -> None:
        sess_options = sess_options or SessionOptions()
        if not isinstance(sess_options, SessionOptions):
            raise InvalidType(
                f"sess_options is a {type(sess_options).__name__}; expected zeroskip.onnxruntime.SessionOptions. "
                "Options of the real onnxruntime do not fit: install zeroskip.onnxruntime before they are made"
            )
        check_providers(providers)
        for name in kwargs:
            note_ignored(f"the argument {name} of InferenceSession")
        self._sess_options = sess_options
        self._providers, self._provider_options = [CPU], {CPU: dict[str, str]()}
        self._model_path = None if isinstance(path_or_bytes, bytes) else path_or_bytes  # packages look at these
        self._trace = Trace(sess_options.profile_file_prefix) if sess_options.enable_profiling else None
        with raises_status(path_or_bytes), self._event("model_loading_and_initialization"):
            super().__init__(_sized(path_or_bytes, sess_options), sess_options.engine_options())
            if sess_options.optimized_model_filepath:
                save_model(self._model, sess_options.optimized_model_filepath)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "options": self._sess_options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        InferenceSession.__init__(self, state["model"], state["options"])

    # ------------------------------------------------------------------ running

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: object = None
    ) -> list[Any]:
        """Run the model.

        Args:
            output_names: Which outputs to return; None means all.
            input_feed: Input name to array, see :meth:`zeroskip.InferenceSession.run`.
            run_options: Options of this run.

        Raises:
            InvalidArgument: If names, dtypes or shapes do not fit the model.
            Fail: If the run fails, or was told to end.
        """
        _check_options(run_options)
        with raises_status():
            with self._event("model_run"):
                results = super().run(output_names, input_feed)
            if self._trace is not None:
                self._trace.add_steps(self.profile(input_feed, 1).steps)
        return results

    def run_with_ort_values(
        self,
        output_names: Sequence[str] | None,
        input_dict_ort_values: Mapping[str, OrtValue],
        run_options: object = None,
    ) -> list[OrtValue]:
        """Run the model on values and return values; raises like :meth:`run`."""
        pairs = input_dict_ort_values.items()
        feed = {name: value.numpy() if isinstance(value, OrtValue) else value for name, value in pairs}
        return [OrtValue(item) for item in self.run(output_names, feed, run_options)]

    def run_with_iobinding(self, iobinding: IOBinding, run_options: object = None) -> None:
        """Run the model on what is bound; raises like :meth:`run`."""
        iobinding.take_results(self.run(iobinding.output_names, iobinding.feed, run_options))

    def run_async(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        callback: Callable[[list[Any], Any, str], None],
        user_data: Any,
        run_options: object = None,
    ) -> None:
        """Run the model in a thread of its own.

        Args:
            output_names: As for :meth:`run`.
            input_feed: As for :meth:`run`.
            callback: Called in that thread with results, ``user_data`` and the text of the error, empty if none.
            user_data: Handed to the callback.
            run_options: As for :meth:`run`.

        Raises:
            InvalidArgument: If an input is missing; whatever else is wrong is told to the callback.
        """
        required = [item.name for item in self.get_inputs() if not item.type.startswith("optional(")]
        if missing := [name for name in required if name not in input_feed]:
            raise InvalidArgument(f"inputs {missing} are missing; there are {list(input_feed)}")

        def work() -> None:
            results: list[Any] = []
            fault = ""
            try:
                results = self.run(output_names, input_feed, run_options)
            except Exception as error:
                fault = str(error) or type(error).__name__
            callback(results, user_data, fault)

        threading.Thread(target=work, daemon=True).start()

    def io_binding(self) -> IOBinding:
        """Return an empty binding of inputs and outputs to memory."""
        return IOBinding(self)

    # ------------------------------------------------------------------ asking

    def get_modelmeta(self) -> ModelMetadata:
        """Return what the model says about itself."""
        return ModelMetadata.of(self._model)

    def get_overridable_initializers(self) -> list[NodeArg]:
        """Return nothing: weights that are listed among the inputs are constants here."""
        return []

    def get_session_options(self) -> SessionOptions:
        """Return the options the session was made with."""
        return self._sess_options

    def get_input_memory_infos(self) -> list[OrtMemoryInfo]:
        """Return where each input is: in the CPU's memory."""
        return [_CPU_MEMORY] * len(self.get_inputs())

    def get_output_memory_infos(self) -> list[OrtMemoryInfo]:
        """Return where each output is: in the CPU's memory."""
        return [_CPU_MEMORY] * len(self.get_outputs())

    def get_providers(self) -> list[str]:
        """Return the names of the execution providers: the CPU's."""
        return list(self._providers)

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        """Return no options of the CPU's provider."""
        return dict(self._provider_options)

    def set_providers(self, providers: Any = None, provider_options: Any = None) -> None:
        """Warn about execution providers that there are not; nothing changes."""
        check_providers(providers)

    def disable_fallback(self) -> None:
        """Do nothing: there is no other provider to fall back to."""

    def enable_fallback(self) -> None:
        """Do nothing: there is no other provider to fall back to."""

    def get_profiling_start_time_ns(self) -> int:
        """Return when profiling began, in nanoseconds of ``time.perf_counter_ns``; 0 if it did not."""
        return 0 if self._trace is None else self._trace.start_ns

    def end_profiling(self) -> str:
        """Stop profiling and write what was recorded.

        A profiled run computes twice, the second time step by step.

        Returns:
            Name of a file in Chrome's trace format; empty if ``SessionOptions.enable_profiling`` was not set.

        Raises:
            OutputError: If it cannot be written.
        """
        trace, self._trace = self._trace, None
        return "" if trace is None else trace.write()

    def set_ep_dynamic_options(self, options: Mapping[str, str]) -> None:
        """Do nothing: the CPU's provider has none."""
        note_ignored("InferenceSession.set_ep_dynamic_options")

    def get_tuning_results(self) -> list[Any]:
        """Return nothing: no provider is tuned."""
        return []

    def run_with_ortvaluevector(self, *_: Any) -> None:
        """Refuse vectors of values.

        Raises:
            Fail: Always.
        """
        raise Fail("vectors of values are not supported; use run_with_ort_values or run_with_iobinding")

    def _event(self, name: str) -> Any:
        return nullcontext() if self._trace is None else self._trace.event(name)

    # Private in ONNX Runtime, too; packages use them nevertheless.

    @property
    def _sess(self) -> InferenceSession:
        return self

    @property
    def _inputs_meta(self) -> list[NodeArg]:
        return self.get_inputs()

    @property
    def _outputs_meta(self) -> list[NodeArg]:
        return self.get_outputs()

    @property
    def _model_meta(self) -> ModelMetadata:
        return self.get_modelmeta()


def _sized(source: Any, options: SessionOptions) -> Any:
    if not options.dimensions and not options.denoted_dimensions:
        return source
    return with_dimensions(source, options.dimensions, options.denoted_dimensions)


def _check_options(run_options: object) -> None:
    if isinstance(run_options, RunOptions):
        run_options.check()
    elif run_options is not None:
        raise InvalidType(f"run_options is a {type(run_options).__name__}; expected zeroskip.onnxruntime.RunOptions")
