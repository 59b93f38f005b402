"""What the page of a participant shows, as values for its template; nothing is stored or decided here."""

from collections.abc import Sequence
from typing import Any, Literal

from multiturn.report.said import said
from multiturn.study.conduct import Study
from multiturn.study.progress import Progress, Trial
from multiturn.study.questionnaires import QUESTIONNAIRES
from multiturn.study.store import Participant
from multiturn.study.tokens import code_of

NOTICES = {
    "wrong claim": "That is not the image. Look again, or say more.",
    "found": "You found it.",
    "wrong": "That was not the image.",
    "gave up": "You gave this one up.",
    "time": "The time for this image is over.",
}


def here(study: Study, participant: Participant, token: str, origin: str) -> tuple[str, dict[str, Any]]:
    """Name and values of the template of the page that a participant is on.

    Args:
        token: theirs, which makes their personal link and their withdrawal code.
        origin: of the server, as participants see it.
    """
    progress = study.progress(participant)
    values: dict[str, Any] = {
        "study": study.protocol,
        "step": progress.step,
        "key": study.signature("form", participant.id),
        "code": code_of(token),
        "link": f"{origin.rstrip('/')}/resume/{token}",
        "notice": _notice(study, progress),
        "found": progress.notice == "found",
    }
    match progress.phase:
        case "target":
            values |= _numbered(study, progress, len(progress.trials))
        case "search":
            values |= _numbered(study, progress, len(progress.trials) - 1) | _search(study, progress)
        case "questionnaire":
            assert progress.questionnaire is not None
            block, name = progress.questionnaire
            values |= {
                "asked": name,
                "questionnaire": QUESTIONNAIRES[name],
                "block": block,
                "blocks": progress.plan[-1].block + 1,
                "mixed": study.protocol.order == "mixed" and len(study.systems) > 1,
            }
    return progress.phase, values


def _notice(study: Study, progress: Progress) -> str:
    """What is said of the last act; nobody is asked to say more who may not."""
    if progress.notice == "wrong claim" and not _left(study, progress.trial):
        return "That is not the image. Look again, or give it up."
    return NOTICES.get(progress.notice, "")


def _left(study: Study, trial: Trial) -> int:
    """How often something may still be said."""
    return study.protocol.turns - (len(trial.turns) - 1)


def _numbered(study: Study, progress: Progress, place: int) -> dict[str, Any]:
    """Which trial it is; practice is counted apart."""
    practised = sum(planned.practice for planned in progress.plan)
    practice = progress.plan[place].practice
    return {
        "practice": practice,
        "number": place + 1 if practice else place + 1 - practised,
        "count": practised if practice else len(progress.plan) - practised,
    }


def _search(study: Study, progress: Progress) -> dict[str, Any]:
    trial = progress.trial
    form = study.form(progress)
    return {
        "form": form,
        "way": _way(study, progress),
        "names": [readable(name) for name in form.attributes],
        "places": range(1, len(trial.turns[-1].page.shown) + 1),
        "turn": len(trial.turns) - 1,
        "left": _left(study, trial),
        "told": [_told(trial, number, form.attributes) for number in range(1, len(trial.turns))],
        "wanted": _wanted(trial),
        "remaining": _remaining(study, trial),
    }


def _way(study: Study, progress: Progress) -> Literal["known", "first", "other"]:
    """How the form of a trial is to a participant: used in a trial before, the first of all, or other than before."""
    used = [study.systems[trial.planned.system].task.form().kind for trial in progress.trials]
    if used[-1] in used[:-1]:
        return "known"
    return "other" if used[:-1] else "first"


def _told(trial: Trial, number: int, attributes: Sequence[str]) -> dict[str, Any]:
    return {"text": in_words(trial, number, attributes), "pictured": spoken_of(trial, number) is not None}


def spoken_of(trial: Trial, number: int) -> str | None:
    """Id of the one image that the reply of a turn compares with, or names as the closest; None where there is none."""
    match trial.turns[number].reply:
        case {"kind": "attributes", "about": str(name)} | {"kind": "image", "name": str(name)}:
            return name
        case _:
            return None


def in_words(trial: Trial, number: int, attributes: Sequence[str]) -> str:
    """What was said in a turn, in the words of its form; images are named by page and place, never by their ids."""
    reply, about = trial.turns[number].reply, spoken_of(trial, number)
    place = "" if about is None else _place(trial, number, about)
    match reply:
        case {"kind": "attributes", "relevance": relevance}:
            return f"beside {place}, {_listed(attributes, relevance, ('same', 'differs'))}"
        case {"kind": "wanted", "wanted": wanted}:
            return _listed(attributes, wanted, ("has", "lacks"))
        case {"kind": "image"}:
            return f"closest: {place}"
        case _:
            return said(reply).text


def _place(trial: Trial, number: int, name: str) -> str:
    """Where an image stood on the page that a turn answered: turn 1 answered page 1."""
    return f"image {trial.turns[number - 1].page.shown.index(name) + 1} of page {number}"


def _listed(attributes: Sequence[str], signs: str, heads: tuple[str, str]) -> str:
    """Names of attributes as the form has them, under what was chosen of each."""
    named = [(head, _names(attributes, signs, sign)) for head, sign in zip(heads, "+-", strict=True)]
    return "; ".join(f"{head}: {', '.join(names)}" for head, names in named if names)


def _names(attributes: Sequence[str], signs: str, wanted: str) -> list[str]:
    return [readable(name) for name, sign in zip(attributes, signs, strict=True) if sign == wanted]


def readable(attribute: str) -> str:
    """The name of an attribute as a page prints it."""
    return attribute.replace("_", " ")


def _wanted(trial: Trial) -> dict[int, str]:
    """The signs that hold by now where a reply replaces the one before, by place from 1."""
    last = trial.turns[-1].reply
    signs = last["wanted"] if last is not None and last["kind"] == "wanted" else ""
    return {place: sign for place, sign in enumerate(signs, start=1) if sign != "."}


def _remaining(study: Study, trial: Trial) -> int:
    """Seconds that are left of the trial, rounded up; 0 where there is no limit."""
    if not study.protocol.trial_seconds:
        return 0
    return max(1, -(-(trial.started + 1000 * study.protocol.trial_seconds - study.clock.now()) // 1000))
