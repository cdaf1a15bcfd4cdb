"""Every snippet of docs/formats.md is one that params.yaml takes; every format has one there."""

import re
from pathlib import Path

import pytest
import yaml

from vdcast import params
from vdcast.errors import InputError
from vdcast.params.formats import FORMATS
from vdcast.params.sections import Params

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(r"```yaml\n(data:\n.*?)```", (ROOT / "docs/formats.md").read_text("utf-8"), re.S)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet(tmp_path, snippet):
    document = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    changes = yaml.safe_load(snippet)
    document |= {"data": changes.pop("data")} | {name: document[name] | changes[name] for name in changes}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
    assert params.load(tmp_path / "params.yaml").data.format == document["data"]["format"]


def test_every_format_has_a_section_with_its_recipe_and_a_module():
    page = (ROOT / "docs/formats.md").read_text("utf-8")
    of_section = [set(re.findall(r"^data:\n  format: (\w+)", part, re.M)) for part in page.split("\n## ")]
    assert set().union(*of_section) - {"auto"} == set(FORMATS)
    for name in set(FORMATS) - {"wide_table"}:  # METR-LA comes as one too
        assert sum(name in found for found in of_section) == 1, name
    modules = {path.stem for path in (ROOT / "src/vdcast/ingest/formats").glob("*.py")} - {"__init__"}
    assert modules == set(FORMATS)


@pytest.mark.parametrize("protocol", ["metr_la", "pems0x"])
def test_a_published_protocol_is_one_that_params_takes_and_holds(tmp_path, protocol):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/formats.md").read_text("utf-8"), re.S)
    (changes,) = (yaml.safe_load(block) for block in blocks if f"protocol: {protocol}" in block)
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))

    def load(**more) -> Params:
        document = {**shipped, "data": changes["data"]}
        for section, values in {**changes, **more}.items():
            if section != "data":
                document[section] = {**document[section], **values}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
        return params.load(tmp_path / "params.yaml")

    settings = load()
    assert (settings.window.sequence_length, settings.window.prediction_length) == (12, 12)
    assert settings.evaluate.horizons == [3, 6, 12]
    assert settings.prepare.split == {"metr_la": [0.7, 0.1, 0.2], "pems0x": [0.6, 0.2, 0.2]}[protocol]
    with pytest.raises(InputError, match=f"protocol {protocol} wants window.sequence_length 12"):
        load(window={"lookback": "100min", "horizon": "60min"})
    with pytest.raises(InputError, match=f"protocol {protocol} wants prepare.split"):
        load(prepare=changes["prepare"] | {"split": [0.5, 0.25, 0.25]})
