"""The notebook in docs/ runs, cell by cell, on what the pipeline left."""

import json
import re

import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow

CELLS = json.loads((ROOT / "docs/first_look.ipynb").read_text("utf-8"))["cells"]


def test_every_cell_of_the_notebook_runs(finished):
    """In one process, as in Jupyter; its working directory is that of the notebook."""
    code = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
    shown = ["print(ahead.to_string())" if each.endswith("ahead.head(8)") else "" for each in code]
    script = "\n".join(line for pair in zip(code, shown, strict=True) for line in pair)
    said = finished.run("env", "MPLBACKEND=Agg", "python", "-c", f"import os; os.chdir('docs')\n{script}")
    assert said.startswith("22 VDs, 2496 times, ('volume',) ('veh/15min',) America/Los_Angeles\n")
    rows = re.findall(r"2024-05-14 0\d:\d\d:00-07:00 +\d+\.0 +\S+ +volume +veh/15min +\S+\n", said)
    assert len(rows) == 3 * 4, "three VDs by four horizons"
    error = re.search(r"VD \S+: mean absolute error (\d+\.\d\d) veh/15min, 15 minutes ahead", said)
    assert 0 < float(error[1]) < 20
