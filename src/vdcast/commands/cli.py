"""The command ``vdcast``: what a user runs beside ``dvc``, each a module with a ``main`` of its own.

    vdcast repro -j 2

Only the module of the command that was asked for is imported.
"""

import importlib
import sys

COMMANDS = {
    "repro": "`dvc repro` with the runs trained side by side, here or on a Ray cluster",
    "job": "one stage in this clone, with everything through the DVC remote",
    "verify": "whether DVC's cache still holds what it took in; what does not is removed",
    "verdict": "what changed in the verdict between two revisions or experiments, as Markdown",
}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        sys.argv = [f"vdcast {name}", *sys.argv[2:]]
        importlib.import_module(f"vdcast.commands.{name}").main()
        return
    lines = "\n".join(f"  {command:10}{what}" for command, what in COMMANDS.items())
    usage = f"usage: vdcast COMMAND ...\n\n{lines}\n\n`vdcast COMMAND --help` says more."
    if name in ("-h", "--help"):
        print(usage)
    else:
        sys.exit(f"vdcast: {name!r} is not a command\n{usage}")
