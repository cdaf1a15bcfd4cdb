"""Read params.yaml and check it, whole, before any stage does any work.

Every key, type and combination is checked, and every run with its overrides applied. What depends on the data
(``num_vds``, names of VDs, length of the parts) is checked by ``prepare``.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from vdcast.errors import InputError
from vdcast.layout import PARAMS
from vdcast.params.modes import MODES
from vdcast.params.networks import NETWORKS
from vdcast.params.section import Section
from vdcast.params.sections import Live, Params, Sections, Source, Train
from vdcast.params.times import in_steps
from vdcast.params.words import check, suggest


def load(path: Path = PARAMS) -> Params:
    """Read and check the whole file. Raises InputError: which key, what it says, what is allowed."""
    document = _read(path)
    _check_names(document)
    source = check("", Source, {key: document[key] for key in Source.model_fields if key in document})
    document = in_steps(document, source.data.interval)
    check("", Sections, {key: value for key, value in document.items() if key != "runs"})
    runs = {name: _resolve_run(name, line, document) for name, line in _runs(document).items()}
    return check("", Params, {**document, "runs": runs})


def load_live(path: Path = PARAMS) -> Live:
    """The sections ``data`` and ``forecast``, of a file that may hold the others, or lack them: no one needs to train.

    Raises InputError as ``load`` does, and for the name of a section that is none.
    """
    document = _read(path)
    _check_names(document)
    return check("", Live, {key: document[key] for key in Live.model_fields if key in document})


def _read(path: Path) -> dict[str, Any]:
    """What the file says, by section."""
    try:
        document = yaml.load(Path(path).read_text("utf-8"), _Yaml)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist here; run from the folder that holds dvc.yaml") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} holds {type(document).__name__}, not sections of settings")
    return document


class _Yaml(yaml.SafeLoader):
    """PyYAML reads 1e-3 as text (YAML 1.1); DVC, like everyone who types it, means a number.

    Of a key that stands twice it takes the last value without a word; here it is refused, as by DVC.
    """

    def construct_mapping(self, node, deep=False):
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = key.value, key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(name, str):
                if name in lines:
                    raise InputError(
                        f"{PARAMS}: {name} stands twice, in lines {lines[name]} and {line}; keep one"
                    )
                lines[name] = line
        return super().construct_mapping(node, deep)


_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _check_names(document: dict) -> None:
    """Raises InputError for a section that is none."""
    sections = list(Params.model_fields)
    for key in document:
        if key not in sections:
            raise InputError(f"{PARAMS}: {key} is not a setting{suggest(str(key), sections)}")


def _runs(document: dict) -> dict[str, dict]:
    runs = document.get("runs")
    if not isinstance(runs, dict) or not runs or not all(isinstance(line, dict) for line in runs.values()):
        raise InputError(
            f"{PARAMS}: runs must be lines like `lstm-single_vd: {{model: lstm, mode: single_vd}}`"
        )
    return runs


def _check_line(where: str, line: dict[str, Any]) -> None:
    """Raises InputError unless the line names a model, a mode, and settings of that model alone."""
    known = {"model": list(NETWORKS), "mode": list(MODES)}
    for key, names in known.items():
        if key in line and line[key] not in names:
            raise InputError(f"{PARAMS}: {where}.{key} = {line[key]!r}: allowed are {', '.join(names)}")
    networks = [NETWORKS[line["model"]]] if "model" in line else NETWORKS.values()
    settings = [name for section in (*networks, Train) for name in section.model_fields] + ["covariates"]
    allowed = [*dict.fromkeys([*known, *settings])]
    for key in line:
        if key not in allowed:
            raise InputError(f"{PARAMS}: {where}.{key} is not a setting{suggest(str(key), allowed)}")
    for key, names in known.items():
        if key not in line:
            raise InputError(f"{PARAMS}: {where}.{key} is missing (allowed: {', '.join(names)})")


def is_name(name: object) -> bool:
    """Whether ``name`` may be a run's: part of a path and of a command."""
    return isinstance(name, str) and bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name))


def _resolve_run(name: str, line: dict[str, Any], document: dict) -> dict[str, Any]:
    """A run's line laid over its model's section and over ``train``."""
    where = f"runs.{name}"
    if not is_name(name):
        raise InputError(
            f"{PARAMS}: {where}: a run is named with letters, digits, '_' and '-' alone, and no '-' in front; it "
            "names a folder, and stands in a command"
        )
    if name == "naive":
        raise InputError(f"{PARAMS}: {where}: 'naive' is the baselines' folder; name the run otherwise")
    _check_line(where, line)
    model, mode = line["model"], line["mode"]
    overrides = {key: value for key, value in line.items() if key not in ("model", "mode")}

    def overridden(section: str, fields: type[Section]) -> Section:
        changed = {key: value for key, value in overrides.items() if key in fields.model_fields}
        return check(where, fields, {**document[section], **changed})

    return {
        "name": name,
        "model": model,
        "mode": mode,
        "network": overridden(model, NETWORKS[model]),
        "train": overridden("train", Train),
        "covariates": line.get("covariates", True),
    }
