"""A server of the Open Inference Protocol, and a client of it: python serve.py (needs zeroskip[serve])

In production: zeroskip serve digits=digits/digits.onnx, behind which come health, metrics, TLS and a Dockerfile.
"""

import json
import os
import signal
import threading
import urllib.request

import digits

import zeroskip as zs
from zeroskip.serve import Addresses, ServedModel, ServerOptions, serve

data = digits.test_data()
session = zs.InferenceSession(digits.MODEL)
name = session.get_inputs()[0].name


def ask(addresses: Addresses) -> None:
    """Send eight pictures by REST, print the answers, and stop the server as a container's end does."""
    try:
        pictures = data.subset(8)
        tensor = {"name": name, "shape": [8, 3, 24, 24], "datatype": "FP32", "data": pictures.array().ravel().tolist()}
        body = json.dumps({"inputs": [tensor]}).encode()
        with urllib.request.urlopen(f"{addresses.rest}/v2/models/digits/infer", body) as answer:
            (logits,) = json.load(answer)["outputs"]
        rows = [logits["data"][10 * row : 10 * row + 10] for row in range(8)]
        print("answers:", *(row.index(max(row)) for row in rows))
        print("labels: ", *pictures.labels)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def when_ready(addresses: Addresses) -> None:
    print("serving at", addresses.rest)
    threading.Thread(target=ask, args=(addresses,)).start()


serve([ServedModel("digits", session)], ServerOptions(port=0, grpc_port=None), on_start=when_ready)
