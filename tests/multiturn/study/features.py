"""Squares that are spoken about by the forty features of faces, whose forms are the longest there are."""

from pathlib import Path

import torch

from data_prep.attributes import ATTRIBUTES
from facefb.comparisons import read_comparison
from multiturn.replies import AttributeReply
from multiturn.session import Turn
from multiturn.study.conduct import Study
from multiturn.study.store import Store
from multiturn.study.systems import System
from multiturn.task import ReplyForm
from tests.multiturn.study.squares import Adding, Squares, protocol


class Featured(Squares):
    """Compared with a shown square, which has every feature."""

    def form(self) -> ReplyForm:
        return ReplyForm("comparison", ATTRIBUTES)

    def read_reply(self, text: str, turn: Turn) -> AttributeReply:
        has = torch.ones(1, len(ATTRIBUTES), dtype=torch.int8)
        return AttributeReply(turn.shown[:, 0], has, read_comparison(text, has[0], ATTRIBUTES)[None])


def study(folder: Path, kind: str = "comparison", **changes: object) -> Study:
    """A study of one system of `Featured`."""
    task = Featured(kind)
    return Study(
        protocol(**changes),
        {"one": System("one", "runs/one", task, Adding(), task.gallery)},
        Store(folder / "study.sqlite"),
    )
