"""Writes examples/tour.ipynb and runs it: python tools/make_notebook.py (needs zeroskip[notebook], nbclient, nbformat).

The cells are here and not in the notebook, so that a change of them can be read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOK = FOLDER / "tour.ipynb"

CELLS = (
    """# A tour of zeroskip

From a network to a faster one, on handwritten digits that it has never seen. The network is an ordinary one, five
convolutions with ReLUs; nothing about it was done with zeros in mind.""",
    """
import digits

import zeroskip as zs

data = digits.test_data().subset(400)
print(data.description)
""",
    """## Where are its zeros, and what would more of them bring?
Each row is a layer: how much of what it reads is zero, what it takes, and what it would take if nothing were.""",
    """
zs.analyze(digits.MODEL, data.subset(64))
""",
    """## More zeros, within one point of accuracy
Small activations become zeros. How small is decided layer by layer on one half of the pictures; the other half has to
confirm the budget.""",
    """
result = zs.calibrate(digits.MODEL, data, max_drop=0.01, measure_seconds=0.5)
result
""",
    """
result.to_pandas().round(3)
""",
    """## Where they are, in the picture
Dark to light: the share of channels that are zero at a pixel, for each layer, before and after. What is light is not
multiplied.""",
    """
from IPython.display import HTML

from zeroskip.analysis import map_zeros


def row(title, pictures):
    style = "height:72px;image-rendering:pixelated;margin:2px"
    images = "".join(f'<img style="{style}" alt="" src="data:image;base64,{picture}">' for picture in pictures)
    return f"<tr><td>{title}</td><td>{images}</td></tr>"


thresholded = zs.apply(digits.MODEL, result.thresholds).model
before, after = (map_zeros(model, data, count=6) for model in (digits.MODEL, thresholded))
rows = [row("pictures", before.pictures)]
for old, new in zip(before.layers, after.layers, strict=True):
    rows.append(row(f"{old.activation}: {old.sparsity:.0%}", old.pixels))
    rows.append(row(f"with thresholds: {new.sparsity:.0%}", new.pixels))
HTML(f"<table>{''.join(rows)}</table>")
""",
    """## Is it faster?
Outputs are compared first; then the engines take turns, and the ratio counts, not the milliseconds.""",
    """
measured = zs.bench.bench(thresholded, data.subset(32), ["zeroskip", "onnxruntime"], seconds=0.5)
print("times as fast as ONNX Runtime:", measured.gain("zeroskip", over="onnxruntime"))
measured.to_pandas()
""",
    """## What runs
Every step with its kernel, and what was decided about it.""",
    """
zs.InferenceSession(thresholded).explain()
""",
)


def main() -> None:
    """Write the notebook with its outputs."""
    cells = [new_code_cell(text.strip()) if text.startswith("\n") else new_markdown_cell(text) for text in CELLS]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    notebook = new_notebook(cells=cells)
    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable  # this environment's, whatever kernels are installed
    NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": FOLDER}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
