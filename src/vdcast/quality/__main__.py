"""Stage ``quality``: what the data is worth, reports/quality/quality.json -> quality.md and its pictures.

python -m vdcast.quality
"""

import argparse

from vdcast.errors import one_sentence
from vdcast.layout import QUALITY

REPORT = QUALITY.with_suffix(".md")


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.quality", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.language import speaking
        from vdcast.quality import pictures
        from vdcast.quality.words import markdown
        from vdcast.records import io
        from vdcast.records.quality import Quality

        found = io.read(QUALITY, Quality, "ingest")
        with speaking(params.load().report.language):
            REPORT.write_text(markdown(found), "utf-8")
            pictures.coverage(REPORT.with_name("coverage.png"), found)
            pictures.missing(REPORT.with_name("missing.png"), found)
        print(f"read {REPORT}; next: dvc repro")


if __name__ == "__main__":
    main()
