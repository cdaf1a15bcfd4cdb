"""Select, check, split and describe: data/detectors.h5 -> data/prepared.h5.

    python -m vdcast.prepare

The time axis is split first; everything that is learned from data (what to drop, mean, standard deviation,
weekly profile) is then learned from the training part alone. Windows are cut later, inside each part, so
none crosses a border.
"""

import argparse

from vdcast.errors import one_sentence
from vdcast.layout import DETECTORS, PREPARATION, PREPARED

REPORT = PREPARATION.with_suffix(".md")


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.prepare", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from dataclasses import replace

        from vdcast import params
        from vdcast.data import store
        from vdcast.language import in_words, speaking
        from vdcast.params.times import minutes
        from vdcast.prepare import plots_page
        from vdcast.prepare.amount import amount_of
        from vdcast.prepare.covariates import covariates_of, known_ahead
        from vdcast.prepare.split import asked, prepare
        from vdcast.prepare.usable import check_fits
        from vdcast.prepare.words import describe
        from vdcast.records import io
        from vdcast.records.prepare import Preparation

        settings = params.load()
        table = store.read(DETECTORS)
        table = replace(table, covariates=covariates_of(settings.calendar, table))
        folds, dropped = prepare(table, settings.prepare, settings.evaluate.folds)
        for prepared in folds:
            check_fits(prepared, settings)
        kept = list(folds[0].parts["train"].vd_ids)
        record = Preparation(
            asked=asked(table, settings.prepare),
            kept=kept,
            target_vd=kept[settings.modes.target_vd_index],
            dropped=dropped,
            amount=amount_of([fold.parts for fold in folds], settings.evaluate.folds),
        )
        store.write_prepared(PREPARED, folds)
        io.write(PREPARATION, record)
        with speaking(settings.report.language):
            ahead = known_ahead(folds[-1].parts, settings.window)
            REPORT.write_text(describe(folds, record) + ahead, "utf-8")
            # here, so that it is there for `dvc plots show` whichever model is trained
            target = settings.prepare.targets[0]
            plots_page.write(target, table.units[table.features.index(target)])
        print(
            f"{PREPARED}: {len(kept)} VDs kept, {len(dropped)} VDs or features dropped (why: {REPORT}); forecasts look "
            f"back {minutes(settings.window.sequence_length * table.interval)} and go "
            f"{minutes(settings.window.prediction_length * table.interval)} ahead, a value every {minutes(table.interval)}"
        )
        if record.amount.too_little:
            print(in_words(record.amount.too_little))


if __name__ == "__main__":
    main()
