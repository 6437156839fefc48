"""Score a Parquet file of inputs with Spark: spark-submit score_on_spark.py MODEL INPUTS OUT.

``INPUTS`` has a column ``path`` that tells rows apart and a column ``input`` with the numbers of one input, flat. The
model's file must lie where every worker finds it. Set ``spark.task.cpus`` to the session's number of threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

import zeroskip as zs

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "path string, scores array<float>"
THREADS = 1


def scorer(model: str) -> object:
    """Return what ``mapInPandas`` runs on a worker: frames of inputs in, frames of scores out."""

    def score(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        session = zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=THREADS))  # one for all frames
        (wanted,) = session.get_inputs()
        shape = [size for size in wanted.shape[1:] if isinstance(size, int)]
        for frame in frames:
            if len(frame):
                inputs = np.stack(frame["input"].to_numpy()).astype(np.float32).reshape(-1, *shape)
                scores = session.run(None, {wanted.name: inputs})[0].reshape(len(frame), -1)
                yield frame[["path"]].assign(scores=list(scores))

    return score


def main(model: str, inputs: str, output: str) -> None:
    """Run the job."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.config("spark.task.cpus", THREADS).getOrCreate()
    # A frame has so many rows at most: what one run of the session takes.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 64)
    spark.read.parquet(inputs).mapInPandas(scorer(model), SCHEMA).write.parquet(output)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
