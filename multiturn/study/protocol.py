"""What a study does, as one dataclass that is read strictly from a YAML file; nothing is run here."""

import re
from argparse import ArgumentError
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import yaml

from multiturn.cli import Parser
from multiturn.settings import at_least

TEXTS = ("title", "consent", "instructions", "thanks", "contact")  # may be corrected while a study runs


@dataclass(frozen=True)
class StudyProtocol:
    """A study: which systems, which targets, and what happens in which order.

    Scripted studies need the systems alone; live ones need a consent text as well.

    Args:
        systems: name of each system and its checkpoint: an output folder of train.py, or a model on the Hub.
            Participants never see the names.
        title: participants see it.
        targets: ids of the images to look for, or how many to draw from the gallery with `seed`.
        trials: targets a participant looks for; 0 for all of them. Must divide their number.
        turns: replies a trial.
        page_size: candidates shown a turn.
        seen: what becomes of candidates that were shown before in the trial.
        order: 'blocked': all trials with one system, its questionnaires, then the next system; 'mixed': systems change
            from trial to trial, and the questionnaires come once, at the end.
        practice: trials before the others, with targets of their own and the systems in turn, which no table counts.
        target: 'shown' during the whole trial, or 'hidden' once it begins.
        claims: after a wrong "found it" the trial goes on, 'until_right', or is over, 'once'.
        trial_seconds: after which a trial is over; 0 sets no limit.
        questionnaires: 'tlx' (raw NASA-TLX) and 'sus'; in this order.
        consent: what a participant agrees to, or a path of a text file beside the protocol, given as 'file: NAME'. Its
            SHA-256 is kept with each agreement.
        instructions: read before the first trial; likewise.
        thanks: said at the end.
        contact: whom participants may ask, printed on every page.
        language: of the texts, as HTML's `lang` has it.
        seed: of targets, orders and opening pages.
    """

    systems: dict[str, str]
    title: str = "Image search study"
    targets: int | list[str] = 8
    trials: int = 0
    turns: int = 5
    page_size: int = 8
    seen: Literal["keep", "drop_from_display", "drop_from_rank"] = "drop_from_display"
    order: Literal["blocked", "mixed"] = "blocked"
    practice: int = 1
    target: Literal["shown", "hidden"] = "shown"
    claims: Literal["until_right", "once"] = "until_right"
    trial_seconds: int = 0
    questionnaires: list[Literal["tlx", "sus"]] = field(default_factory=lambda: ["tlx", "sus"])
    consent: str = ""
    instructions: str = ""
    thanks: str = "Thank you for taking part."
    contact: str = ""
    language: str = "en"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.systems:
            raise ValueError("a study needs at least one system; write systems: {NAME: FOLDER_OF_A_CHECKPOINT}")
        if odd := [name for name in self.systems if not re.fullmatch(r"\w[\w.-]*", name)]:
            raise ValueError(f"a system's name is made of letters, digits, '.', '_' and '-', not as in {odd[0]!r}")
        for name, least in (("trials", 0), ("turns", 1), ("page_size", 1), ("practice", 0), ("trial_seconds", 0)):
            at_least(name, getattr(self, name), least)
        listed = self.targets if isinstance(self.targets, list) else []
        if twice := sorted({one for one in listed if listed.count(one) > 1}):
            raise ValueError(f"target {twice[0]!r} is listed twice; name each once")
        at_least("targets", self.target_count, 1)
        if len(set(self.questionnaires)) < len(self.questionnaires):
            raise ValueError(f"a questionnaire is named once, not as in {self.questionnaires}")

    def check_trials(self) -> None:
        """Refuse targets that cannot be shared out evenly; scripted studies have no trials to share out.

        Raises:
            ValueError: trials do not divide the targets, or make no equal blocks of the systems.
        """
        if self.target_count % self.trial_count:
            fitting = [count for count in range(1, self.target_count + 1) if self.target_count % count == 0]
            raise ValueError(
                f"{self.target_count} targets cannot be shared out by {self.trials} a participant; set trials to one "
                f"of {', '.join(map(str, fitting))}"
            )
        if self.order == "blocked" and self.trial_count % len(self.systems):
            raise ValueError(
                f"{self.trial_count} trials make no {len(self.systems)} equal blocks, one a system; take a multiple of "
                f"{len(self.systems)}, or set order to mixed"
            )

    @property
    def target_count(self) -> int:
        """How many targets there are."""
        return self.targets if isinstance(self.targets, int) else len(self.targets)

    @property
    def trial_count(self) -> int:
        """Trials of a participant, practice left out."""
        return self.trials or self.target_count

    @property
    def consent_version(self) -> str:
        """SHA-256 of the consent text, in hexadecimal digits."""
        return sha256(self.consent.encode("utf-8")).hexdigest()


def protocol_of(facts: Mapping[str, Any]) -> StudyProtocol:
    """The protocol that a study was begun with, with the texts that it was served with last.

    Args:
        facts: as `multiturn.study.store.Store.remembered` has them; those of an earlier version have no texts.
    """
    return StudyProtocol(**{**facts["protocol"], **facts.get("texts", {})})


class _EachKeyOnce(yaml.SafeLoader):
    """Reads YAML, of which a key that appears twice is refused: others would take the last and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See `yaml.SafeLoader`."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ValueError(f"{key.value!r} is there twice, again in line {line}; name each once")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_protocol(path: Path, scripted: bool = False) -> StudyProtocol:
    """Read a protocol from a YAML file.

    Args:
        path: of the file.
        scripted: it is of a scripted study, which has no trials to share out among participants.
    Raises:
        FileNotFoundError: no such file, or no file that a text names.
        ValueError: an unknown key (the nearest known one is named), a key that appears twice or without a value, a
            value of another type, or settings that do not go together.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no protocol at {path}; configs/studies/faces.yaml is one to begin with")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)
    except (yaml.YAMLError, UnicodeDecodeError) as reason:
        raise ValueError(f"{path} is not YAML ({reason})") from reason
    except ValueError as reason:
        raise ValueError(f"{path}: {reason}") from reason
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no settings; write systems: {{NAME: FOLDER_OF_A_CHECKPOINT}} at least")
    if empty := [name for name, value in content.items() if value is None]:
        raise ValueError(f"{path}: nothing follows {empty[0]}; write its value, or leave the key out")
    if isinstance(systems := content.get("systems"), dict):
        for name in systems:
            if not isinstance(name, str):
                raise ValueError(f"{path}: {name!r}, the name of a system, is no text; write it in quotes")
    parser = Parser(exit_on_error=False)
    parser.add_class_arguments(StudyProtocol, "protocol")
    for name in ("consent", "instructions"):
        if isinstance(text := content.get(name), str):
            content[name] = _text(text, path.parent)
    try:
        options = parser.parse_object({"protocol": content})
        made: StudyProtocol = parser.instantiate(options).protocol
        if not scripted:
            made.check_trials()
    except (ArgumentError, ValueError) as reason:
        raise ValueError(f"{path}: {_plain(str(reason))}") from reason
    return made


def _plain(message: str) -> str:
    """The parser's words, for the reader of a file: it names a group and options that a file has not."""
    for theirs, ours in (
        ("Group 'protocol' does not accept option", "a protocol has no key"),
        ("protocol.", ""),
        ("--", ""),
        ("typing.", ""),
    ):
        message = message.replace(theirs, ours)
    return " ".join(message.split())


def _text(text: str, folder: Path) -> str:
    """A text as it stands, or the content of the file beside the protocol that it names."""
    if not text.startswith("file:"):
        return text
    file = folder / text.removeprefix("file:").strip()
    if not file.is_file():
        raise FileNotFoundError(f"no text at {file}, which the protocol names")
    return file.read_text(encoding="utf-8")
