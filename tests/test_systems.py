"""Claims about all five systems at once: every retriever keeps its promises, and one session code drives them all."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import drilldown
import facefb
import relevance
from drilldown.models import CLASSES
from drilldown.task import Unheard
from facefb.attribute_queries import AttributeQueries
from facefb.attribute_space import AttributeSpace
from facefb.matching import AttributeMatching
from facefb.retriever import FeedbackRetriever
from facefb.reverse_retriever import ExampleRetriever
from facefb.reverse_users import Album, ExampleUser
from facefb.users import PROGRESSIVE, AttributeUser
from multiturn.contracts import check_retriever
from multiturn.gallery import Gallery
from multiturn.session import Retriever, Session, User, play
from multiturn.trial import Trial, run
from relevance.methods import METHODS, RelevanceModel
from tests.drilldown import test_retrievers as texts
from tests.relevance.conftest import make_flock

TASKS = {path.stem for path in (Path(__file__).resolve().parent.parent / "configs").glob("*.yaml")}
# Bases of others: of methods that are fitted, without scores of its own; of models that hear, each in its own way.
UNFINISHED = {"FittedRetriever", "OneVector"}
TURNS = 3

FACES, NAMES, DIM = 40, ["Male", "Smiling", "Young", "Bald", "Bangs"], 6
DRAW = torch.Generator().manual_seed(4)
ATTRIBUTES = (torch.randint(0, 2, (FACES, len(NAMES)), generator=DRAW) * 2 - 1).to(torch.int8)
IDS = [f"{place:02d}" for place in range(FACES)]
GALLERY = Gallery.of(IDS, torch.randn(FACES, DIM, generator=DRAW), "enc", "s")
LOGITS = Gallery.of(IDS, torch.randn(FACES, len(NAMES), generator=DRAW), "enc", "s")
ALBUM = Album([IDS[place % 9] for place in range(FACES)])
TARGETS = torch.tensor([4, 30, 11, 39])
FLOCK = make_flock()


class Case(NamedTuple):
    """A small untrained retriever of a task, with somebody to talk to it."""

    task: str
    name: str
    make: Callable[[], Any]
    gallery: Gallery
    user: User
    targets: Tensor = TARGETS

    def retriever(self) -> Any:
        """Always the same weights."""
        torch.manual_seed(0)
        made = self.make()
        return made.eval() if isinstance(made, torch.nn.Module) else made


WITNESS = AttributeUser(ATTRIBUTES, PROGRESSIVE)
QUERIES = AttributeQueries(ATTRIBUTES, [2, 3])
PHOTOS = ExampleUser(GALLERY, ALBUM, ["example", "wrong", "example"])
CASES = [
    Case("celeba-feedback", "GRU", lambda: FeedbackRetriever(NAMES, "enc", DIM, 8), GALLERY, WITNESS),
    Case("celeba-feedback", "classifier", AttributeMatching, LOGITS, WITNESS),
    Case("celeba-attributes", "space", lambda: AttributeSpace(NAMES, "enc", DIM, 5, 8), GALLERY, QUERIES),
    Case(
        "celeba-attributes",
        "space with likelihoods",
        lambda: AttributeSpace(NAMES, "enc", DIM, 5 + 2 * len(NAMES), 8, 0.1),
        GALLERY,
        QUERIES,
    ),
    Case("celeba-attributes", "classifier", lambda: AttributeMatching("likelihood"), LOGITS, QUERIES),
    Case("lfw-reverse", "examples", lambda: ExampleRetriever("enc"), GALLERY, PHOTOS),
    Case(
        "cub-relevance",
        "mapped",
        lambda: RelevanceModel("mlp", "encoder", FLOCK.gallery.vectors.shape[1], 5),
        FLOCK.gallery,
        FLOCK.user,
    ),
    *(Case("cub-relevance", name, method, FLOCK.gallery, FLOCK.user) for name, method in METHODS.items()),
    *(
        Case("vg-drilldown", kind, lambda kind=kind: texts.model(kind), texts.GALLERY, texts.Sayer(), texts.TARGETS)
        for kind in CLASSES
    ),
]
SYSTEMS = list({case.task: case for case in reversed(CASES)}.values())


def held_over(cases: list[Case]) -> pytest.MarkDecorator:
    """A claim about each of them."""
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.task}-{case.name}".replace(" ", "-"))


def retriever_classes() -> set[type]:
    """Every class of the three systems' packages that has what a retriever has."""
    found = set()
    for package in (drilldown, facefb, relevance):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for one in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(one) and one.__module__ == module.name and issubclass(one, Retriever):
                    found.add(one)
    return found


@held_over(CASES)
def test_every_retriever_keeps_its_promises(case: Case):
    check_retriever(case.retriever(), case.gallery, case.user, case.targets, TURNS)


def test_the_list_has_every_task_and_every_retriever_of_the_project():
    assert {case.task for case in CASES} == TASKS
    listed = {type(case.retriever()) for case in CASES} | {Unheard}
    assert {one.__name__ for one in retriever_classes() - listed} == UNFINISHED


def test_the_control_that_hears_nothing_follows_names_alone():
    """So it is the one that cannot follow candidates under other names, which `check_retriever` gives them."""
    with pytest.raises(AssertionError, match="do not follow the candidates"):
        check_retriever(Unheard(), texts.GALLERY, texts.Sayer(), texts.TARGETS)


@held_over(SYSTEMS)
def test_one_session_code_drives_every_system(case: Case):
    """Evaluation, in batches, and one session at a time, one call a request, with a reply taken back, as in a study."""
    trial = Trial(case.name, case.retriever(), case.gallery, case.user, case.targets, TURNS, 3, "drop_from_display")
    together = run(trial, 2, show_progress=False)
    for row, target in enumerate(case.targets.split(1)):
        session = Session(case.retriever(), case.gallery, target, 3, None, "drop_from_display", None, target)
        for number in range(TURNS + 1):
            turn = session.show()
            assert turn.number == number and turn.ranks is not None
            assert turn.shown[0].tolist() == together.shown[row, number].tolist()
            assert int(turn.ranks.best) == int(together.ranks.best[row, number])
            reply = case.user.reply(turn, target)
            session.tell(reply)
            if number == 1:
                session.undo()
                session.tell(reply)


@held_over(SYSTEMS)
def test_a_session_that_was_interrupted_goes_on_from_its_replies_in_every_system(case: Case):
    def session() -> Session:
        return Session(case.retriever(), case.gallery, case.targets, 3)

    turns = list(play(session(), case.user, case.targets, TURNS))
    again = session().replay(turn.reply for turn in turns[1:] if turn.reply is not None)
    assert torch.equal(again.shown, turns[-1].shown) and torch.equal(again.scores, turns[-1].scores)
