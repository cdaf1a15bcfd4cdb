"""The page that ``dvc plots show`` and ``dvc plots diff`` fill, able to draw without network.

DVC's own page loads Vega from the internet. This one carries it, and tells the charts in the language of the reports,
with the unit of the forecast: dvc.yaml and the templates in .dvc/plots/ know neither, and say "original units".
"""

import json

from vdcast.escape import html
from vdcast.language import feature, say, sentences, speaking, spoken, text
from vdcast.layout import REPORTS
from vdcast.vega import vega

PAGE = REPORTS / "plots_page.html"  # named in .dvc/config: plots.html_template
UNKNOWN_UNIT = "original units"  # in dvc.yaml
CHARTS = "prepare.plots.chart."  # sentences of dvc.yaml and of the templates

# DVC writes one `vegaEmbed('#id', spec)` per plot, with an empty spec where a plot has no data yet.
EMBED = """
window.vegaEmbed = (selector, spec) => {
  const place = document.querySelector(selector);
  const words = JSON.parse(document.body.dataset.words);
  const said = (text) => Object.hasOwn(words, text) ? words[text] : text;
  if (!spec.data) {
    place.textContent = `${said(place.id.replaceAll("_", " "))}: ${said("nothing to plot yet; run dvc repro")}`;
    return;
  }
  const inWords = new Set(["title", "text", "subtitle", "name", "format", "date", "day", "week", "month"]);
  const tell = (key, value) => {
    if (typeof value !== "string") return value;
    return key === "labelExpr" ? `said(${value})` : inWords.has(key) ? said(value) : value;
  };
  const told = JSON.parse(JSON.stringify({...spec, data: null}), tell);
  vegaEmbed(place, {...told, data: spec.data}, {renderer: "svg", expressionFunctions: {said}}).catch((error) => {
    place.textContent = `${place.id}: ${error.message}`;
    console.error(error);
  });
};
"""

# {refresh_tag} and {plot_divs} are DVC's; DVC's {scripts}, the links to the internet, is left out.
HTML = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh_tag}
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #222; }
  body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
  body > div { margin: 1rem 0; }
  .vega-embed { max-width: 100%; overflow-x: auto; }
  kbd { border: 1px solid #bbb; border-radius: 3px; padding: 0 .3em; font-size: .85em; }
</style>
<script>{vega}</script>
</head>
<body data-words="{words}">
<h1>{title}</h1>
<p>{how}</p>
{plot_divs}
</body>
</html>
"""


def words(target: str, unit: str) -> dict[str, str]:
    """What dvc.yaml and the templates say, and the names of forecasts in the data, by what is shown in their place."""
    names = [name for key in sentences("prepare") if (name := f"prepare.{key}").startswith(CHARTS)]
    with speaking("en"):
        english = {text(name): name for name in names}
    found = {said: text(name) for said, name in english.items()}
    known = {"target": feature(target), "unit": unit}
    for key in ("prepare.plots.error", "prepare.plots.value"):
        with speaking("en"):
            declared = say(key, target=target, unit=UNKNOWN_UNIT)
        found[declared] = say(key, **known)
    labels = [key for key in sentences("language") if key.startswith("label.")]
    return found | {key.removeprefix("label."): text(f"language.{key}") for key in labels}


def page(target: str, unit: str) -> str:
    """The HTML that ``plots.html_template`` wants: placeholders for DVC, and all of Vega (about 0.9 MB)."""
    told = html(json.dumps(words(target, unit), ensure_ascii=False))
    no_placeholder = told.replace("{", "&#123;")
    shown = {
        "language": spoken(),
        "title": say("prepare.plots.title"),
        "how": say("prepare.plots.how"),
        "words": no_placeholder,
        "vega": vega(EMBED),
    }
    filled = HTML
    for name, value in shown.items():
        filled = filled.replace(f"{{{name}}}", value)
    return filled


def write(target: str, unit: str) -> None:
    """Leave the page where .dvc/config says that DVC finds it, for the headline ``target`` in its ``unit``."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(target, unit), "utf-8")
