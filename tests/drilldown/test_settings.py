"""Claims about the settings of vg-drilldown: what contradicts itself is refused before anything is computed."""

from dataclasses import replace

import pytest

from drilldown.model_settings import LossSettings, ModelSettings
from drilldown.settings import CaptionSettings, DrilldownSettings, RegionSettings
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.settings import EvaluationSettings

LEARNED = ModelSettings(policy="learned")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stage": 2, "model": LEARNED}, "stage 2 goes on from stage 1; give its output folder as stage1"),
        ({"stage": 2, "stage1": "x"}, "set model.policy to learned"),
        ({"stage": 2, "stage1": "x", "model": ModelSettings("r-hre")}, "set model.policy to learned"),
        ({"stage1": "x"}, r"stage1 \(x\) is where stage 2 begins; set stage to 2"),
        ({"loss": LossSettings(stage=2)}, "give --stage 2"),
        ({"model": ModelSettings(states=1, policy="learned")}, "1 states and 10 turns has nothing to choose"),
        ({"model": ModelSettings(states=10, policy="learned")}, "10 states and 10 turns has nothing to choose"),
        ({"model": ModelSettings(states=12, policy="learned")}, "12 states and 10 turns has nothing to choose"),
        ({"data": CaptionSettings("flickr8k", "x")}, "learned from drawn scenes, and data.source is flickr8k"),
        ({"evaluation": EvaluationSettings(recall_at=[])}, "recall_at is empty"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_the_remedy(options: dict, said: str):
    with pytest.raises(ValueError, match=said):
        DrilldownSettings(**options)


@pytest.mark.parametrize("states", [1, 10, 12])
def test_one_state_and_as_many_states_as_turns_go_with_a_fixed_policy(states: int):
    assert not DrilldownSettings(model=ModelSettings(states=states)).learned


def test_a_policy_that_stage_1_leaves_alone_may_have_any_number_of_states():
    assert DrilldownSettings(model=ModelSettings(states=12, policy="learned"), stage=1).learned


def test_photographs_take_cells_of_a_network_or_precomputed_regions():
    data = CaptionSettings("flickr8k", "x")
    grid = EncoderSettings("squeezenet", regions="grid")
    assert DrilldownSettings(data, RegionSettings("encoder", grid)).regions.encoder is grid
    assert DrilldownSettings(data, RegionSettings("precomputed", path="x")).regions.path == "x"


def test_one_state_is_compared_with_several_alone():
    several = DrilldownSettings(single_state=True)
    assert several.compared and several.of_one_state.model.dim == 3 * several.model.dim
    assert not replace(several, model=ModelSettings(states=1)).compared
    assert not replace(several, model=ModelSettings("r-hre")).compared
    assert not several.of_one_state.compared
