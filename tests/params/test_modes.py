import pytest
import yaml

from tests.params.test_load import SHIPPED
from vdcast.language import say
from vdcast.params.modes import MODES, Modes, Sharing, sharing_of


def test_every_mode_says_which_vds_it_forecasts_and_how_they_share_weights():
    modes = Modes.model_validate(
        {
            "single_vd": {"target_vd_index": 2},
            "multi_vd": {"num_vds": 4},
            "independent_multi_vd": {"num_vds": 3},
            "global_multi_vd": {"num_vds": 5},
            "social": {
                "num_vds": 3,
                "neighbours": 8,
                "radius": 2000,
                "weights": "attention",
                "direction": "any",
            },
        }
    )
    assert {mode: (modes.vd_indices(mode), sharing_of(mode)) for mode in MODES} == {
        "single_vd": ([2], Sharing.JOINT),
        "multi_vd": ([0, 1, 2, 3], Sharing.JOINT),
        "independent_multi_vd": ([0, 1, 2], Sharing.APART),
        "global_multi_vd": ([0, 1, 2, 3, 4], Sharing.SHARED),
        "social": ([0, 1, 2], Sharing.SHARED),
    }


def test_a_mode_is_one_field():
    assert list(MODES) == list(Modes.model_fields)
    for mode in MODES:
        assert say(f"report.mode.{mode}").endswith(".")


def test_the_shipped_file_has_a_section_for_each():
    document = yaml.safe_load(SHIPPED.read_text("utf-8"))
    assert list(document["modes"]) == list(MODES)
    assert [*document["comparisons"], "social"] == list(MODES), "social is off: the sample has no coordinates"


def test_an_unknown_mode_is_an_error():
    with pytest.raises(KeyError):
        sharing_of("all")


@pytest.mark.parametrize(
    "sharing, copies",
    [(Sharing.JOINT, [[0]]), (Sharing.APART, [[0], [1], [2]]), (Sharing.SHARED, [[0, 1, 2]])],
)
def test_a_seed_s_copies_see_every_group_once(sharing, copies):
    assert sharing.copies(3) == copies
