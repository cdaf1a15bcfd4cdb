"""What makes the stage ``ingest`` run again, with real `dvc` commands."""

import json

import pytest
import yaml

from tests.ingest.raw import as_json, lane, put, utc, vd, vdlive
from tests.pipeline.conftest import make_clone

pytestmark = pytest.mark.slow

T = utc("2026-10-01T05:07:00+08:00")


def vd_list(lon: float) -> bytes:
    return json.dumps({"VDs": [{"VDID": "A", "PositionLon": lon, "PositionLat": 25.0}]}).encode()


def test_a_changed_list_of_vds_runs_ingest_again_and_nothing_else_does(tmp_path):
    clone = make_clone(tmp_path)
    raw = clone.path / "data/raw/vdlive"
    put(raw / "VDLive_0507.json", as_json(vdlive(vd("A", T, lane(50, 1, 2)))))
    put(raw / "VD.json", vd_list(121.5))
    params = yaml.safe_load((clone.path / "params.yaml").read_text("utf-8"))
    params["data"] = {"format": "taiwan_vdlive", "raw": "data/raw/vdlive", "vd_list": "VD.json"}
    params["window"] = {"lookback": "20min", "horizon": "4min"}
    params["evaluate"]["horizons"] = ["1min", "4min"]
    (clone.path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    table = clone.path / "data/detectors.h5"

    assert clone.repro("ingest") == {"ingest"}
    first = table.read_bytes()
    assert clone.repro("ingest") == set()
    put(raw / "VD.json", vd_list(121.6))
    assert clone.repro("ingest") == {"ingest"}
    assert table.read_bytes() != first
