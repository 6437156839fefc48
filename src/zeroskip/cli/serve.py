"""``zeroskip serve``: models behind the Open Inference Protocol."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .command import command
from .console import Terminal
from .options import Isa

if TYPE_CHECKING:
    from ..serve import Addresses, ModelFile, ServedModel, ServerOptions

TOKEN_VARIABLE = "ZEROSKIP_SERVE_TOKEN"


@command
def serve(
    terminal: Terminal,
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="FILE, NAME=FILE, or a folder with NAME/VERSION/model.onnx in it."),
    ],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets everybody in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of REST; 0 takes a free one.", min=0, max=65535)] = 8080,
    grpc_port: Annotated[
        int, typer.Option(help="Port of gRPC; 0 takes a free one, -1 serves REST only.", min=-1, max=65535)
    ] = 8081,
    max_batch: Annotated[int, typer.Option(help="Rows of requests that are run together.", min=1)] = 8,
    max_delay: Annotated[
        float, typer.Option(help="Milliseconds that a request may wait for others to join it.", min=0)
    ] = 0.0,
    queue: Annotated[int, typer.Option(help="Requests that may wait; more are answered 429.", min=1)] = 64,
    timeout: Annotated[float, typer.Option(help="Seconds until a request is given up.", min=0.001)] = 30.0,
    max_body: Annotated[int, typer.Option(help="Largest request, in MiB.", min=1)] = 16,
    drain: Annotated[float, typer.Option(help="Seconds to end accepted requests in after SIGTERM.", min=0)] = 30.0,
    sample: Annotated[
        float, typer.Option(help="Seconds between measurements of layers' zeros for the metrics; 0: none.", min=0)
    ] = 10.0,
    certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", help="PEM file; with --tls-key both protocols speak TLS.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--tls-key", help="PEM file of the private key.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help=f"File with the bearer token that clients must send; or ${TOKEN_VARIABLE}.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of a run; by default all.", min=1)] = None,
    isa: Annotated[Isa | None, typer.Option(help="Instruction set; by default the best.")] = None,
) -> None:
    """Serve models by REST and gRPC (Open Inference Protocol v2) until SIGTERM.

    Example: zeroskip serve resnet=model.fatrelu.onnx --port 8080 --max-batch 16 --max-delay 2
    """
    from ..serve import BatchOptions, ServerOptions, find_models

    options = ServerOptions(
        host=host,
        port=port,
        grpc_port=None if grpc_port < 0 else grpc_port,
        batch=BatchOptions(max_rows=max_batch, max_delay_ms=max_delay, max_queue=queue, timeout_s=timeout),
        max_request_bytes=max_body << 20,
        drain_s=drain,
        sample_s=sample,
        certificate=certificate,
        key=key,
        token=_token(token_file),
    )
    files = find_models(models)
    from ..serve import serve as run_server  # with all that it needs, once there is something to serve

    run_server(
        _load(terminal, files, options, threads, isa),
        options,
        on_start=lambda addresses: _announce(terminal, addresses),
    )
    terminal.note("stopped; everything accepted was answered")


def _load(
    terminal: Terminal, files: list[ModelFile], options: ServerOptions, threads: int | None, isa: str | None
) -> list[ServedModel]:
    from concurrent.futures import ThreadPoolExecutor

    from ..engine import InferenceSession, SessionOptions
    from ..serve import ServedModel

    executor = ThreadPoolExecutor(1, thread_name_prefix="run")  # a run has all threads, so one at a time
    session_options = SessionOptions(intra_op_num_threads=threads or 0, isa=isa)
    models = []
    for file in files:
        session = InferenceSession(file.path, session_options)
        terminal.note(f"{file.name}, version {file.version}: {file.path}")
        models.append(
            ServedModel(
                file.name,
                session,
                options.batch,
                version=file.version,
                executor=executor,
                sample_s=options.sample_s,
            )
        )
    return models


def _announce(terminal: Terminal, addresses: Addresses) -> None:
    grpc = "" if addresses.grpc is None else f", gRPC {addresses.grpc}"
    terminal.note(f"serving at {addresses.rest}{grpc}")
    terminal.json(json.dumps({"rest": addresses.rest, "grpc": addresses.grpc}))
    sys.stdout.flush()  # whoever started the server waits for it


def _token(path: Path | None) -> str:
    from ..errors import ServeError

    if path is None:
        return os.environ.get(TOKEN_VARIABLE, "")
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"cannot read the token in '{path}': {error}") from None
    if not token:
        raise ServeError(f"'{path}' holds no token")
    return token
