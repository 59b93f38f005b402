"""Claims about trainings of the vg-drilldown task that were stopped or killed, and of its stages one by one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drilldown.rollout import Rollout
from drilldown.task import Drilldown
from tests.drilldown.small_task import TRAINING, changed, same_weights, trained


@pytest.mark.slow
def test_both_stages_in_one_run_end_with_the_weights_of_two_runs(prepared: Drilldown, tmp_path: Path):
    whole = trained(prepared, tmp_path / "whole")
    first = trained(changed(prepared, stage=1), tmp_path / "first")
    assert first.policy == "fixed"
    second = trained(changed(prepared, stage=2, stage1=str(tmp_path / "first")), tmp_path / "second")
    assert whole.policy == second.policy == "learned"
    assert same_weights(whole, second)
    assert not same_weights(whole, first)


@pytest.mark.slow
def test_a_run_that_is_over_ends_with_the_same_weights_when_resumed(prepared: Drilldown, tmp_path: Path):
    whole = trained(prepared, tmp_path)
    before = (tmp_path / "stage-1" / "history.json").read_text()
    assert same_weights(whole, trained(prepared, tmp_path, resume=True))
    assert (tmp_path / "stage-1" / "history.json").read_text() == before


@pytest.mark.slow
def test_a_run_stopped_in_stage_2_goes_on_there(prepared: Drilldown, tmp_path: Path):
    longer = changed(prepared, joint=replace(TRAINING, epochs=2))
    whole = trained(longer, tmp_path / "whole")
    trained(prepared, tmp_path / "stopped")
    assert same_weights(whole, trained(longer, tmp_path / "stopped", resume=True))


class Killed(BaseException):
    """What no handler of errors may catch."""


def kill_at(monkeypatch: pytest.MonkeyPatch, stage: int, step: int) -> list[int]:
    """Kill, once, at the stage's step; returns the list to which every step of all stages adds its stage."""
    forward, played = Rollout.forward, []

    def watched(self: Rollout, target: torch.Tensor, epoch: int) -> torch.Tensor:
        played.append(self._settings.stage)
        if played.count(stage) == step:
            raise Killed
        return forward(self, target, epoch)

    monkeypatch.setattr(Rollout, "forward", watched)
    return played


@pytest.mark.slow
def test_killed_within_stage_2_it_goes_on_there_and_ends_with_the_same_bits(
    prepared: Drilldown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    often = changed(prepared, joint=replace(TRAINING, checkpoint_steps=1))
    whole = trained(often, tmp_path / "whole")
    played = kill_at(monkeypatch, stage=2, step=3)
    with pytest.raises(Killed):
        trained(often, tmp_path / "killed")
    before = len(played)
    assert same_weights(whole, trained(often, tmp_path / "killed", resume=True))
    # The step at which it was killed, and no finished one, is played again.
    assert set(played[before:]) == {2}
    assert played.count(2) == 1 + 2 * (len(prepared.examples()) // TRAINING.batch_size)


@pytest.mark.slow
def test_the_single_state_that_was_killed_is_trained_on_and_a_finished_one_is_read(
    prepared: Drilldown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    task = changed(prepared, training=replace(TRAINING, checkpoint_steps=1))
    task._output = tmp_path / "whole"
    whole = task._single_state(False, None)
    task._output = tmp_path / "killed"
    played = kill_at(monkeypatch, stage=1, step=3)
    with pytest.raises(Killed):
        task._single_state(False, None)
    resumed = task._single_state(True, None)
    assert whole is not None and resumed is not None and same_weights(whole, resumed)
    after = len(played)
    again = task._single_state(True, None)
    assert again is not None and same_weights(whole, again)
    assert len(played) == after
