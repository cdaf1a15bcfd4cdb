from pathlib import Path

import pytest
import yaml

from vdcast import params
from vdcast.errors import InputError
from vdcast.params.modes import Modes
from vdcast.params.networks import NETWORKS
from vdcast.params.sections import Run

SHIPPED = Path(__file__).parents[2] / "params.yaml"


def write(folder: Path, *changes: tuple[str, object], drop: str | None = None) -> Path:
    """The shipped params.yaml with dotted keys set."""
    document = yaml.safe_load(SHIPPED.read_text("utf-8"))
    for dotted, value in changes:
        *sections, key = dotted.split(".")
        section = document
        for name in sections:
            section = section[name]
        section[key] = value
    if drop:
        *sections, key = drop.split(".")
        section = document
        for name in sections:
            section = section[name]
        del section[key]
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path


def test_the_shipped_file_has_a_run_of_each_model_in_each_mode():
    settings = params.load(SHIPPED)
    pairs = {(run.model, run.mode) for run in settings.runs.values()}
    assert len(settings.runs) == 8
    assert pairs == {(m, k) for m in NETWORKS for k in Modes.model_fields if k != "social"}


def test_a_run_changes_only_itself(tmp_path):
    path = write(
        tmp_path, ("runs.lstm-multi_vd", {"model": "lstm", "mode": "multi_vd", "batch_size": 7, "epochs": 3})
    )
    settings = params.load(path)
    changed, other = settings.run("lstm-multi_vd"), settings.run("lstm-single_vd")
    assert (changed.network.batch_size, changed.train.epochs) == (7, 3)
    assert other.network == settings.lstm and other.train == settings.train


def test_quantiles_are_off_unless_switched_on_for_all_or_for_one_run(tmp_path):
    settings = params.load(SHIPPED)
    assert all(run.train.quantiles == [] for run in settings.runs.values())
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    settings = params.load(write(tmp_path, ("train.quantiles", levels)))
    assert all(run.train.quantiles == levels for run in settings.runs.values())


def test_numbers_as_yaml_1_2_writes_them(tmp_path):
    path = write(tmp_path)
    rate = params.load(path).lstm.learning_rate
    text = path.read_text("utf-8")
    path.write_text(text.replace(f"learning_rate: {rate}", "learning_rate: 1e-3", 1), "utf-8")
    assert params.load(path).lstm.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("xlstm.num_blcks", 3), "xlstm.num_blcks is not a setting; did you mean num_blocks?"),
        (("xlstm.num_blocks", "six"), "xlstm.num_blocks = 'six' (str)"),
        (("xlstm.num_blocks", True), "xlstm.num_blocks = True (bool)"),
        (("xlstm.slstm_at", [99]), "slstm_at [99] names block 99; num_blocks"),
        (("xlstm.slstm_at", [0, 0]), "slstm_at [0, 0] names a block twice"),
        (("xlstm.num_heads", 3), "num_heads 3 must divide embedding_dim"),
        (("xlstm.context_length", 3), "xlstm.context_length 3 (run xlstm-single_vd) is below the lookback of 20 steps, 300 min; raise it"),
        (("xlstm.kernel", "cuda"), "xlstm.kernel = 'cuda' (str): input should be 'vanilla' or 'native'"),
        (("xlstm.slstm_backend", "gpu"), "xlstm.slstm_backend = 'gpu' (str): input should be 'auto', 'vanilla' or 'cuda'"),
        (("modes.single_vd.target_vd_index", 40), "target_vd_index 40 is not among the"),
        (("modes.multi_vd.num_vds", 0), "modes.multi_vd.num_vds = 0 (int)"),
        (("prepare.split", [0.6, 0.2, 0.3]), "adds up to 1.1, not to 1"),
        (("prepare.targets", ["speed"]), "targets ['speed'] are not among features ['volume']"),
        (("train.seeds", [1, 1]), "seeds [1, 1] repeat"),
        (("train.device", "tpu"), "train.device = 'tpu'"),
        (("train.quantiles", [0.1, 0.9]), "train.quantiles: quantiles [0.1, 0.9] lack 0.5, the median"),
        (("train.quantiles", [0.9, 0.5, 0.1]), "quantiles [0.9, 0.5, 0.1] are not in ascending order"),
        (("train.quantiles", [0.1, 0.1, 0.5, 0.9, 0.9]), "are not in ascending order"),
        (("train.quantiles", [0.0, 0.5, 1.0]), "quantiles [0.0, 0.5, 1.0]: 0 is not between 0 and 1"),
        (("train.quantiles", [10.0, 50.0, 90.0]), "quantiles [10.0, 50.0, 90.0]: 10 is not between 0 and 1"),
        (("train.quantiles", [0.1, 0.5, 0.8]), "quantiles [0.1, 0.5, 0.8]: 0.1 has no partner 0.9; an interval has two ends"),
        (("train.quantiles", [0.5]), "quantiles [0.5] hold no interval; take [] for the median alone"),
        (("train.quantiles", "on"), "train.quantiles = 'on' (str): input should be a valid list"),
        (("lstm.dropout", 1.0), "lstm.dropout = 1.0 (float)"),
        (("runs.lstm-multi_vd", {"model": "gru", "mode": "multi_vd"}), "runs.lstm-multi_vd.model = 'gru': allowed are lstm, xlstm"),
        (("runs.lstm-multi_vd", {"model": "lstm", "mode": "all"}), "runs.lstm-multi_vd.mode = 'all': allowed are single_vd, multi_vd, independent_multi_vd"),
        (("runs.lstm-multi_vd", {"model": "lstm", "mode": 3}), "runs.lstm-multi_vd.mode = 3: allowed are single_vd, multi_vd, independent_multi_vd"),
        (("runs.lstm-multi_vd", {"model": "lstm"}), "runs.lstm-multi_vd.mode is missing (allowed: single_vd, multi_vd, independent_multi_vd, global_multi_vd, social)"),
        (("runs.lstm-multi_vd", {"mode": "multi_vd"}), "runs.lstm-multi_vd.model is missing (allowed: lstm, xlstm)"),
        (("runs.lstm-multi_vd", {"model": "lstm", "mod": "multi_vd"}), "runs.lstm-multi_vd.mod is not a setting; did you mean mode?"),
        (("runs.lstm-multi_vd", {"modl": "lstm", "mode": "multi_vd"}), "runs.lstm-multi_vd.modl is not a setting; did you mean model?"),
        (("report.language", "zh"), "report.language = 'zh' (str): input should be 'en' or 'zh-Hant'"),
        (("run", {}), "run is not a setting; did you mean runs? (allowed: data, prepare, calendar, window, train, lstm, xlstm, modes, comparisons, controls, evaluate, report, forecast, search, runs)"),
        (("data", None), "params.yaml: data is empty; it must hold settings, a line `key: value` each"),
        (("data", ["a"]), "params.yaml: data = ['a'] (list); it must hold settings, a line `key: value` each"),
        (("calendar.plans", "../school.csv"), "calendar.plans: '../school.csv' is no name of a .csv or .parquet in data/calendar/"),
        (("window", None), "params.yaml: window is empty; it must hold settings"),
        (("data.format", "wide"), "data.format = 'wide' is not a format; did you mean wide_table? (allowed: wide_table, long_table,"),
        (("data.format", "pems"), "did you mean pems_station or pems_export or pems_npz?"),
        (("data.format", "wide_tabel"), "did you mean wide_table? (allowed"),
        (("data.vd_column", "x"), "data.vd_column is not a setting of format wide_table; did you mean date_column?"),
        (("data.columns_", "x"), "data.columns_ is not a setting of format wide_table; did you mean columns?"),
        (("runs.lstm-multi_vd", {"model": "lstm", "mode": "multi_vd", "num_blocks": 2}), "runs.lstm-multi_vd.num_blocks is not a setting"),
        (("runs.xlstm-multi_vd", {"model": "xlstm", "mode": "multi_vd", "slstm_at": [50]}), "runs.xlstm-multi_vd: slstm_at [50] names block 50"),
        (("runs.../evil", {"model": "lstm", "mode": "multi_vd"}), "it names a folder"),
        (("runs.lstm-multi_vd", {"model": "xlstm", "mode": "multi_vd"}), "comparisons.multi_vd.lstm names run 'lstm-multi_vd', which is xlstm in multi_vd; name one that is lstm in multi_vd"),
        (("comparisons.multi_vd.xlstm", "gone"), "comparisons.multi_vd names run 'gone', which `runs` lacks; put the run back or take the comparison out"),
        (("comparisons.multi_vd.lstm", "lstm-single_vd"), "names run 'lstm-single_vd', which is lstm in single_vd"),
        (("comparisons.all", {"lstm": "lstm-multi_vd", "xlstm": "xlstm-multi_vd"}), "params.yaml: comparisons.all: 'all' is not a mode; allowed are single_vd"),
        (("comparisons.multi_vd", {"lstm": "lstm-multi_vd"}), "comparisons.multi_vd.xlstm is missing"),
        (("comparisons.multi_vd.gru", "x"), "comparisons.multi_vd.gru is not a setting"),
        (("comparisons", {}), "comparisons = {} (dict): dictionary should have at least 1 item"),
        (("controls.lstm-social", "lstm-global_multi_vd"), "controls.lstm-social names run 'lstm-social', which `runs` lacks; put the run back or take the control out"),
        (("controls.lstm-global_multi_vd", "gone"), "controls.lstm-global_multi_vd names run 'gone', which `runs` lacks"),
        (("controls.lstm-multi_vd", "lstm-independent_multi_vd"), "controls.lstm-multi_vd is of a run in multi_vd, which has no control but one with `covariates: false`"),
        (("controls.lstm-global_multi_vd", "xlstm-independent_multi_vd"), "names run 'xlstm-independent_multi_vd', which is xlstm in independent_multi_vd; name one that is lstm in independent_multi_vd"),
        (("controls.lstm-global_multi_vd", "lstm-multi_vd"), "names run 'lstm-multi_vd', which is lstm in multi_vd; name one that is lstm in independent_multi_vd"),
        (("modes.global_multi_vd.num_vds", 9), "controls.lstm-global_multi_vd: global_multi_vd forecasts 9 VDs and independent_multi_vd 10; give both the same num_vds, or take the control out"),
        (("runs.lstm-global_multi_vd", {"model": "lstm", "mode": "global_multi_vd", "seeds": [0, 1]}), "controls.lstm-global_multi_vd: lstm-global_multi_vd has train.seeds [0, 1] and lstm-independent_multi_vd [0, 1, 2]; give both the same"),
        (("runs.2024", {"model": ["lstm"], "mode": "multi_vd"}), "runs.2024.model = ['lstm']: allowed are"),
        (("prepare.targets", ["volume", "volume"]), "targets ['volume', 'volume'] names one twice"),
        (("prepare.vds", ["a", "a"]), "vds ['a', 'a'] names one twice"),
        (("lstm.learning_rate", float("inf")), "lstm.learning_rate = inf (float)"),
        (("xlstm.num_heads", 64), "num_heads 64 must be less than embedding_dim 64"),
        (("runs.naive", {"model": "lstm", "mode": "multi_vd"}), "'naive' is the baselines' folder"),
        (("runs.../lstm", {"model": "lstm", "mode": "multi_vd"}), "a run is named with letters, digits"),
        (("runs.x; touch y", {"model": "lstm", "mode": "multi_vd"}), "a run is named with letters, digits"),
        (("runs.--help", {"model": "lstm", "mode": "multi_vd"}), "a run is named with letters, digits"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence_that_names_it(tmp_path, change, sentence):
    key, value = change
    if key.startswith("runs."):
        document = yaml.safe_load(SHIPPED.read_text("utf-8"))
        document["runs"][key.removeprefix("runs.")] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    else:
        path = write(tmp_path, change)
    with pytest.raises(InputError) as error:
        params.load(path)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_key_a_missing_file_and_broken_yaml(tmp_path):
    for key in ("lstm.hidden_size", "train.quantiles", "comparisons"):
        with pytest.raises(InputError, match=rf"params.yaml: {key} is missing"):
            params.load(write(tmp_path, drop=key))
    with pytest.raises(InputError, match="does not exist here; run from the folder that holds dvc.yaml"):
        params.load(tmp_path / "elsewhere.yaml")
    (tmp_path / "params.yaml").write_text("a: [1", "utf-8")
    with pytest.raises(InputError, match="is not valid YAML"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes("# 車輛偵測器".encode("cp950"))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- a\n", "utf-8")
    with pytest.raises(InputError, match="holds list, not sections"):
        params.load(tmp_path / "params.yaml")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    """The last value would be taken in silence, of whatever depth."""
    shipped = SHIPPED.read_text("utf-8")
    twice = shipped.replace("  interval: 900", "  interval: 3600\n  interval: 900", 1)
    assert twice != shipped
    (tmp_path / "params.yaml").write_text(twice, "utf-8")
    with pytest.raises(
        InputError, match=r"params.yaml: interval stands twice, in lines \d+ and \d+; keep one"
    ):
        params.load(tmp_path / "params.yaml")


def test_social_is_compared_beside_its_control_alone(tmp_path):
    """Else what the embedding gives would pass for what neighbours give."""
    runs = {f"{model}-social": {"model": model, "mode": "social"} for model in NETWORKS}
    document = yaml.safe_load(SHIPPED.read_text("utf-8"))
    changes = [
        ("runs", document["runs"] | runs),
        ("comparisons.social", {model: f"{model}-social" for model in NETWORKS}),
    ]
    said = "comparisons.social.lstm names run 'lstm-social', which `controls` lacks; add lstm-social there, with a run of lstm in global_multi_vd"
    with pytest.raises(InputError, match=said):
        params.load(write(tmp_path, *changes))
    controls = {f"{model}-social": f"{model}-global_multi_vd" for model in NETWORKS}
    assert params.load(write(tmp_path, *changes, ("controls", controls))).controls == controls


PLAIN = {"model": "lstm", "mode": "multi_vd", "hidden_size": 128, "covariates": False}


def test_a_control_may_lack_covariates_alone(tmp_path):
    runs = yaml.safe_load(SHIPPED.read_text("utf-8"))["runs"]
    changes = [("runs", runs | {"lstm-plain": PLAIN}), ("controls", {"lstm-multi_vd": "lstm-plain"})]
    with pytest.raises(InputError, match="'lstm-plain' with `covariates: false`, and `calendar` names none"):
        params.load(write(tmp_path, *changes))
    holidays = ("calendar.holidays", "TW")
    settings = params.load(write(tmp_path, *changes, holidays))
    assert (settings.runs["lstm-multi_vd"].covariates, settings.runs["lstm-plain"].covariates) == (
        True,
        False,
    )
    for controls, said in (
        (
            {"lstm-plain": "lstm-multi_vd"},
            "has `covariates: false` and its control 'lstm-multi_vd' takes them",
        ),
        (
            {"xlstm-multi_vd": "lstm-plain"},
            "'lstm-plain', which is lstm in multi_vd; name one that is xlstm in multi_vd",
        ),
        ({"lstm-multi_vd": "lstm-single_vd"}, "has no control but one with `covariates: false`"),
    ):
        with pytest.raises(InputError, match=said):
            params.load(write(tmp_path, changes[0], ("controls", controls), holidays))
    unlike = ("comparisons.multi_vd.lstm", "lstm-plain")
    with pytest.raises(InputError, match="comparisons.multi_vd: one of its runs has `covariates: false`"):
        params.load(write(tmp_path, changes[0], unlike, holidays))


def test_that_a_run_takes_covariates_is_not_written_into_its_model(tmp_path):
    """Models of before it could be said keep their bytes."""
    runs = yaml.safe_load(SHIPPED.read_text("utf-8"))["runs"]
    settings = params.load(write(tmp_path, ("runs", runs | {"lstm-plain": PLAIN})))
    plain, taking = settings.runs["lstm-plain"], settings.runs["lstm-multi_vd"]
    assert list(taking.model_dump()) == ["name", "model", "mode", "network", "train"]
    assert not Run.of(plain.model_dump()).covariates and Run.of(taking.model_dump()).covariates


def test_an_unknown_run_is_told_which_runs_there_are():
    with pytest.raises(InputError, match="no run 'lstm'.*lstm-single_vd"):
        params.load(SHIPPED).run("lstm")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["persistence", "forest"], "evaluate.baselines"),
        (["linear", "trees"], "hold no naive forecast, which skill is against; add persistence"),
        (["damped", "damped"], "name one twice"),
        ([], "hold no naive forecast"),
    ],
)
def test_baselines_are_named_once_and_one_is_naive(tmp_path, names, said):
    with pytest.raises(InputError, match=said):
        params.load(write(tmp_path, ("evaluate.baselines", names)))
    assert params.load(write(tmp_path, ("evaluate.baselines", ["damped", "trees"])))


@pytest.mark.parametrize("margin", [0, -0.05, 0.51, 5])
def test_a_margin_is_a_share_above_0_and_at_most_a_half(tmp_path, margin):
    said = rf"evaluate.margin.*: margin {margin:g} is not above 0 and at most 0.5; .*0.05 for 5 %"
    with pytest.raises(InputError, match=said):
        params.load(write(tmp_path, ("evaluate.margin", margin)))
    assert params.load(write(tmp_path, ("evaluate.margin", 0.5))).evaluate.margin == 0.5


def test_the_primary_mode_is_one_that_is_compared(tmp_path):
    said = "evaluate.primary is 'single_vd', which `comparisons` lacks; name one of those: multi_vd"
    with pytest.raises(InputError, match=said):
        params.load(write(tmp_path, ("evaluate.primary", "single_vd"), drop="comparisons.single_vd"))
    with pytest.raises(InputError, match="evaluate.primary.*'all_vd' is not a mode"):
        params.load(write(tmp_path, ("evaluate.primary", "all_vd")))


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        ({"days": 1}, "fewer than two test days allow no interval"),
        ({"days": 3, "every": 2}, "test parts of 3 days, one every 2, overlap"),
        ({"number": 0}, "evaluate.folds.number = 0"),
    ],
)
def test_folds_that_cannot_be_judged_are_refused(tmp_path, folds, said):
    whole = {"number": 2, "days": 2, "every": 2, "refit": True}
    assert params.load(write(tmp_path, ("evaluate.folds", whole))).folds == 2
    assert params.load(write(tmp_path, ("evaluate.folds", whole | {"refit": False}))).folds == 1
    with pytest.raises(InputError, match=said):
        params.load(write(tmp_path, ("evaluate.folds", whole | folds)))


def test_folds_with_a_training_each_have_no_intervals_in_common(tmp_path):
    folds = {"number": 2, "days": 2, "every": 2, "refit": True}
    changes = [("evaluate.folds", folds), ("train.quantiles", [0.1, 0.5, 0.9])]
    with pytest.raises(
        InputError, match="evaluate.folds with refit and train.quantiles .* do not go together"
    ):
        params.load(write(tmp_path, *changes))
    changes[0] = ("evaluate.folds", folds | {"refit": False})
    assert params.load(write(tmp_path, *changes))
