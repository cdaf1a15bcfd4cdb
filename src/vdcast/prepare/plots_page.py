"""The page that ``dvc plots show`` and ``dvc plots diff`` fill, able to draw without network.

DVC's own page loads Vega from the internet. This one carries it, and knows the unit of the forecast, which dvc.yaml
cannot: its labels say "original units".
"""

from vdcast.escape import html
from vdcast.layout import REPORTS
from vdcast.vega import vega

PAGE = REPORTS / "plots_page.html"  # named in .dvc/config: plots.html_template

# DVC writes one `vegaEmbed('#id', spec)` per plot, with an empty spec where a plot has no data yet.
EMBED = """
window.vegaEmbed = (selector, spec) => {
  const place = document.querySelector(selector);
  if (!spec.data) {
    place.textContent = `${place.id.replaceAll("_", " ")}: nothing to plot yet; run dvc repro`;
    return;
  }
  const inUnit = (key, value) => typeof value === "string" ? value.replace("original units", document.body.dataset.unit) : value;
  const said = JSON.parse(JSON.stringify(spec), inUnit);
  vegaEmbed(place, said, {renderer: "svg"}).catch((error) => {
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
<body data-unit="{unit}">
<h1>LSTM against xLSTM</h1>
<p>Click a model in a legend to single it out. Drag to move a chart, hold <kbd>Shift</kbd> and scroll
to zoom it; a double click brings it back. The days of the last chart are chosen below it.</p>
{plot_divs}
</body>
</html>
"""


def page(unit: str) -> str:
    """The HTML that ``plots.html_template`` wants: placeholders for DVC, and all of Vega (about 0.9 MB)."""
    no_placeholder = html(unit).replace("{", "&#123;")
    return HTML.replace("{unit}", no_placeholder).replace("{vega}", vega(EMBED))


def write(unit: str) -> None:
    """Leave the page where .dvc/config says that DVC finds it; ``unit`` is that of the headline target."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(unit), "utf-8")
