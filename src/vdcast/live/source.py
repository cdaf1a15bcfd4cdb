"""Which model, which data, and as of when: what every use of a trained run begins with."""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from vdcast import params
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.escape import terminal
from vdcast.layout import CALENDAR, PARAMS
from vdcast.live import recent
from vdcast.live.arguments import model_file
from vdcast.models.shared.trained import Trained
from vdcast.params.formats import Data
from vdcast.params.load import is_name
from vdcast.params.sections import Forecast
from vdcast.prepare.covariates import renewed

WITHOUT_PARAMS = Forecast(folder="forecasts", format="parquet", max_age=3600, alarm=0.05)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained run and the observations that it is used on."""

    trained: Trained
    data: Data | Path  # raw files, as params.yaml says, or a table
    settings: Forecast
    now: int  # Unix seconds
    replay: bool  # as of a time that was given, so that later observations are no surprise

    @property
    def run(self) -> str:
        return self.trained.run["name"]

    def observations(self, steps: int) -> Detectors:
        """The last ``steps`` steps that had ended by now, or all if there are fewer; what lies beyond is said on stderr.

        Raises InputError where they are not of what the run was trained on.
        """
        if isinstance(self.data, Path):
            table, newest = recent.of_table(self.data, steps=steps, now=self.now)
        else:
            table, newest = recent.of_raw(self.data, steps=steps, now=self.now)
        self.trained.task.check_fits(table, self.run)
        if newest > self.now and not self.replay:
            beyond, now = (recent.when(each, table.time_zone) for each in (newest, self.now))
            warn(f"records of up to {beyond} are left out, as this machine's clock says {now}")
        return table


def source(arguments: argparse.Namespace) -> Source:
    """What the arguments of ``live.arguments`` name. Raises InputError where they name nothing that can be used."""
    path = model_file(arguments)
    if PARAMS.exists():
        settings = params.load_live()
        data, of_forecast = settings.data, settings.forecast
    elif arguments.data is None:
        raise InputError(
            f"{PARAMS} does not exist here, which says where the data are; run from the folder that holds it, or name a "
            "table by --data"
        )
    else:
        of_forecast = WITHOUT_PARAMS
    trained = Trained.load(path)
    if not is_name(trained.run["name"]):  # it names a folder, and a file may come from anywhere
        raise InputError(f"'{arguments.model}' is of a run {trained.run['name']!r}, which is no run's name")
    return Source(
        trained=trained,
        data=arguments.data or data,
        settings=of_forecast,
        now=int(time.time()) if arguments.at is None else moment(arguments.at, trained.task.time_zone),
        replay=arguments.at is not None,
    )


def informed(trained: Trained) -> Trained:
    """With what the tables of data/calendar/ say now; what of it the run does not know is said on stderr.

    Raises InputError where a table that the run was trained with cannot be read.
    """
    task = trained.task
    covariates, strange = renewed(task.covariates, task.time_zone)
    if strange:
        warn(
            f"run {trained.run['name']} was trained without {', '.join(strange)} of {CALENDAR}, and takes no notice of it"
        )
    return replace(trained, task=replace(task, covariates=covariates))


def moment(text: str, time_zone: str) -> int:
    """Unix seconds of an ISO 8601 time, local where it has no offset. Raises InputError for any other text."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--at {text!r} is no time such as 2026-10-01T05:00 or 2026-10-01T05:00+08:00"
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=ZoneInfo(time_zone))).timestamp())


def warn(what: str) -> None:
    """On stderr, of what does not stop us."""
    print(terminal(f"vdcast: {what}"), file=sys.stderr, flush=True)
