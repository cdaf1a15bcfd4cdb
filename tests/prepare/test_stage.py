"""What the stage leaves, through its door."""

import sys

import numpy as np
import yaml

from tests.params.test_load import SHIPPED
from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.language import Said, in_words
from vdcast.layout import DETECTORS, PREPARATION, PREPARED
from vdcast.prepare.__main__ import main
from vdcast.records import io
from vdcast.records.prepare import Amount, Dropped, Preparation

TOO_LITTLE = (
    "Too little data for an answer that lasts: the training part has 12.0 of 14 days: no weekday is seen twice, so what "
    "is usual on it cannot be told from chance; the validation part has 4.0 of 7 days: the epoch of each network is chosen "
    "by less than a week; the test part has 4.0 of 7 days: the answer is about these days, and not about a week; 35 days "
    "at this split would do."
)


def test_it_leaves_the_parts_and_a_record_of_what_was_kept(tmp_path, monkeypatch, detectors, capsys):
    document = yaml.safe_load(SHIPPED.read_text("utf-8"))
    document["prepare"] |= {
        "max_missing": 0.5,
        "vds": ["VD-國", "VD-B", "VD-A"],
        "features": ["volume", "speed"],
    }
    document["evaluate"]["horizons"] = ["60min"]
    document["data"]["interval"] = 3600
    document["modes"] = {
        "single_vd": {"target_vd_index": 1},
        "multi_vd": {"num_vds": 2},
        "independent_multi_vd": {"num_vds": 2},
        "global_multi_vd": {"num_vds": 2},
        "social": document["modes"]["social"] | {"num_vds": 2},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
    values = detectors.values.copy()
    values[:, 1, 0] = 7.0  # VD-B: nothing to forecast
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["prepare"])
    store.write(DETECTORS, Detectors(**{**vars(detectors), "values": values}))
    main()
    record = io.read(PREPARATION, Preparation, "prepare")
    short = record.amount.too_little
    assert short and in_words(short) == TOO_LITTLE
    assert record == Preparation(
        asked=["VD-國", "VD-B", "VD-A"],
        kept=["VD-國", "VD-A"],
        target_vd="VD-A",
        dropped=[
            Dropped(
                "VD-B", "vd", Said("language.dropped.constant", {"feature": Said("language.feature.volume")})
            )
        ],
        amount=Amount(days={"train": 12.0, "validation": 4.0, "test": 4.0}, weeks=1, too_little=short),
    )
    (prepared,) = store.read_prepared(PREPARED, store.PARTS)
    assert prepared.parts["test"].vd_ids == ("VD-國", "VD-A") and prepared.mean.shape == (2, 2)
    assert prepared.profile.shape == (7 * 24, 2, 2) and prepared.own_day_out.shape == (288, 2, 2)
    np.testing.assert_array_equal(prepared.parts["train"].timestamps, detectors.timestamps[:288])
    report = (tmp_path / "reports/prepare.md").read_text("utf-8")
    assert "- VD-B: volume is constant" in report and f"\n**{TOO_LITTLE}**\n" in report
    assert "\n| train | 12.0 |" in report and "has 1 whole week:" in report
    said = capsys.readouterr().out
    assert "forecasts look back 300 min and go 60 min ahead, a value every 60 min" in said
    assert said.splitlines()[-1] == TOO_LITTLE
