"""The page that ``dvc plots show`` and ``dvc plots diff`` fill, able to draw without network.

    python -m vdcast.plots_page

DVC's own page loads Vega from the internet. This one carries it, as ``vl-convert-python`` packs it.
"""

import argparse

from vdcast.errors import one_sentence
from vdcast.layout import REPORTS

PAGE = REPORTS / "plots_page.html"  # named in .dvc/config: plots.html_template

# 6.4, the newest in vl-convert-python 1.9, writes "undefined" into the tooltip of the nearest point.
VEGA_LITE = "6.1"

# DVC writes one `vegaEmbed('#id', spec)` per plot, with an empty spec where a plot has no data yet.
EMBED = """
window.vegaEmbed = (selector, spec) => {
  const place = document.querySelector(selector);
  if (!spec.data) {
    place.textContent = `${place.id.replaceAll("_", " ")}: nothing to plot yet; run dvc repro`;
    return;
  }
  vegaEmbed(place, spec, {renderer: "svg"}).catch((error) => {
    place.textContent = `${place.id}: ${error.message}`;
    console.error(error);
  });
};
"""

# {refresh_tag} and {plot_divs} are DVC's; DVC's {scripts}, the links to the internet, is left out.
HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>vdcast plots</title>
<link rel="icon" href="data:,">
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #222; }
  body { max-width: 1120px; margin: 2rem auto; padding: 0 1rem; }
  body > div { margin: 1rem 0; overflow-x: auto; }
  kbd { border: 1px solid #bbb; border-radius: 3px; padding: 0 .3em; font-size: .85em; }
</style>
<script>{vega}</script>
</head>
<body>
<h1>LSTM against xLSTM</h1>
<p>Click a model in a legend to single it out. Drag to move a chart, hold <kbd>Shift</kbd> and scroll
to zoom it; a double click brings it back.</p>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """The HTML that ``plots.html_template`` wants: placeholders for DVC, and all of Vega (about 0.9 MB)."""
    return HTML.replace("{vega}", vega(EMBED))


def vega(script: str) -> str:
    """All of Vega, Vega-Lite and vegaEmbed as one script (about 0.9 MB), with ``script``, which can call them."""
    import vl_convert  # loads a JavaScript engine: not for `--help`

    return vl_convert.javascript_bundle(script, vl_version=VEGA_LITE)


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m vdcast.plots_page", description=__doc__.split("\n")[0]
    ).parse_args()
    with one_sentence():
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
