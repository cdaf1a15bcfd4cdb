"""A user's mistake is one sentence: what was expected, what was found, where, and what to do."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

from vdcast.escape import terminal

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class InputError(ValueError):
    """Something the user gave (a setting, a file) cannot be used; the message is for the user."""


def first_line(error: BaseException) -> str:
    """What ``error`` says, or, as some say nothing, what it is."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a user's mistake, or a failing disk, into one line on stderr and exit status 1.

    Every stage's ``main`` runs inside it. Any other exception is our bug and keeps its traceback.
    """
    try:
        yield
    except InputError as error:
        sys.exit(
            "\n".join(map(terminal, f"vdcast: {error}".split("\n")))
        )  # of several trainings, a line each
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        what = error.strerror or str(error)
        if error.errno in NO_ROOM:  # h5py's text is of six lines
            what = f"{os.strerror(error.errno)}; make room and give the same command again, what is finished is kept"
        sys.exit(terminal(f"vdcast: {where}{what}"))
    except KeyboardInterrupt:
        sys.exit("vdcast: interrupted; what is finished is kept, and a training goes on at its last epoch")
