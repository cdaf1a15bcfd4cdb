"""What comes next at every VD, by a trained run from the newest data, as one parquet or CSV file.

    vdcast forecast lstm-multi_vd

Reads what is new under `data.raw`, and nothing twice. A folder with params.yaml (its sections `data` and `forecast` are
enough), runs/RUN/model.pt and the data is all that it takes; with --model and --data, those two. A VD whose newest
observation is older than `forecast.max_age` gets no forecast, and a warning; where that is every VD, nothing is written.
"""

from pathlib import Path

from vdcast.errors import one_sentence
from vdcast.live import arguments

NAMED = 5  # VDs in a warning


def main() -> None:
    parser = arguments.parser("forecast", __doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="a .parquet or .csv, in place of the record")
    given = parser.parse_args()
    with one_sentence():
        print(forecast(given))


def forecast(given) -> Path:
    """The file that was written."""
    from vdcast.live import issue, recent, record
    from vdcast.live.source import informed, source, warn

    of = source(given)
    trained, folder = informed(of.trained), Path(of.settings.folder)
    task = trained.task
    path = given.out or record.path_of(folder, of.run, of.now, of.settings.format)
    record.check_name(path)
    observed = recent.lookback(of.observations(task.length), task)
    issued = issue.issue(trained, observed, now=of.now, max_age=of.settings.max_age)
    if silent := issued.silent:
        some = ", ".join(silent[:NAMED]) + ", ..." * (len(silent) > NAMED)
        warn(
            f"{len(silent)} of {len(task.vd_ids)} VDs get no forecast, as they have no recent observation: {some}"
        )
    if unsaid := recent.steps_without_weather(trained.next_window(observed), task):
        warn(
            f"no weather was issued in time for {unsaid} of the {task.horizon} steps ahead; see data/calendar/"
        )
    record.write(path, issued)
    return path
