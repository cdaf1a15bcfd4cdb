import subprocess
import sys

import pytest

from vdcast.commands.cli import COMMANDS


def vdcast(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "vdcast", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_takes(name):
    assert vdcast(name, "--help").stdout.startswith(f"usage: vdcast {name} ")


def test_without_a_command_all_are_listed():
    assert vdcast().stdout == vdcast("--help").stdout
    assert all(f"\n  {name} " in vdcast().stdout for name in COMMANDS)


def test_version():
    assert vdcast("--version").stdout.startswith("vdcast ")


def test_an_unknown_command_is_named():
    done = vdcast("rerpo")
    assert done.returncode == 1 and done.stderr.startswith("vdcast: 'rerpo' is not a command\n")
