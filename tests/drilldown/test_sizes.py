"""Claims about sizes: table 1 of the paper, to the thousand, and what it leaves out."""

import pytest

from drilldown.model_settings import Kind, ModelSettings
from drilldown.models import new_model
from drilldown.sizes import DataSizes, describe

TURNS = 10


def sized(kind: Kind, states: int, dim: int):
    return describe(ModelSettings(kind, states, dim), DataSizes(), TURNS)


@pytest.mark.parametrize(
    ("kind", "states", "dim", "thousands", "query", "picture"),
    [
        ("hre", 1, 1280, 22820, 1280, 1280),
        ("r-hre", 1, 1280, 22820, 1280, 36 * 1280),
        ("r-hre", 1, 640, 9866, 640, 36 * 640),
        ("drill-down", 3, 128, 4861, 384, 36 * 128),
        ("drill-down", 3, 256, 5830, 768, 36 * 256),
        ("drill-down", 5, 256, 5830, 1280, 36 * 256),
        ("drill-down", 10, 256, 5830, 2560, 36 * 256),
    ],
)
def test_it_is_table_1_of_the_paper(kind, states, dim, thousands, query, picture):
    found = sized(kind, states, dim)
    assert found["parameters"]["all"] // 1000 == thousands  # Cut off: 22,820,880 is printed as 22820k.
    assert (found["query_state"], found["picture"]) == (query, picture)


@pytest.mark.parametrize("kind", ["r-re", "r-rankfusion"])
def test_models_without_a_context_gru_are_table_1_less_that(kind):
    without, with_it = sized(kind, 1, 1280)["parameters"], sized("r-hre", 1, 1280)["parameters"]
    assert without["all"] // 1000 == 12982
    assert without["all"] + with_it["GRU cell of states"] == with_it["all"]


def test_the_policy_is_counted_and_alone_brings_drill_down_to_table_1():
    parameters = sized("drill-down", 3, 128)["parameters"]
    assert parameters["policy"] == 2 * 128 * 128 + 128 + 128 * 128 + 128 + 128 + 1
    assert (parameters["all"] - parameters["policy"]) // 1000 == 4811


@pytest.mark.parametrize("kind", ["drill-down", "hre", "r-hre", "r-re", "r-rankfusion"])
def test_the_count_is_that_of_a_real_model(kind):
    settings = ModelSettings(kind, 2, 6, 5)
    net = new_model(settings, ["a", "b"], "enc", 9)
    found = describe(settings, DataSizes(6, 9, 3), TURNS)["parameters"]
    assert found["all"] == sum(parameter.numel() for parameter in net.parameters())
    assert found["all"] == sum(count for part, count in found.items() if part != "all")


def test_states_that_stay_empty_are_told_of():
    notes = sized("drill-down", 12, 8)["notes"]
    assert any("2 of 12 states stay empty in 10 turns" in note for note in notes)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [((3, 9, 3), "4 special words"), ((9, 0, 3), "region_dim must be"), ((9, 9, 0), "regions must be")],
)
def test_sizes_that_cannot_be_are_refused(sizes, said):
    with pytest.raises(ValueError, match=said):
        DataSizes(*sizes)
