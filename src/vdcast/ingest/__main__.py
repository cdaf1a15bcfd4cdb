"""Stage ``ingest``: ``data.raw`` of params.yaml becomes ``data/detectors.h5`` and ``reports/quality/``."""

import argparse

from vdcast.errors import one_sentence
from vdcast.layout import DETECTORS, REPORTS, SPOOL

REPORT = REPORTS / "quality"


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.ingest", description=__doc__).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.ingest import detect, pipeline

        settings, why = detect.resolved(params.load().data)
        if why:
            print(why)
        report = pipeline.ingest(settings, DETECTORS, REPORT, SPOOL)
        skipped = f", {len(report['files']['bad'])} bad files skipped" if report["files"]["bad"] else ""
        print(
            f"{DETECTORS}: {report['steps']} steps x {report['detectors']} detectors x "
            f"{len(report['features'])} features from {report['files']['read']} files{skipped}; "
            f"see {REPORT}/quality.md for what they are worth, then run `dvc repro`"
        )


if __name__ == "__main__":
    main()
