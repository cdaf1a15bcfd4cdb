"""Select, check, split and describe: data/detectors.h5 -> data/prepared.h5.

    python -m vdcast.prepare

The time axis is split first; everything that is learned from data (what to drop, mean, standard
deviation) is then learned from the training part alone. Windows are cut later, inside each part, so
none crosses a border.
"""

import argparse

from vdcast.errors import one_sentence
from vdcast.layout import DETECTORS, PREPARED, REPORTS

REPORT = REPORTS / "prepare.md"


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.prepare", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.data import store
        from vdcast.prepare import plots_page
        from vdcast.prepare.split import prepare
        from vdcast.prepare.usable import check_fits
        from vdcast.prepare.words import describe

        settings = params.load()
        prepared, dropped = prepare(store.read(DETECTORS), settings.prepare)
        check_fits(prepared, settings)
        store.write_prepared(PREPARED, prepared)
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(describe(prepared, dropped), "utf-8")
        plots_page.write()  # here, so that it is there for `dvc plots show` whichever model is trained
        V = len(prepared.parts["train"].vd_ids)
        print(f"{PREPARED}: {V} VDs kept, {len(dropped)} VDs or features dropped (why: {REPORT})")


if __name__ == "__main__":
    main()
