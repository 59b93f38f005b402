"""Claims of Drill-down that the measured records must bear out, whoever measures them again."""

import json
from typing import Any

from benchmarks.program import RESULTS


def record(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def test_on_drawn_scenes_three_states_beat_one_of_the_same_memory_by_five_points_and_their_intervals_are_apart():
    measured = record("drilldown")
    assert measured["model"].startswith("Drill-down 3 x 128")
    [single] = [other for other in measured["others"] if other["role"] == "baseline"]
    assert single["name"] == "Single state of 384"
    ours, theirs = measured["per_turn"][-1], single["per_turn"][-1]
    assert ours["turn"] == 10
    assert ours["R@1"] - theirs["R@1"] >= 0.05
    assert ours["interval"]["R@1"][0] > theirs["interval"]["R@1"][1]


def test_on_flickr8k_every_model_finds_more_targets_at_every_turn():
    tables = {one["title"]: one["table"] for one in record("flickr8k")}
    head, *rows = tables["Figure 3: R@10, % by turn"]
    assert head[1:] == [f"Turn {turn}" for turn in range(1, 6)] and len(rows) == 7
    for name, *cells in rows:
        found = [float(one.split()[0]) for one in cells]
        assert found == sorted(set(found)) and found[0] > 1.0, f"{name}: chance is 1 %"


def test_on_flickr8k_three_states_beat_one_and_the_learned_policy_is_no_worse_than_the_fixed_one():
    tables = {one["title"]: one["table"] for one in record("flickr8k")}
    rows = tables["Figure 3: R@10, % by turn"][1:]
    last = {name: float(cells[-1].split()[0]) for name, *cells in rows}
    assert last["Drill-down 3 x 128, learned policy"] >= last["Drill-down 3 x 128, fixed policy"] > last["R-HRE 384"]
