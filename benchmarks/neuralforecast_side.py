"""neuralforecast's half of frameworks.py; runs in an environment of its own, which lacks vdcast.

    python neuralforecast_side.py job.npz job.json      # prints one line of JSON

job.npz: y (T,) scaled, observed (T,) bool, calendar (T, E). job.json: model, lookback, horizon, batch,
width, layers, learning_rate, threads, seed, validation and test (steps), seconds, steps.

neuralforecast's own validation reaches with its lookbacks into the training part, and so scores forecasts
that ours does not make. So both parts are scored here: the network alone, on the windows that ours has.
That on the test part this is what neuralforecast itself forecasts is checked.
"""

import json
import logging
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
began = time.perf_counter()
from neuralforecast import NeuralForecast  # noqa: E402
from neuralforecast.losses.pytorch import MAE  # noqa: E402
from neuralforecast.models import LSTM, xLSTM  # noqa: E402

import_seconds = time.perf_counter() - began

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytorch_lightning as pl  # noqa: E402
import torch  # noqa: E402


class Scored:
    """The windows of the steps ``first:stop`` alone, as neuralforecast's networks take them."""

    def __init__(self, arrays, first: int, stop: int, lookback: int, horizon: int):
        start = np.arange(first, stop - lookback - horizon + 1)
        window = start[:, None] + np.arange(lookback + horizon)
        y, observed, calendar = (torch.from_numpy(arrays[n][window]) for n in ("y", "observed", "calendar"))
        self.y, self.observed = y[:, lookback:], observed[:, lookback:]  # (W, H)
        past, seen = y[:, :lookback, None], observed[:, :lookback, None]
        self.batch = dict(insample_y=past, insample_mask=seen.float(), futr_exog=calendar)
        self.batch |= dict(hist_exog=None, stat_exog=None)
        newest = (seen[..., 0] * torch.arange(lookback)).amax(
            dim=1
        )  # 0, the mean, where nothing was observed
        self.last = past[torch.arange(len(past)), newest]  # (W, 1)

    @torch.no_grad()
    def forecast(self, network) -> torch.Tensor:
        training = network.training
        y = network.eval()(self.batch)[..., 0]
        network.train(training)
        return y

    def mae(self, forecast: torch.Tensor) -> float:
        """Pooled over observations."""
        return (forecast - self.y).abs()[self.observed].mean().item()


class Clock(pl.Callback):
    """When each training step ended; once an epoch, the errors on validation and test part, with the step.

    Ends the training after ``seconds``, of which those spent on these errors are none.
    """

    def __init__(
        self, epoch_steps: int = 0, parts: dict[str, Scored] | None = None, seconds: float = float("inf")
    ):
        self.epoch_steps, self.parts, self.seconds = epoch_steps, parts, seconds
        self.steps, self.scores, self.scoring = [], [], 0.0

    def __deepcopy__(self, memo):  # NeuralForecast trains a copy of the model that it is given
        return self

    def on_train_start(self, trainer, model):
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer, model, *_):
        self.steps.append(time.perf_counter())
        if self.parts and len(self.steps) % self.epoch_steps == 0:
            self.score(model)
        if time.perf_counter() - self.began - self.scoring > self.seconds:
            trainer.should_stop = True

    def on_train_end(self, trainer, model):
        if self.parts:
            self.score(model)

    def score(self, model):
        began = time.perf_counter()
        errors = {name: part.mae(part.forecast(model)) for name, part in self.parts.items()}
        self.scores.append({"step": len(self.steps), **errors})
        self.scoring += time.perf_counter() - began


def peak_memory_mb() -> float:
    """Of this process alone: ru_maxrss would count what started it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e3


def model(job: dict, clock: Clock, **budget):
    common = dict(
        h=job["horizon"], input_size=job["lookback"], loss=MAE(), batch_size=1, windows_batch_size=job["batch"],
        learning_rate=job["learning_rate"], scaler_type="identity", random_seed=job["seed"],
        encoder_hidden_size=job["width"], decoder_hidden_size=job["width"], futr_exog_list=job["calendar"],
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, callbacks=[clock], limit_val_batches=0, val_check_steps=10**6, **budget,
    )  # fmt: skip
    if job["model"] == "lstm":
        return LSTM(encoder_n_layers=job["layers"], **common)
    return xLSTM(encoder_n_blocks=job["layers"], encoder_dropout=0.0, backbone="mLSTM", **common)


def main() -> None:
    arrays, job = np.load(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    torch.set_num_threads(job["threads"])
    T = len(arrays["y"])
    job["calendar"] = [f"c{e}" for e in range(arrays["calendar"].shape[1])]
    frame = pd.DataFrame(arrays["calendar"], columns=job["calendar"]).assign(
        unique_id="vd",
        ds=pd.date_range("2000-01-01", periods=T, freq=f"{job['interval']}s"),
        y=arrays["y"],
        available_mask=arrays["observed"].astype(float),
    )
    freq = f"{job['interval']}s"

    clock = Clock()  # throughput: training alone
    NeuralForecast([model(job, clock, max_steps=job["steps"])], freq=freq).fit(
        frame[: T - job["test"] - job["validation"]]
    )
    half = len(clock.steps) // 2
    windows_per_second = job["batch"] * (len(clock.steps) - 1 - half) / (clock.steps[-1] - clock.steps[half])

    test, validation = T - job["test"], T - job["test"] - job["validation"]
    shape = (job["lookback"], job["horizon"])
    parts = {
        "validation": Scored(arrays, validation, test, *shape),
        "test": Scored(arrays, test, T, *shape),
    }
    clock = Clock(job["epoch_steps"], parts, job["seconds"])  # accuracy
    one = model(job, clock, max_steps=10**6)
    fitted = NeuralForecast([one], freq=freq)
    forecast = fitted.cross_validation(
        frame, val_size=job["validation"], test_size=job["test"], n_windows=None, step_size=1
    )
    left = parts["test"].mae(parts["test"].forecast(fitted.models[0]))
    name = next(c for c in forecast.columns if c in ("LSTM", "xLSTM"))
    first = frame.ds[test + job["lookback"] - 1]  # ours see the test part alone
    scored = forecast[forecast.cutoff >= first].merge(frame[["ds", "available_mask"]], on="ds")
    scored = scored[scored.available_mask > 0]
    own = float((scored[name] - scored.y).abs().mean())
    if abs(own - left) > 1e-4 or len(scored) != parts["test"].observed.sum():
        raise RuntimeError(
            f"neuralforecast's forecasts score {own}, scored here {left}: not the same windows"
        )
    best = min(clock.scores, key=lambda each: each["validation"])
    print(
        json.dumps(
            {
                "windows_per_second": windows_per_second,
                "parameters": sum(p.numel() for p in one.parameters()),
                "epochs": len(clock.steps) / job["epoch_steps"],
                "best_epoch": best["step"] / job["epoch_steps"],
                "best_validation": best["validation"],
                "test": left,
                "test_at_best": best["test"],
                "persistence": {
                    name: [part.mae(part.last), int(part.observed.sum())] for name, part in parts.items()
                },
                "peak_mb": peak_memory_mb(),
                "import_seconds": import_seconds,
                "versions": f"neuralforecast {__import__('neuralforecast').__version__}, torch {torch.__version__}",
            }
        )
    )


if __name__ == "__main__":
    main()
