"""Claims about the retrievers by likes and dislikes, each held over all of them where it is a promise of all."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from multiturn.contracts import check_retriever
from multiturn.gallery import Gallery
from multiturn.replies import ImageReply, RelevanceReply, TextReply
from multiturn.session import Session, Turn, play
from relevance.methods import METHODS, RelevanceModel
from relevance.products import Products
from relevance.retriever import NoFeedback
from relevance.rocchio import Rocchio
from relevance.triplet import triplet_loss

TARGETS = torch.tensor([4, 30, 77, 119])
LEARNING = [name for name in METHODS if name != "no feedback"]


def scores_of(retriever, state, gallery) -> torch.Tensor:
    scores = retriever.score(state, gallery)
    return scores.block(0, len(gallery)).double() + scores.offset[:, None]


def heard(retriever, flock, judged, liked, targets=TARGETS):
    """The state after the examples, and after one page of judgements, the same for all sessions."""
    names = tuple(flock.gallery.ids[place] for place in targets.tolist())
    state = retriever.start(len(targets), flock.gallery)
    state = retriever.update(state, ImageReply(names, flock.examples.vectors[targets]), flock.gallery)
    page = torch.tensor(judged).expand(len(targets), -1)
    signs = torch.tensor(liked, dtype=torch.int8).expand(len(targets), -1)
    return retriever.update(state, RelevanceReply(page, signs), flock.gallery)


def played(retriever, flock, targets=TARGETS, turns=6, page=8) -> list[Turn]:
    session = Session(retriever, flock.gallery, targets, page, None, "drop_from_rank", targets[:, None])
    return list(play(session, flock.user, targets, turns))


@pytest.mark.parametrize("head", [0, 5])
def test_a_model_with_or_without_a_map_keeps_the_promises_of_a_retriever(head, flock):
    torch.manual_seed(0)
    model = RelevanceModel("kept-triplet", "encoder", flock.gallery.vectors.shape[1], head).eval()
    check_retriever(model, flock.gallery, flock.user, TARGETS, turns=3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sign", [1, -1])
def test_while_all_replies_are_of_one_class_the_order_is_that_without_feedback(method, sign, flock):
    retriever, plain = METHODS[method](), NoFeedback()
    state = heard(retriever, flock, [3, 40, 90], [sign] * 3)
    assert torch.equal(scores_of(retriever, state, flock.gallery), scores_of(plain, state, flock.gallery))


@pytest.mark.parametrize("method", LEARNING)
def test_likes_and_dislikes_change_the_order(method, flock):
    retriever, plain = METHODS[method](), NoFeedback()
    state = heard(retriever, flock, [3, 40, 90], [1, -1, -1])
    ours, without = (scores_of(which, state, flock.gallery).argsort(1) for which in (retriever, plain))
    assert not torch.equal(ours, without)


@pytest.mark.parametrize("method", LEARNING)
def test_feedback_finds_more_of_the_class_than_none(method, flock):
    targets = torch.arange(0, len(flock.gallery), 4)

    def found(retriever) -> float:
        pages = torch.cat([turn.shown for turn in played(retriever, flock, targets)[1:]], 1)
        return float((flock.labels[pages] == flock.labels[targets][:, None]).double().mean())

    assert found(METHODS[method]()) > found(NoFeedback()) + 0.02


@pytest.mark.parametrize("method", METHODS)
def test_no_image_is_shown_twice_and_the_image_of_the_example_never(method, flock):
    turns = played(METHODS[method](), flock)
    for row, target in enumerate(TARGETS.tolist()):
        pages = torch.cat([turn.shown[row] for turn in turns[1:]]).tolist()
        assert len(set(pages)) == len(pages) and target not in pages


@pytest.mark.parametrize("method", METHODS)
def test_when_the_pool_is_empty_the_session_says_so(method, flock):
    few = torch.arange(20)
    gallery = Gallery.of([flock.gallery.ids[i] for i in few], flock.gallery.vectors[few], "encoder", "few")
    session = Session(METHODS[method](), gallery, torch.tensor([0]), 8, None, "drop_from_rank", torch.tensor([[0]]))
    session.tell(ImageReply(("0",), gallery.vectors[:1]))
    turn = session.tell(RelevanceReply(session.show().shown, torch.tensor([[1, -1] * 4], dtype=torch.int8)))
    with pytest.raises(ValueError, match="only 3 candidates are left to show"):
        session.tell(RelevanceReply(turn.shown, torch.tensor([[1, -1] * 4], dtype=torch.int8)))


@pytest.mark.parametrize("method", METHODS)
def test_without_an_example_likes_stand_in_for_it(method, flock):
    retriever = METHODS[method]()
    state = retriever.start(1, flock.gallery)
    assert len(scores_of(retriever, state, flock.gallery).unique()) == 1
    reply = RelevanceReply(torch.tensor([[3, 4, 90]]), torch.tensor([[1, 1, -1]], dtype=torch.int8))
    scores = scores_of(retriever, retriever.update(state, reply, flock.gallery), flock.gallery)[0]
    wanted = flock.labels == flock.labels[3]
    assert float(scores[wanted].median()) > float(scores[~wanted].median())


@pytest.mark.parametrize("method", LEARNING)
def test_a_session_that_heard_one_class_does_not_change_one_that_heard_both(method, flock):
    retriever = METHODS[method]()
    state = retriever.start(2, flock.gallery)
    state = retriever.update(state, ImageReply(("a", "b"), flock.examples.vectors[:2]), flock.gallery)
    liked = torch.tensor([[1, 1, 1], [1, -1, -1]], dtype=torch.int8)
    mixed = retriever.update(state, RelevanceReply(torch.tensor([[3, 40, 90]] * 2), liked), flock.gallery)
    expected = scores_of(retriever, mixed.rows(torch.tensor([1])), flock.gallery)
    torch.testing.assert_close(scores_of(retriever, mixed, flock.gallery)[1:], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", ["mlp", "triplet", "kept-triplet", "pichunter"])
def test_products_that_are_looked_up_give_the_scores_of_computed_ones(method, flock, monkeypatch):
    state = heard(METHODS[method](), flock, [3, 40, 90], [1, -1, -1])
    looked_up = scores_of(METHODS[method](), state, flock.gallery)
    whole = Products.of_vectors
    for cells, columns in ((0, 512), (0, 50), (1 << 20, 50)):  # 0 cells: as where a table is too large
        with monkeypatch.context() as patch:
            patch.setattr(Products, "of_vectors", partial(whole, cells=cells, columns=columns))
            other = scores_of(METHODS[method](), state, flock.gallery)
        torch.testing.assert_close(other, looked_up, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", LEARNING)
def test_scores_in_the_course_of_a_session_are_those_of_a_retriever_that_sees_its_last_state_only(method, flock):
    retriever = METHODS[method]()
    turns = played(retriever, flock)
    changed = RelevanceReply(turns[2].shown[:, :2], torch.tensor([[1, -1]] * len(TARGETS), dtype=torch.int8))
    states = [turn.state for turn in turns[2:]]
    states.append(retriever.update(states[-1], changed, flock.gallery))  # of images that were judged before
    for state in [*states, *reversed(states)]:
        assert torch.equal(
            scores_of(retriever, state, flock.gallery), scores_of(METHODS[method](), state, flock.gallery)
        )


@given(
    labels=st.lists(st.lists(st.sampled_from([1, -1, 0]), min_size=5, max_size=5), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_the_triplet_loss_and_its_gradient_are_those_of_all_pairs(labels, seed):
    signs = torch.tensor(labels, dtype=torch.int8)
    cosines = torch.rand(signs.shape, generator=torch.Generator().manual_seed(seed)).mul(2).sub(1).requires_grad_()
    pairs = [
        [(cosines[row, n] - cosines[row, p] + 0.3).relu() for p in range(5) for n in range(5) if own[p] > 0 > own[n]]
        for row, own in enumerate(labels)
    ]
    expected = torch.stack([torch.stack(own).mean() if own else torch.zeros(()) for own in pairs])
    found = triplet_loss(cosines, signs, 0.3)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found.sum(), cosines)
    if any(pairs):
        torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), cosines)[0])
    else:
        assert not bool(gradient.any())


def test_a_table_of_products_is_made_only_where_it_fits():
    assert Products.of_vectors(torch.eye(4), cells=16).table is not None
    assert Products.of_vectors(torch.eye(4), cells=15).table is None


def test_rocchio_adds_likes_and_takes_dislikes_away(flock):
    state = heard(Rocchio(2.0, 1.0, 0.5), flock, [3, 4, 90], [1, 1, -1], TARGETS[:1])
    unit = normalize(flock.gallery.vectors.double(), dim=1)
    query = normalize(flock.examples.vectors[TARGETS[:1]].double(), dim=1)[0]
    moved = 2 * query + (unit[3] + unit[4]) / 2 - 0.5 * unit[90]
    expected = unit @ moved / moved.norm()
    torch.testing.assert_close(scores_of(Rocchio(2.0, 1.0, 0.5), state, flock.gallery)[0], expected, rtol=0, atol=1e-5)


def test_the_posterior_of_pichunter_is_that_of_its_formula(flock):
    retriever = METHODS["pichunter"]()
    state = heard(retriever, flock, [3, 40, 90], [1, -1, -1], TARGETS[:1])
    unit = normalize(flock.gallery.vectors.double(), dim=1)
    query = normalize(flock.examples.vectors[TARGETS[:1]].double(), dim=1)[0]
    cosines = unit[[3, 40, 90]] @ unit.T / 0.3
    liked = cosines[0] - cosines.logsumexp(0)
    disliked = (-cosines[1:] - (-cosines).logsumexp(0)).sum(0)
    expected = unit @ query / 0.3 + liked + disliked
    torch.testing.assert_close(scores_of(retriever, state, flock.gallery)[0], expected, rtol=0, atol=1e-4)


def test_the_svm_is_that_of_scikit_learn_on_the_vectors_themselves(flock):
    from sklearn.svm import SVC

    state = heard(METHODS["svm"](), flock, [3, 40, 90, 91], [1, -1, -1, -1], TARGETS[:1])
    unit = normalize(flock.gallery.vectors, dim=1).numpy()
    query = normalize(flock.examples.vectors[TARGETS[:1]], dim=1).numpy()
    plain = SVC(gamma=1 / unit.var(0).sum(), class_weight="balanced")
    plain.fit([*query, *unit[[3, 40, 90, 91]]], [1, 1, -1, -1, -1])
    ours = scores_of(METHODS["svm"](), state, flock.gallery)[0].numpy()
    assert abs(ours - plain.decision_function(unit)).max() < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_reply_of_another_kind_is_refused(method, flock):
    retriever = METHODS[method]()
    with pytest.raises(ValueError, match="likes and dislikes; not TextReply"):
        retriever.update(retriever.start(1, flock.gallery), TextReply(("a bird",)), flock.gallery)


def test_an_example_of_another_length_is_refused(flock):
    retriever = NoFeedback()
    with pytest.raises(ValueError, match=r"\(1, 7\) for 1 sessions in a gallery of 16 dimensions; encode them with"):
        retriever.update(retriever.start(1, flock.gallery), ImageReply(("x",), torch.ones(1, 7)), flock.gallery)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_an_example_that_is_like_nothing_is_refused_by_name(value, flock):
    retriever, vector = NoFeedback(), torch.full((1, 16), value)
    with pytest.raises(ValueError, match="example 'x' is zero or not finite"):
        retriever.update(retriever.start(1, flock.gallery), ImageReply(("x",), vector), flock.gallery)


def test_a_model_refuses_the_gallery_of_another_encoder(flock):
    with pytest.raises(ValueError, match="encoder"):
        RelevanceModel("svm", "another", 16).start(1, flock.gallery)


def test_a_model_with_a_map_refuses_an_example_of_another_length(flock):
    model = RelevanceModel("svm", "encoder", 16, 4).eval()
    with pytest.raises(ValueError, match="an example has 7 numbers, the encoder encoder makes 16"):
        model.update(model.start(1, flock.gallery), ImageReply(("x",), torch.ones(1, 7)), flock.gallery)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method is one of no feedback, svm, mlp"):
        RelevanceModel("perceptron", "encoder", 16)


def test_a_model_comes_back_from_its_folder(tmp_path, flock):
    torch.manual_seed(0)
    model = RelevanceModel("rocchio", "encoder", 16, 4).eval()
    model.save_pretrained(tmp_path)
    again = RelevanceModel.from_pretrained(tmp_path).eval()
    states = [which.start(2, flock.gallery) for which in (model, again)]
    reply = ImageReply(("a", "b"), flock.examples.vectors[:2])
    one, other = (
        scores_of(which, which.update(state, reply, flock.gallery), flock.gallery)
        for which, state in zip((model, again), states, strict=True)
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("way", ["a checkpoint", "a step", "an edit"])
def test_a_map_whose_weights_changed_in_evaluation_maps_the_gallery_anew(way, flock):
    torch.manual_seed(0)
    dim = flock.gallery.vectors.shape[1]
    model, other = (RelevanceModel("rocchio", "encoder", dim, 5).eval() for _ in range(2))
    assert model.head is not None and other.head is not None
    example = ImageReply(("x",), flock.examples.vectors[:1])

    def table(one: RelevanceModel) -> torch.Tensor:
        state = one.update(one.start(1, flock.gallery), example, flock.gallery)
        return one.score(state, flock.gallery).block(0, len(flock.gallery))

    before = table(model)
    if way == "a checkpoint":
        model.load_state_dict(other.state_dict())
    elif way == "a step":
        model.head.weight.data = other.head.weight.detach().clone()
    else:
        with torch.no_grad():
            model.head.weight.copy_(other.head.weight)
    assert torch.equal(table(model), table(other)) and not torch.equal(before, table(model))


def test_a_gallery_is_mapped_once_while_the_weights_stay(flock):
    model = RelevanceModel("rocchio", "encoder", flock.gallery.vectors.shape[1], 5).eval()
    mapped: list[int] = []
    assert model.head is not None
    model.head.register_forward_hook(lambda *given: mapped.append(len(given[2])))
    state = model.start(1, flock.gallery)
    for _ in range(3):
        model.score(state, flock.gallery)
    assert mapped == [len(flock.gallery)]
