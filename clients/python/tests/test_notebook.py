"""The example runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat


def test_the_notebook_trains_and_predicts(gw) -> None:
    path = Path(__file__).parents[1] / "examples" / "flights.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    printed = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
    ]
    assert printed[-1] == "training and serving agree\n"
    assert all(not cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells)
