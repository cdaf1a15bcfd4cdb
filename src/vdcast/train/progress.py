"""A stack's progress, on a terminal and in a log."""

import math
import sys
import time

from tqdm import tqdm

from vdcast.train.reached import Reached

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """A stack's bar on a terminal; in a log file a line now and then."""

    def __init__(self, label: str, epochs: range, line: int):
        self.label, self.last = label, epochs.stop - 1
        self.bar = tqdm(
            total=self.last,
            initial=epochs.start - 1,
            desc=label,
            unit="epoch",
            position=line,
            leave=False,
            disable=None,
        )
        self.said = -math.inf

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def show(self, reached: Reached) -> None:
        figures = dict(
            loss=f"{reached.latest[:, 1].mean():.4f}",
            best=f"{reached.best_loss.mean():.4f}",
            mae=f"{reached.latest[:, 2].mean():.3f}",
            training=len(reached.active),
        )
        if not self.bar.disable:
            self.bar.set_postfix(figures)
            self.bar.update()
        elif time.perf_counter() - self.said > SECONDS_BETWEEN_LINES:
            self.said = time.perf_counter()
            rest = ", ".join(f"{name} {value}" for name, value in figures.items())
            epoch = f"epoch {reached.epochs} of {self.last}"
            print(f"{self.label}: {epoch}, {rest}", file=sys.stderr, flush=True)
