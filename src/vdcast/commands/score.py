"""How a run's earlier forecasts fared beside what has come since, and whether it has fallen behind.

    vdcast score lstm-multi_vd

Mean absolute error by horizon and VD of the last day and week, of the forecasts that `vdcast forecast` has kept, against
persistence, the profile and the linear forecast, from the same observations at the time. Printed as tables; written as
score.csv and, for the text collector of Prometheus, score.prom beside the forecasts. Status 3 is the alarm: over the last
week the network's MAE is more than the share `forecast.alarm` above that of the best simple one, and wants to be trained anew;
no alarm is raised of forecasts from fewer than 24 different hours.
"""

import sys
from pathlib import Path

from vdcast.errors import InputError, one_sentence
from vdcast.live import arguments

ALARM = 3  # the exit status


def main() -> None:
    parser = arguments.parser("score", __doc__.split("\n")[0])
    parser.add_argument(
        "--prometheus", type=Path, metavar="FILE", help="in place of score.prom beside the forecasts"
    )
    given = parser.parse_args()
    with one_sentence():
        sentence = score(given)
    if sentence:
        print(f"vdcast: {sentence}", file=sys.stderr)
        sys.exit(ALARM)


def score(given) -> str | None:
    """Prints and writes the scores; the alarm, where there is one."""
    from vdcast.live import recent, record, words
    from vdcast.live import score as live
    from vdcast.live.source import source

    of = source(given)
    task, folder = of.trained.task, Path(of.settings.folder)
    steps = live.LONGEST // task.interval + 1
    observed = recent.aligned(of.observations(steps), task, steps=steps)
    since = of.now - live.LONGEST - task.interval * task.horizon
    kept = record.kept(folder, of.run, task, since=since, until=of.now)
    found = live.score(kept, observed, task, now=of.now)
    week = found["week"]
    if not week.count[..., 0].any():
        raise InputError(
            f"'{folder / of.run}' holds no forecast of the week before {recent.when(of.now, task.time_zone)} beside which "
            f"an observation has come; `vdcast forecast {of.run}` makes forecasts"
        )
    alarm = live.behind(week, of.settings.alarm)
    print(words.tables(found, task))
    if of.settings.alarm is not None and len(week.hours) < live.ENOUGH:
        print(
            f"\nToo little for an alarm: of the last week, forecasts that began in {len(week.hours)} different hours are "
            f"scored; {live.ENOUGH} are needed"
        )
    words.write_csv(folder / of.run / "score.csv", found, task)
    lines = words.prometheus(found, task, run=of.run, now=of.now, alarm=alarm)
    words.write_prometheus(given.prometheus or folder / of.run / "score.prom", lines)
    best, simple, network = live.ahead_of(week)
    return (
        f"run {of.run} has fallen behind over the last week: MAE {network:.4g} against {simple:.4g} {task.units[0]} of "
        f"{best}; train it on newer data"
        if alarm
        else None
    )
