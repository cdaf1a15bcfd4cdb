"""A stack's progress, on a terminal and in a log."""

import math
import sys
import time

from tqdm import tqdm

from vdcast.train.fitted import FIGURES
from vdcast.train.reached import Reached

SECONDS_BETWEEN_LINES = 10.0
MAE = FIGURES.index("validation_mae")


class Progress:
    """A stack's bar on a terminal; in a log file a line as it begins, and then one every ten seconds at most."""

    def __init__(self, label: str, epochs: range, line: int):
        """``epochs`` are those that are left to train."""
        self.label, self.epochs = label, epochs
        self.bar = tqdm(
            total=epochs.stop - 1,
            initial=epochs.start - 1,
            desc=label,
            unit="epoch",
            position=line,
            leave=False,
            disable=None,
        )
        self.began, self.said = time.perf_counter(), -math.inf

    def __enter__(self) -> "Progress":
        first, last = self.epochs.start, self.epochs.stop - 1
        begins = "begins" if first == 1 else f"resumed at epoch {first}"
        if first > 1 or self.bar.disable:
            self._say(f"{begins}, at most {last} epochs")
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def show(self, reached: Reached) -> None:
        """After an epoch; figures are means over the stack's copies."""
        maes = [float(each[:, MAE].mean()) for each in reached.figures]
        errors = f"validation MAE {maes[-1]:.3f}, best so far {min(maes):.3f}"
        if not self.bar.disable:
            self.bar.set_postfix_str(f"{errors}, copies in training {len(reached.active)}")
            self.bar.update()
        elif time.perf_counter() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.perf_counter()
            last = self.epochs.stop - 1
            left = clock(seconds_left(self.said - self.began, self.epochs, reached.epochs))
            self._say(f"epoch {reached.epochs} of at most {last}, {errors}, at most {left} left")

    def _say(self, words: str) -> None:
        tqdm.write(f"{self.label}: {words}", file=sys.stderr)
        sys.stderr.flush()


def seconds_left(taken: float, epochs: range, epoch: int) -> float:
    """Until the last of ``epochs``, after ``epoch`` of them, where those so far took ``taken`` seconds together."""
    return taken / (epoch + 1 - epochs.start) * (epochs.stop - 1 - epoch)


def clock(seconds: float) -> str:
    """Hours where there are any, minutes and seconds: 1:05:09, 0:07."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
