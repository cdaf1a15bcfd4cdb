"""Stage ``ingest``: ``data.raw`` of params.yaml becomes ``data/detectors.h5`` and ``reports/quality/``."""

import argparse
from pathlib import Path

from vdcast.errors import one_sentence

TABLE = Path("data/detectors.h5")
REPORT = Path("reports/quality")
SCRATCH = Path(".scratch/ingest")


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.ingest", description=__doc__).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.ingest import pipeline

        report = pipeline.ingest(params.load().data, TABLE, REPORT, SCRATCH)
        skipped = f", {len(report['files']['bad'])} bad files skipped" if report["files"]["bad"] else ""
        print(
            f"{TABLE}: {report['steps']} steps x {report['detectors']} detectors x "
            f"{len(report['features'])} features from {report['files']['read']} files{skipped}; "
            f"see {REPORT}/quality.md for what they are worth, then run `dvc repro`"
        )


if __name__ == "__main__":
    main()
