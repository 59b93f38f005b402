"""Protocols of studies: what is read, what is refused, and whether assignments are balanced."""

from collections import Counter
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from multiturn.study.protocol import StudyProtocol, read_protocol
from multiturn.study.schedule import latin_square, plan


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("systems: {a: x}\ntittle: t", "no key 'tittle' did you mean title?"),
        ("systems: {a: x}\nturns: five", 'key "turns": Expected a'),
        ("systems: {a: x}\nturns: 0", "turns must be at least 1, not 0"),
        ("systems: {}", "a study needs at least one system"),
        ("systems: {a: x}\ntargets: [p, p]", "target 'p' is listed twice"),
        ("systems: {a: x}\ntargets: 8\ntrials: 3", "set trials to one of 1, 2, 4, 8"),
        ("systems: {a: x, b: y, c: z}", "take a multiple of 3, or set order to mixed"),
        ("systems: {a: x}\nquestionnaires: [sus, sus]", "a questionnaire is named once"),
        ("systems:\n  a: x\n  a: y", "'a' is there twice, again in line 3; name each once"),
        ("systems: {a: x}\nturns: 3\nturns: 4", "'turns' is there twice, again in line 3"),
        ("systems: {1: x}", "1, the name of a system, is no text; write it in quotes"),
        ("systems: {no: x}", "False, the name of a system, is no text; write it in quotes"),
        ("systems: {a: x}\ntargets:", "nothing follows targets; write its value, or leave the key out"),
        ("systems: {a: x}\nquestionnaires:", "nothing follows questionnaires"),
        ("systems: {a: x}\n? [b]\n: c", "is not YAML"),
        ("- a", "holds no settings"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_protocol_that_cannot_be_meant_is_refused_with_the_remedy(tmp_path: Path, text: str, said: str):
    with pytest.raises(ValueError) as refused:
        read_protocol(written(tmp_path, text))
    assert said in str(refused.value) and "study.yaml" in str(refused.value)


def test_a_scripted_study_may_have_more_systems_than_trials_could_be_shared_out_among(tmp_path: Path):
    path = written(tmp_path, "systems: {a: x, b: y, c: z}\ntargets: 8\ntrials: 3")
    assert list(read_protocol(path, scripted=True).systems) == ["a", "b", "c"]


def test_a_consent_text_may_lie_in_a_file_beside_the_protocol(tmp_path: Path):
    (tmp_path / "consent.txt").write_text("I agree.", encoding="utf-8")
    protocol = read_protocol(written(tmp_path, "systems: {a: x}\nconsent: 'file: consent.txt'"))
    assert protocol.consent == "I agree."
    assert protocol.consent_version == sha256(b"I agree.").hexdigest()


def test_a_text_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        read_protocol(written(tmp_path, "systems: {a: x}\nconsent: 'file: none.txt'"))


@pytest.mark.parametrize("size", range(1, 8))
def test_a_latin_square_has_each_number_once_in_every_row_and_column(size: int):
    for mirrored in (False, True):
        square = latin_square(size, mirrored)
        lines = [*square, *([row[place] for row in square] for place in range(size))]
        assert all(sorted(line) == list(range(size)) for line in lines)


@pytest.mark.parametrize("size", range(2, 8))
def test_each_system_follows_each_other_equally_often(size: int):
    rows = latin_square(size) + (latin_square(size, mirrored=True) if size % 2 else [])
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    assert len(pairs) == size * (size - 1) and set(pairs.values()) == {2 if size % 2 else 1}


@pytest.mark.parametrize("order", ["blocked", "mixed"])
@pytest.mark.parametrize(("systems", "targets", "trials"), [(1, 6, 0), (2, 8, 0), (2, 12, 6), (3, 12, 6), (4, 8, 8)])
def test_24_participants_are_balanced_to_within_one_at_every_moment(order, systems: int, targets: int, trials: int):
    names, wanted = [f"s{number}" for number in range(systems)], [f"t{number}" for number in range(targets)]
    protocol = StudyProtocol(dict.fromkeys(names, "x"), targets=targets, trials=trials, order=order, seed=5)
    met = Counter({(name, target): 0 for name in names for target in wanted})
    stood = Counter({(name, place): 0 for name in names for place in range(protocol.trial_count)})
    for number in range(24):
        trials_of_one = plan(protocol, number, wanted, [])
        assert len({trial.target for trial in trials_of_one}) == len(trials_of_one)
        met.update((trial.system, trial.target) for trial in trials_of_one)
        stood.update((trial.system, trial.place) for trial in trials_of_one)
        for counts in (met, stood):
            assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("order", ["blocked", "mixed"])
def test_as_many_practice_trials_as_systems_try_each_once_in_the_order_of_the_trials(order):
    systems = {"a": "x", "b": "y", "c": "z"}
    protocol = StudyProtocol(systems, targets=["1", "2", "3", "4", "5", "6"], practice=4, order=order)
    for number in range(6):
        *practice, _, _, _, _, _, _ = plan(protocol, number, ["1", "2", "3", "4", "5", "6"], ["p", "q", "r", "s"])
        met = list(dict.fromkeys(one.system for one in plan(protocol, number, list("123456"), [])))
        assert [one.system for one in practice] == [*met, met[0]] and all(one.practice for one in practice)
        assert [one.place for one in practice] == [0, 1, 2, 3] and len(set(met)) == 3


def test_practice_comes_first_with_the_first_system_and_is_marked():
    protocol = StudyProtocol({"a": "x", "b": "y"}, targets=4)
    practice, first, *_ = plan(protocol, 0, ["1", "2", "3", "4"], ["p"])
    assert practice.practice and practice.target == "p" and practice.system == first.system and not first.practice
