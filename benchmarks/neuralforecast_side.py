"""neuralforecast's half of frameworks.py; runs in an environment of its own, which lacks vdcast.

    python neuralforecast_side.py job.npz job.json      # prints one line of JSON

job.npz: y (T,) scaled, observed (T,) bool, calendar (T, E). job.json: model, lookback, horizon, batch,
width, layers, learning_rate, threads, seed, validation and test (steps), seconds, steps.
"""

import json
import logging
import resource
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


class Clock(pl.Callback):
    """When each training step ended, and each validation loss with its step."""

    def __init__(self):
        self.steps, self.validation = [], []

    def __deepcopy__(self, memo):  # NeuralForecast trains a copy of the model that it is given
        return self

    def on_train_batch_end(self, trainer, model, *_):
        self.steps.append(time.perf_counter())

    def on_validation_end(self, trainer, model):
        if not trainer.sanity_checking and "valid_loss" in trainer.callback_metrics:
            self.validation.append([len(self.steps), float(trainer.callback_metrics["valid_loss"])])


def model(job: dict, clock: Clock, **budget):
    common = dict(
        h=job["horizon"], input_size=job["lookback"], loss=MAE(), batch_size=1, windows_batch_size=job["batch"],
        learning_rate=job["learning_rate"], scaler_type="identity", random_seed=job["seed"],
        encoder_hidden_size=job["width"], decoder_hidden_size=job["width"], futr_exog_list=job["calendar"],
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, callbacks=[clock], **budget,
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
    NeuralForecast([model(job, clock, max_steps=job["steps"])], freq=freq).fit(frame[: T - job["test"]])
    half = len(clock.steps) // 2
    windows_per_second = job["batch"] * (len(clock.steps) - 1 - half) / (clock.steps[-1] - clock.steps[half])

    clock = Clock()  # accuracy: so many seconds, validated once an epoch
    one = model(
        job, clock, max_steps=10**6, max_time={"seconds": job["seconds"]}, val_check_steps=job["epoch_steps"]
    )
    fitted = NeuralForecast([one], freq=freq)
    forecast = fitted.cross_validation(
        frame, val_size=job["validation"], test_size=job["test"], n_windows=None, step_size=1
    )
    name = next(c for c in forecast.columns if c in ("LSTM", "xLSTM"))
    first = frame.ds[T - job["test"] + job["lookback"] - 1]  # ours see the test part alone
    scored = forecast[forecast.cutoff >= first].merge(frame[["ds", "available_mask"]], on="ds")
    scored = scored[scored.available_mask > 0]
    best = min(clock.validation, key=lambda each: each[1], default=[0, float("nan")])
    print(
        json.dumps(
            {
                "windows_per_second": windows_per_second,
                "parameters": sum(p.numel() for p in one.parameters()),
                "epochs": len(clock.steps) / job["epoch_steps"],
                "best_epoch": best[0] / job["epoch_steps"],
                "best_validation": best[1],
                "test": float((scored[name] - scored.y).abs().mean()),
                "scored": len(scored),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
                "import_seconds": import_seconds,
                "versions": f"neuralforecast {__import__('neuralforecast').__version__}, torch {torch.__version__}",
            }
        )
    )


if __name__ == "__main__":
    main()
