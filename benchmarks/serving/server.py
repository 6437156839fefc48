"""Start the server with one engine or the other behind it, everything else equal.

python -m benchmarks.serving.server MODEL --engine onnxruntime --port 8080 --threads 2
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import zeroskip as zs
from zeroskip.serve import BatchOptions, ServedModel, ServerOptions, serve

ENGINES = ("zeroskip", "onnxruntime")


def session(path: str, engine: str, threads: int) -> Any:
    """Return what runs the model."""
    if engine == "zeroskip":
        return zs.InferenceSession(path, zs.SessionOptions(intra_op_num_threads=threads))
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM; print the addresses as JSON when ready."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.server", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--queue", type=int, default=64)
    chosen = parser.parse_args(arguments)
    batch = BatchOptions(max_rows=1, max_queue=chosen.queue)  # ONNX Runtime cannot say whether rows may be joined
    model = ServedModel("net", session(chosen.model, chosen.engine, chosen.threads), batch, sample_s=0)
    options = ServerOptions(port=chosen.port, grpc_port=None, batch=batch)
    serve([model], options, on_start=lambda found: print(json.dumps({"rest": found.rest}), flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
