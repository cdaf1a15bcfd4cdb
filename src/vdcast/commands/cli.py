"""The command ``vdcast``: what a user runs beside ``dvc``.

    vdcast repro -j 2

A command is a module of this package with a ``main``; only the one that was asked for is imported.
"""

import importlib
import importlib.metadata
import sys

COMMANDS = {
    "repro": "`dvc repro` with the runs trained side by side, here or on a Ray cluster",
    "search": "better settings of both models, found with equal budgets on the validation part",
    "job": "one stage in this clone, with everything through the DVC remote",
    "verify": "whether DVC's cache still holds what it took in; what does not is removed",
    "forecast": "what comes next at every VD, by a trained run from the newest data",
    "adapt": "a run that knows the detectors which came after its training",
    "score": "how a run's forecasts fared beside what has come since, and whether it has fallen behind",
    "export": "a trained run as ONNX, which runs without vdcast",
    "verdict": "what changed in the verdict between two revisions or experiments, as Markdown",
}
USAGE = "\n".join(
    [
        "usage: vdcast COMMAND ...",
        "",
        *(f"  {name:10}{what}" for name, what in COMMANDS.items()),
        "",
        "`vdcast COMMAND --help` says more; `vdcast --version` says which one this is.",
    ]
)


def main() -> None:
    name, *rest = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        sys.argv = [f"vdcast {name}", *rest]
        importlib.import_module(f"vdcast.commands.{name}").main()
    elif name in ("-h", "--help"):
        print(USAGE)
    elif name == "--version":
        print(f"vdcast {importlib.metadata.version('vdcast')}")
    else:
        sys.exit(f"vdcast: {name!r} is not a command\n{USAGE}")
