"""Stage ``ingest``: ``data.raw`` of params.yaml becomes ``data/detectors.h5`` and ``reports/quality/quality.json``."""

import argparse

from vdcast.errors import one_sentence
from vdcast.layout import DETECTORS, QUALITY, SPOOL


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.ingest", description=__doc__).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.ingest import detect, pipeline

        settings, why = detect.resolved(params.load().data)
        if why:
            print(why)
        found = pipeline.ingest(settings, DETECTORS, QUALITY, SPOOL)
        skipped = f", {len(found.files.bad)} bad files skipped" if found.files.bad else ""
        print(
            f"{DETECTORS}: {found.steps} steps x {found.detectors} detectors x {len(found.features)} features from "
            f"{found.files.read} files{skipped}; next, what they are worth: dvc repro quality"
        )


if __name__ == "__main__":
    main()
