"""A user's mistake is one sentence: what was expected, what was found, where, and what to do."""

import contextlib
import sys
from collections.abc import Iterator


class InputError(ValueError):
    """Something the user gave (a setting, a file) cannot be used; the message is for the user."""


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a user's mistake, or a failing disk, into one line on stderr and exit status 1.

    Every stage's ``main`` runs inside it. Any other exception is our bug and keeps its traceback.
    """
    try:
        yield
    except InputError as error:
        sys.exit(f"vdcast: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"vdcast: {where}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("vdcast: interrupted; what is finished is kept, and a training goes on at its last epoch")
