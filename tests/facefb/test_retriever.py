"""Claims about the attribute-feedback GRU: it computes the paper's equations and keeps a retriever's promises."""

from typing import Literal

import jaxtyping
import numpy as np
import pytest
import torch

from facefb.retriever import FeedbackRetriever
from facefb.users import FULL_WITHOUT_CANDIDATE, PROGRESSIVE, SILENT, AttributeUser, Disclosure
from multiturn.contracts import check_retriever
from multiturn.gallery import Gallery
from multiturn.replies import AttributeReply, TextReply
from multiturn.session import Session, play

NAMES, FACES, FEATURES, HIDDEN = [f"a{i}" for i in range(9)], 70, 6, 8
GENERATOR = torch.Generator().manual_seed(1)
ATTRIBUTES = (torch.randint(0, 2, (FACES, 9), generator=GENERATOR) * 2 - 1).to(torch.int8)
GALLERY = Gallery.of([f"{i:02d}" for i in range(FACES)], torch.randn(FACES, FEATURES, generator=GENERATOR), "enc", "s")
TARGETS = torch.tensor([4, 60, 11])


def network(fusion: Literal["linear", "mlp"] = "linear") -> FeedbackRetriever:
    torch.manual_seed(0)
    return FeedbackRetriever(NAMES, "enc", FEATURES, HIDDEN, fusion).eval()


def weights(layer) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def follow(net: FeedbackRetriever, replies: list[AttributeReply], session: int) -> np.ndarray:
    """The paper's section 3.2 for one session, one turn after the other, in float64."""
    vectors = GALLERY.vectors.double().numpy()
    (wa, ba), (wi, bi), (wg, bg) = weights(net.indicate), weights(net.look), weights(net.aim)
    wx, wh = net.aggregate.weight_ih.detach().double().numpy(), net.aggregate.weight_hh.detach().double().numpy()
    bx, bh = net.aggregate.bias_ih.detach().double().numpy(), net.aggregate.bias_hh.detach().double().numpy()
    h = np.zeros(HIDDEN)
    for reply in replies:
        o, a = reply.relevance[session].double().numpy(), reply.candidate[session].double().numpy()
        x = wa @ np.concatenate([o, a]) + ba
        f = wi @ vectors[int(reply.about[session])] + bi
        r = np.concatenate([x, f])
        for number, layer in enumerate(layer for layer in net.fuse if isinstance(layer, torch.nn.Linear)):
            r = np.maximum(r, 0) if number else r
            r = weights(layer)[0] @ r + weights(layer)[1]
        gates_x, gates_h = np.split(wx @ r + bx, 3), np.split(wh @ h + bh, 3)
        reset, update = sigmoid(gates_x[0] + gates_h[0]), sigmoid(gates_x[1] + gates_h[1])
        new = np.tanh(gates_x[2] + reset * gates_h[2])
        h = (1 - update) * new + update * h
    return wg @ h + bg


@pytest.mark.parametrize("fusion", ["linear", "mlp"])
def test_it_computes_the_papers_equations(fusion):
    net = network(fusion)
    turns = list(play(Session(net, GALLERY, TARGETS), AttributeUser(ATTRIBUTES, PROGRESSIVE), TARGETS, 5))
    for number, turn in enumerate(turns):
        said = [earlier.reply for earlier in turns[1 : number + 1]]
        replies = [reply for reply in said if isinstance(reply, AttributeReply)]
        for session in range(len(TARGETS)):
            expected = follow(net, replies, session)
            np.testing.assert_allclose(turn.state.query[session].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_it_shows_the_nearest_face_and_ranks_by_distance():
    net = network()
    session = Session(net, GALLERY, TARGETS, watched=TARGETS)
    turns = list(play(session, AttributeUser(ATTRIBUTES, PROGRESSIVE), TARGETS, 3))
    for turn in turns:
        for row, target in enumerate(TARGETS.tolist()):
            query = turn.state.query[row].detach().double()
            distances = [float((query - face.double()).norm()) for face in GALLERY.vectors]
            assert int(turn.shown[row, 0]) == min(range(FACES), key=distances.__getitem__)
            assert turn.ranks is not None
            assert int(turn.ranks.best[row]) == 1 + sum(d < distances[target] for d in distances)


@pytest.mark.parametrize("disclosure", [PROGRESSIVE, Disclosure(nested=True), FULL_WITHOUT_CANDIDATE, SILENT])
@pytest.mark.parametrize("fusion", ["linear", "mlp"])
def test_it_keeps_the_promises_of_a_retriever(fusion, disclosure):
    check_retriever(network(fusion), GALLERY, AttributeUser(ATTRIBUTES, disclosure), TARGETS, turns=5)


def test_the_layers_have_the_sizes_that_the_paper_gives():
    net = FeedbackRetriever([f"a{i}" for i in range(40)], "enc")
    shapes = {name: tuple(value.shape) for name, value in net.named_parameters() if name.endswith("weight")}
    assert shapes["indicate.weight"] == (256, 80)
    assert shapes["look.weight"] == (256, 256)
    assert shapes["fuse.0.weight"] == (256, 512)
    assert shapes["aim.weight"] == (256, 256)


def test_before_any_reply_every_session_looks_at_the_same_point():
    state = network().start(3, GALLERY)
    assert torch.equal(state.query, state.query[:1].expand(3, -1))


def test_a_gallery_of_another_encoder_is_refused():
    other = Gallery(GALLERY.ids, GALLERY.vectors, "other", "s")
    with pytest.raises(ValueError, match=r"'other'.*'enc'"):
        network().start(1, other)


def test_a_reply_of_another_kind_or_length_is_refused():
    net, one = network(), torch.ones(1, 5, dtype=torch.int8)
    with pytest.raises(ValueError, match="not TextReply"):
        net.update(net.start(1, GALLERY), TextReply(("x",)), GALLERY)
    with pytest.raises(ValueError, match="5 attributes, the retriever knows 9"):
        net.update(net.start(1, GALLERY), AttributeReply(torch.tensor([0]), one, one), GALLERY)


def test_it_survives_its_folder_with_attribute_names_and_fingerprint(tmp_path):
    net = network("mlp")
    net.save_pretrained(tmp_path)
    read = FeedbackRetriever.from_pretrained(tmp_path)
    assert (read.attributes, read.fingerprint) == (tuple(NAMES), "enc")
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in net.state_dict().items())


SIGNS = torch.ones(1, 9, dtype=torch.int8)


@pytest.mark.parametrize(
    ("about", "candidate", "relevance", "said"),
    [
        ([99999], SIGNS, SIGNS, r"about position 99999, this gallery has 0\.\.69"),
        ([-1], SIGNS, SIGNS, r"about position -1, this gallery has 0\.\.69"),
        (
            [0, 1],
            SIGNS.repeat(2, 1),
            SIGNS.repeat(2, 1),
            "2 faces and 2 rows of attributes for 1 sessions; give one row",
        ),
        ([0], 5 * SIGNS, SIGNS, "candidate holds 5; a sign is"),
        ([0], SIGNS, -2 * SIGNS, "relevance holds -2; a sign is"),
    ],
)
def test_a_reply_that_fits_neither_sessions_nor_gallery_is_refused(about, candidate, relevance, said):
    net = network()
    with pytest.raises(ValueError, match=said):
        net.update(net.start(1, GALLERY), AttributeReply(torch.tensor(about), candidate, relevance), GALLERY)


def test_a_reply_with_other_signs_for_the_face_than_for_the_target_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    net = network()
    with pytest.raises(ValueError, match="of the face it says 8"):
        net.update(net.start(1, GALLERY), AttributeReply(torch.tensor([0]), SIGNS[:, :8], SIGNS), GALLERY)
