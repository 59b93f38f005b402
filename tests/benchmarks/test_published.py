"""Claims that the pages make of published results, each read from the file that its table is written from."""

import json
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.blocks import methods_of
from benchmarks.program import RESULTS
from benchmarks.readme import MADE_BY


def published(name: str) -> dict[str, Any]:
    file = RESULTS / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"not measured yet: {MADE_BY[name]}")
    return json.loads(file.read_text(encoding="utf-8"))


def by_turn(metrics: dict[str, Any], measure: str) -> dict[str, list[float]]:
    """A measure of every method, by its name without the role."""
    return {name.partition(" (")[0]: [row[measure] for row in rows] for name, rows in methods_of(metrics)}


@pytest.mark.parametrize("name", ["cub-relevance", "cub-relevance-cutout", "cub-relevance-gamma"])
def test_without_feedback_hits_fall_slowly_and_the_svm_rises_above_them(name):
    hits = by_turn(published(name), "Hit@8")
    control, svm = hits["no feedback"], hits["SVM"]
    assert all(after < before + 0.02 for before, after in pairwise(control))
    assert max(svm) > svm[0] and svm.index(max(svm)) > 0
    assert all(ours > theirs for ours, theirs in zip(svm[1:4], control[1:4], strict=True))


@pytest.mark.parametrize("name", ["cub-relevance", "cub-relevance-cutout", "cub-relevance-gamma"])
def test_every_method_finds_more_of_a_class_than_no_feedback(name):
    found = by_turn(published(name), "found")
    control = found.pop("no feedback")[-1]
    assert min(shares[-1] for shares in found.values()) > control + 0.1


@pytest.mark.parametrize("name", ["cub-relevance", "cub-relevance-cutout", "cub-relevance-gamma"])
def test_re_embedding_does_not_collapse_and_dips_only_without_the_old_coordinates(name):
    hits = by_turn(published(name), "Hit@8")
    assert hits["triplet re-embedding"][1] > 0.5 * hits["triplet re-embedding"][0]
    assert hits["triplet, old coordinates kept"][1] > hits["triplet, old coordinates kept"][0]


ATTRIBUTES = ["celeba-attributes", "celeba-attributes-200", "celeba-attributes-one-crop"]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_attribute_space_ranks_at_least_as_well_as_the_classifier(name):
    average = by_turn(published(name), "average_precision")
    classifiers = [value[-1] for method, value in average.items() if method.startswith("attribute classifier")]
    assert len(classifiers) == 2 and average["attribute space"][-1] >= max(classifiers)


@pytest.mark.xfail(reason="a goal that is not met: true attributes themselves reach little more, RESULTS.md")
@pytest.mark.parametrize("name", ["celeba-attributes", "celeba-attributes-200"])
def test_the_first_ten_are_right_two_and_a_half_times_as_often_as_by_chance(name):
    metrics = published(name)
    precision = by_turn(metrics, "P@10")["attribute space"][-1]
    assert precision >= 2.5 * metrics["per_turn"][-1]["prevalence"]


@pytest.mark.parametrize("name", ["celeba-attributes", "celeba-attributes-200"])
def test_true_attributes_rank_without_a_mistake(name):
    assert by_turn(published(name), "average_precision")["true attributes"][-1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_attribute_space_goes_nearly_all_the_way_from_counting_to_likelihoods(name):
    metrics = published(name)
    for measure in ("P@10", "average_precision"):
        found = {method: value[-1] for method, value in by_turn(metrics, measure).items()}
        counting, likelihoods = (value for method, value in found.items() if method.startswith("attribute classifier"))
        assert counting < likelihoods < found["true attributes"]
        assert (found["attribute space"] - counting) / (likelihoods - counting) > 0.95


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_attribute_space_is_level_with_the_likelihoods(name):
    metrics = published(name)
    low, high = metrics["per_turn"][-1]["interval"]["average_precision"]
    found = {method: value[-1] for method, value in by_turn(metrics, "average_precision").items()}
    _, likelihoods = (value for method, value in found.items() if method.startswith("attribute classifier"))
    assert low < likelihoods < high


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_query_by_query_the_first_ten_are_right_two_and_a_half_times_as_often_as_by_chance(name):
    lift = by_turn(published(name), "lift@10")
    assert 2.5 <= lift["attribute space"][-1] < lift["true attributes"][-1]


@pytest.mark.parametrize("name", ["celeba-attributes", "celeba-attributes-200"])
def test_the_first_ten_are_right_twice_as_often_as_by_chance(name):
    metrics = published(name)
    precision = by_turn(metrics, "P@10")["attribute space"][-1]
    assert precision > 2 * metrics["per_turn"][-1]["prevalence"]


@pytest.mark.parametrize("name", ["celeba-attributes", "celeba-attributes-200"])
def test_even_true_attributes_reach_little_more_than_two_and_a_half_times_the_prevalence(name):
    metrics = published(name)
    true = by_turn(metrics, "P@10")["true attributes"][-1]
    assert 2.5 < true / metrics["per_turn"][-1]["prevalence"] < 2.6


def test_a_face_network_finds_people_better_than_features_of_whole_pictures():
    metrics = published("lfw-reverse")
    baseline = next(one for one in metrics["others"] if one["role"] == "baseline")
    for measure in ("hit@1", "hit@5", "hit@20", "average_precision", "r_precision"):
        assert metrics["per_turn"][0][measure] > baseline["per_turn"][0][measure]


def test_the_sources_protocol_is_flagged_where_the_query_is_kept():
    metrics = published("lfw-reverse-kept")
    assert "KEPT IN THE INDEX" in metrics["protocol"]["the query"] and metrics["per_turn"][0]["hit@1"] == 1


def test_a_witness_who_tells_few_attributes_teaches_to_understand_few_words():
    systems = published("scripted-faces")["systems"]
    last = {name: found["per_turn"][-1]["interval"]["percentile"] for name, found in systems.items()}
    assert last["gru-few-words"][0] > last["gru"][1]


@pytest.mark.parametrize("method", ["mlp", "triplet", "kept-triplet", "rocchio", "pichunter"])
def test_sessions_at_once_are_ten_times_as_fast_as_a_loop(method):
    result = published("relevance")
    assert result["settings"]["sessions"] >= 1000 and result["methods"][method]["times_faster"] >= 10


def test_the_defaults_take_less_than_four_minutes():
    """Of a quiet machine's clock; or of one core's time, where other programs were running."""
    for task, one in published("defaults")["tasks"].items():
        assert min(one["wall_seconds"], one["processor_seconds"]) < 240, task


RANDOM = pytest.mark.xfail(reason="a goal that is not met: of random states more scores are close calls, RESULTS.md")


@pytest.mark.parametrize("kind", [pytest.param("random", marks=RANDOM), "near their targets", "of a trained model"])
def test_regions_are_ranked_a_hundred_times_as_fast_as_by_the_classic_ranker(kind):
    found = published("regions")["kinds"][kind]
    assert found["agreement"]["ours"]["right"] == found["agreement"]["ours"]["of"] > 0
    assert found["ways"]["classic"]["times_ours"] >= 100


NORMAL = pytest.mark.xfail(reason="a goal that is not met: 8 bits leave too many random vectors open, RESULTS.md")


@pytest.mark.parametrize("kind", ["simulated features", pytest.param("random normal", marks=NORMAL)])
def test_all_turns_are_ranked_three_times_as_fast_as_faiss_finds_a_hundred(kind):
    result = published("search_whole")
    settings, found = result["settings"], result["kinds"][kind]
    assert (settings["targets"], settings["turns"], settings["candidates"]) == (22_599, 5, 202_599)
    assert found["right"]["ranks"] == found["checked"] > 0
    assert found["ways"]["faiss_100"]["times_ours"] >= 3
