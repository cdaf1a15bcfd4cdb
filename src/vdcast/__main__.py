"""``python -m vdcast`` is the command ``vdcast``."""

from vdcast.commands.cli import main

main()
