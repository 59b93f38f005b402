"""Claims about replies: they survive JSON to the last bit, and bad rows are refused with a reason."""

import json

import pytest
import torch

from multiturn.replies import AttributeReply, ImageReply, RelevanceReply, Reply, TextReply, reply_from_rows

IDS = ("a", "b", "c", "d")
PLACES = {name: place for place, name in enumerate(IDS)}
REPLIES = [
    AttributeReply(
        torch.tensor([2, 0]),
        torch.tensor([[1, -1, 0], [0, 0, 1]], dtype=torch.int8),
        torch.tensor([[-1, 0, 1], [1, 1, -1]], dtype=torch.int8),
    ),
    TextReply(("a man\nwith “glasses”", "")),
    RelevanceReply(torch.tensor([[0, 3], [1, 2]]), torch.tensor([[1, -1], [0, 1]], dtype=torch.int8)),
    RelevanceReply(torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, 0, dtype=torch.int8)),
    ImageReply(("x.jpg", "y.jpg"), torch.tensor([[0.1, -1e-30], [3e30, 1 / 3]])),
]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: type(reply).__name__)
def test_a_reply_survives_json_to_the_last_bit(reply):
    read = reply_from_rows(json.loads(json.dumps(reply.rows(IDS))), PLACES)
    assert type(read) is type(reply)
    for name, value in vars(reply).items():
        same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
        assert same(getattr(read, name), value)
        assert not isinstance(value, torch.Tensor) or getattr(read, name).dtype == value.dtype


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: type(reply).__name__)
def test_every_kind_is_a_reply_and_has_one_row_a_session(reply):
    assert isinstance(reply, Reply)
    assert len(reply.rows(IDS)) == 2
    assert reply.to("cpu").rows(IDS) == reply.rows(IDS)


def test_signs_are_written_as_characters():
    assert REPLIES[0].rows(IDS)[0] == {
        "kind": "attributes",
        "about": "c",
        "candidate": "+-.",
        "relevance": "-.+",
    }


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "one kind"),
        ([{"text": "x"}], "unknown kind of reply None"),
        ([{"kind": "smell"}], "unknown kind of reply 'smell'"),
        ([{"kind": "text", "text": "x"}, {"kind": "image"}], "one kind"),
        ([{"kind": "text"}], "lacks.*'text'"),
        ([{"kind": "text", "text": 5}], "says a string, not 5"),
        ([{"kind": "attributes", "about": "z", "candidate": "+", "relevance": "+"}], "'z'"),
        ([{"kind": "attributes", "about": "a", "candidate": "+", "relevance": "1"}], r"signs are .*\['1'\]"),
        ([{"kind": "attributes", "about": "a", "candidate": "++", "relevance": "+"}], "go in pairs"),
        ([{"kind": "attributes", "about": ["a"], "candidate": "+", "relevance": "+"}], "wrong type"),
        ([{"kind": "attributes", "about": "a", "candidate": None, "relevance": "+"}], "wrong type"),
        ([{"kind": "relevance", "judged": ["a", "b"], "liked": "+"}], "go in pairs"),
        ([{"kind": "relevance", "judged": ["q"], "liked": "+"}], "'q'"),
        ([{"kind": "image", "name": "x", "vector": [1.0, "y"]}], "wrong type|str"),
        ([{"kind": "image", "name": "x", "vector": [float("nan")]}], "finite numbers"),
        ([{"kind": "image", "name": "x", "vector": 3.0}], "finite numbers"),
    ],
)
def test_a_bad_row_is_refused_with_a_reason(rows, reason):
    with pytest.raises(ValueError, match=reason):
        reply_from_rows(rows, PLACES)


def test_sessions_of_one_batch_judge_equally_many():
    rows = [
        {"kind": "relevance", "judged": ["a", "b"], "liked": "+-"},
        {"kind": "relevance", "judged": ["a"], "liked": "+"},
    ]
    with pytest.raises(ValueError):
        reply_from_rows(rows, PLACES)
