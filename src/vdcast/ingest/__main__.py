"""Stage ``ingest``: ``data.raw`` of params.yaml becomes ``data/detectors.h5`` and ``reports/quality/``."""

import argparse
import importlib
from pathlib import Path

from vdcast.errors import one_sentence

TABLE = Path("data/detectors.h5")
REPORT = Path("reports/quality")


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.ingest", description=__doc__).parse_args()
    with one_sentence():
        from vdcast import params, store
        from vdcast.ingest import quality

        settings = params.load().data
        table = importlib.import_module(f"vdcast.ingest.{settings.format}").read(settings)
        store.write(TABLE, table)
        quality.write(REPORT, table)
        T, V, F = table.values.shape
        print(
            f"{TABLE}: {T} steps x {V} detectors x {F} features; read {REPORT}/quality.md, then `dvc repro`"
        )


if __name__ == "__main__":
    main()
