"""What the stage leaves, through its door."""

import sys

import numpy as np
import yaml

from tests.params.test_load import SHIPPED
from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.layout import DETECTORS, PREPARATION, PREPARED
from vdcast.prepare.__main__ import main
from vdcast.records import io
from vdcast.records.prepare import Dropped, Preparation


def test_it_leaves_the_parts_and_a_record_of_what_was_kept(tmp_path, monkeypatch, detectors):
    document = yaml.safe_load(SHIPPED.read_text("utf-8"))
    document["prepare"] |= {
        "max_missing": 0.5,
        "vds": ["VD-國", "VD-B", "VD-A"],
        "features": ["volume", "speed"],
    }
    document["modes"] = {
        "single_vd": {"target_vd_index": 1},
        "multi_vd": {"num_vds": 2},
        "independent_multi_vd": {"num_vds": 2},
        "global_multi_vd": {"num_vds": 2},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
    values = detectors.values.copy()
    values[:, 1, 0] = 7.0  # VD-B: nothing to forecast
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["prepare"])
    store.write(DETECTORS, Detectors(**{**vars(detectors), "values": values}))
    main()
    assert io.read(PREPARATION, Preparation, "prepare") == Preparation(
        asked=["VD-國", "VD-B", "VD-A"],
        kept=["VD-國", "VD-A"],
        target_vd="VD-A",
        dropped=[Dropped("VD-B", "vd", "volume is constant: there is nothing to forecast")],
    )
    (prepared,) = store.read_prepared(PREPARED, store.PARTS)
    assert prepared.parts["test"].vd_ids == ("VD-國", "VD-A") and prepared.mean.shape == (2, 2)
    assert prepared.profile.shape == (7 * 24, 2, 2) and prepared.own_day_out.shape == (288, 2, 2)
    np.testing.assert_array_equal(prepared.parts["train"].timestamps, detectors.timestamps[:288])
    assert "- VD-B: volume is constant" in (tmp_path / "reports/prepare.md").read_text("utf-8")
