"""How long a stage takes to say what it is for."""

import statistics
import subprocess
import sys
import time

from measure import table

STAGES = ("ingest", "prepare", "train", "evaluate", "compare", "report")
OTHERS = {
    "an empty program": "pass",
    "import torch": "import torch",
    "from vdcast import Trained, read": "from vdcast import Trained, read",
    "import vdcast's training loop": "import vdcast.train.workers",
    "import vdcast's xLSTM": "import vdcast.models.xlstm.encoder",
    "import xlstm, the package": "import warnings; warnings.simplefilter('ignore'); import xlstm",
}


def start_table(repeats: int) -> list[str]:
    """Medians of whole processes, after one that warms the cache of files."""
    commands = {f"python -m vdcast.{stage} --help": ["-m", f"vdcast.{stage}", "--help"] for stage in STAGES}
    commands |= {what: ["-c", code] for what, code in OTHERS.items()}
    rows = []
    for what, command in commands.items():
        times = []
        for _ in range(repeats + 1):
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            times.append(time.perf_counter() - began)
        rows.append({"command": what, "s": f"{statistics.median(times[1:]):.2f}"})
    return ["### Start-up", "", *table(rows), ""]
