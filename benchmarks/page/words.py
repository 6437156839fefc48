"""What the page says whatever the numbers are."""

from __future__ import annotations

TITLE = """# Performance

<!-- Written by `python -m benchmarks.report`; do not edit. -->"""

HOW_TO_READ = """\
**Read the ratios, not the milliseconds.** The numbers come from a shared virtual machine with two cores whose
speed swings from minute to minute. Within a row of a table all engines took turns in one run (A B C, A B C,
at least five rounds), so a ratio is of times measured side by side; the range behind it is that of the rounds.
Two rows of different runs cannot be compared by their times.

- *Speed-up* is the median latency of the fastest other float32 engine in the same run, divided by zeroskip's:
  above 1 zeroskip is faster.
- Every engine computes in float32 with the same number of threads, in a process of its own, on the same real
  photographs, after the same warm-up. Other engines run the original network. Outputs are compared before
  anything is timed.
- A round in which an engine fell below half its best speed is left out for all engines and repeated; a case
  in which this kept happening is marked *unstable*.
- *Sparsity* is what was met on the timed inputs: zeros among the inputs of the layers that can skip, weighted
  by their multiply-accumulates."""

NOTHING_YET = """\
There are no measurements yet. These commands make them, in about fifteen minutes on a quiet machine, and
write this page:

```
python -m benchmarks.models.run
python -m benchmarks.layers.run
python -m benchmarks.report
```"""

TRAINED = """\
## Trained networks

Real weights, real photographs. *Exact* is the network as it is; *with thresholds* is the same network after
`calibrate`, with what that costs in accuracy on inputs the calibration did not see. `agreement` is the share
of inputs with an unchanged prediction."""

RANDOM = """\
## Speed against sparsity

Well-known architectures with random (He) weights: their answers mean nothing, their work is that of the real
ones. *Natural* is the sparsity such weights have, about one half; for the others one shift of each layer's
biases sets the sparsity on real photographs, and timing uses those of other photographs on which it is nearest to
that (random weights make some much sparser than others). All engines run the same network and compute the same
outputs. OpenVINO in bfloat16, its default on CPUs that have it, is shown beside but is not a float32 engine."""

LAYERS = """\
## Layers

The different convolutions of each network, one by one, inside the native core: time of the dense algorithm
over that of the sparse one, each layer counted as often as it occurs. Zeros are independent at random. *Choice*
compares the choice per tile, as networks run it, with the better of the two: 1.00 is perfect. *Choice over
oneDNN* is the time of oneDNN's dense convolution with fused ReLU (called through PyTorch) over ours."""


SHAPES = """\
## A new input shape

A model with open dimensions is planned once for every shape it meets. Below, images of ten different sizes come one
after the other; *more* is what the first run at a size took longer than further ones, its median and range over the
sizes. A size larger than all before also pays for more memory, and now and then for weights that Winograd's algorithm
needs in its own form at that size only: that is the upper end of the range. ONNX Runtime plans nothing; it pays for
memory only."""

KERNELS = """\
## Kernels

Single kernels on one core, operands in L1 or L2, zeros independent at random: GFLOP/s of the dense computation, and in
brackets what was executed as a share of the peak. Kernels with one column do not look at zeros."""


def environment(cpu: str, isa: str, threads: int, date: str, versions: dict[str, str], command: str) -> str:
    """Return the line that stands under every table."""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    where = f"{cpu}{f' ({isa})' if isa else ''}, {threads} thread{'s' if threads > 1 else ''}, {date[:10]}"
    return f"{where}; {packages}.  \n`{command}`"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
