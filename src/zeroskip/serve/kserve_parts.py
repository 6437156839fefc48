"""KServe's parts, which speak the Open Inference Protocol, under one roof.

KServe's package parses the command line of the process when it is imported, and would end it over options that are
not its own. So it is imported here, in one place, without them; everything else of it comes from this module.
"""

from __future__ import annotations

import sys

_ARGUMENTS = sys.argv
sys.argv = sys.argv[:1]
try:
    from grpc import aio, ssl_server_credentials
    from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelRepository
    from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
    from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
    from kserve.protocol.grpc.servicer import InferenceServicer
    from kserve.protocol.infer_type import RequestedOutput
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension
    from kserve.protocol.rest.server import metrics_handler
    from kserve.utils.numpy_codec import from_np_dtype, to_np_dtype
finally:
    sys.argv = _ARGUMENTS

__all__ = [
    "DataPlane",
    "ExceptionToStatusInterceptor",
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "InferenceServicer",
    "InvalidInput",
    "Model",
    "ModelNotFound",
    "ModelNotReady",
    "ModelRepository",
    "ModelRepositoryExtension",
    "RequestedOutput",
    "add_GRPCInferenceServiceServicer_to_server",
    "aio",
    "from_np_dtype",
    "messages",
    "metrics_handler",
    "ssl_server_credentials",
    "to_np_dtype",
]
