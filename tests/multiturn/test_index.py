"""Claims about pages that an index proposes: exact scores and order, nothing hidden on them, ranks untouched."""

from dataclasses import dataclass, replace

import pytest
import torch

from multiturn import index as index_module
from multiturn.gallery import Gallery
from multiturn.index import ExactIndex, Index, Together, gallery_as_scored, search_proposed
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.replies import TextReply
from multiturn.scoring import DenseScores, Similarity, VectorScores
from multiturn.search import search
from multiturn.session import Session

GENERATOR = torch.Generator().manual_seed(3)
GALLERY = Gallery(tuple(f"{i:03d}" for i in range(60)), torch.randn(60, 8, generator=GENERATOR), "f", "s")
QUERIES = torch.randn(5, 8, generator=GENERATOR)
MASK = torch.arange(4) < torch.randint(1, 5, (60, 1), generator=GENERATOR)
REGIONS = Gallery(GALLERY.ids, torch.randn(60, 4, 8, generator=GENERATOR) * MASK[..., None], "f", "s", MASK)
SIMILARITIES = ("l2", "dot", "cosine")


@dataclass(frozen=True)
class Always:
    """Proposes the same candidates to everybody."""

    gallery: Gallery
    proposed: tuple[int, ...]
    similarity: Similarity = "l2"

    def propose(self, queries, k):
        return torch.tensor(self.proposed).expand(len(queries), -1)

    def search(self, queries, k):
        raise NotImplementedError


class Following:
    """Looks where it was told; its state is the number of the query."""

    def start(self, sessions, gallery):
        return 0

    def update(self, state, reply, gallery):
        return state + 1

    def score(self, state, gallery):
        return VectorScores(QUERIES[state : state + 1], gallery.vectors, gallery.norms, "l2")


def scored(queries=QUERIES, similarity: Similarity = "l2", gallery=GALLERY):
    return VectorScores(queries, gallery.vectors, gallery.norms, similarity)


def told(states: int, sessions: int = 3) -> StateScores:
    scores = StateScores.start(sessions, 3, RegionVectors(REGIONS.vectors, MASK), RegionFormula())
    for state in range(states):
        scores = scores.after(torch.full((sessions,), state), QUERIES[:sessions].roll(state, 1))
    return scores


def test_the_indexes_are_indexes():
    assert isinstance(ExactIndex(GALLERY), Index)
    assert isinstance(Together((ExactIndex(GALLERY),)), Index)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_page_of_an_exact_index_is_the_exact_page(similarity):
    scores = scored(similarity=similarity)
    hidden = torch.tensor([[0, 1, -1], [5, -1, -1], [-1, -1, -1], [9, 8, 7], [59, 0, 30]])
    page, exact = search_proposed(scores, ExactIndex(GALLERY, similarity), 7, hidden), search(scores, 7, hidden=hidden)
    assert torch.equal(page.found.positions, exact.positions)
    assert torch.equal(page.found.scores, exact.scores)
    assert not page.short.any()


def test_proposals_come_in_the_order_of_their_exact_scores():
    page = search_proposed(scored(), Always(GALLERY, (40, 7, 21, 7, -1)), 3).found
    exact = scored().exact(torch.arange(5).repeat_interleave(3), torch.tensor([7, 21, 40]).repeat(5)).view(5, 3)
    assert torch.equal(page.scores, exact.sort(descending=True).values)
    assert page.positions.sort().values.tolist() == [[7, 21, 40]] * 5


def test_proposals_of_equal_score_stand_in_the_order_of_the_gallery():
    twins = replace(GALLERY, vectors=torch.ones(60, 8))
    page = search_proposed(scored(gallery=twins), Always(twins, (9, 3, 6)), 3).found
    assert page.positions.tolist() == [[3, 6, 9]] * 5


def test_what_was_shown_leaves_the_page():
    page = search_proposed(scored(), Always(GALLERY, (1, 2, 3, 4)), 2, torch.tensor([[1, 2]] * 5)).found
    assert page.positions.sort().values.tolist() == [[3, 4]] * 5


def test_a_session_for_which_too_few_are_proposed_is_searched_exactly_and_the_others_are_not():
    hidden = torch.tensor([[1], [-1], [-1], [-1], [-1]])
    page = search_proposed(scored(), Always(GALLERY, (1, 2)), 2, hidden)
    assert page.short.tolist() == [True, False, False, False, False]
    assert torch.equal(page.found.positions[0], search(scored(), 2, hidden=hidden).positions[0])
    assert page.found.positions[1:].sort().values.tolist() == [[1, 2]] * 4


def test_a_page_larger_than_the_gallery_holds_the_gallery():
    page = search_proposed(scored(), ExactIndex(GALLERY), 100)
    assert page.found.positions.sort().values.tolist() == [list(range(60))] * 5


def test_indexes_together_propose_what_any_of_them_proposes():
    both = Together((Always(GALLERY, (1, 2)), Always(GALLERY, (2, 30))))
    assert both.propose(QUERIES, 2).tolist() == [[1, 2, 2, 30]] * 5
    assert torch.equal(Together((ExactIndex(GALLERY),)).search(QUERIES, 4)[1], search(scored(), 4).positions)


def test_every_filled_state_and_their_mean_are_looked_for():
    asked = []

    @dataclass(frozen=True)
    class Listening(Always):
        def propose(self, queries, k):
            asked.append(queries)
            return super().propose(queries, k)

    search_proposed(told(2), Listening(REGIONS, (1, 2, 3), "cosine"), 2)
    one, two, mean = asked
    assert torch.allclose(one + two, mean)
    assert torch.allclose(one, torch.nn.functional.normalize(QUERIES[:3]))


@pytest.mark.parametrize("states", [1, 3])
def test_a_page_of_states_has_the_scores_of_the_exact_search(states):
    everything = Always(REGIONS, tuple(range(60)), "cosine")
    page, exact = search_proposed(told(states), everything, 9).found, search(told(states), 9)
    assert torch.equal(page.positions, exact.positions)
    assert torch.equal(page.scores, exact.scores)


def test_exact_scores_of_proposals_need_no_scores_of_the_whole_gallery():
    scores, session, candidate = told(3), torch.tensor([0, 1, 2]), torch.tensor([7, 30, 59])
    alone = scores.exact(session, candidate)
    assert [column._made for column in scores.columns] == [None] * 3
    searched = told(3)
    search(searched, 1)
    assert torch.equal(searched.exact(session, candidate), alone)


def test_before_anything_was_said_the_page_is_the_exact_one():
    page = search_proposed(told(0), Always(REGIONS, (5, 6), "cosine"), 2)
    assert page.short.all() and page.found.positions.tolist() == [[0, 1]] * 3


def test_states_that_cancel_each_other_have_no_mean_to_look_for():
    scores = StateScores.start(1, 2, RegionVectors(REGIONS.vectors, MASK), RegionFormula())
    scores = scores.after(torch.tensor([0]), QUERIES[:1]).after(torch.tensor([1]), -QUERIES[:1])
    assert search_proposed(scores, Always(REGIONS, (5, 6), "cosine"), 2).found.positions.shape == (1, 2)


def test_an_index_of_other_vectors_is_refused():
    other = replace(GALLERY, vectors=GALLERY.vectors + 1)
    for wrong in (other, REGIONS, Gallery(GALLERY.ids[:9], GALLERY.vectors[:9], "f", "s")):
        with pytest.raises(ValueError, match=r"holds other vectors .*gallery_as_scored"):
            search_proposed(scored(), Always(wrong, (1, 2)), 1)


@pytest.mark.parametrize("place", range(60))
def test_an_index_of_a_gallery_with_one_other_vector_is_refused(place):
    vectors = GALLERY.vectors.clone()
    vectors[place, -1] += 1e-3
    with pytest.raises(ValueError, match="holds other vectors"):
        search_proposed(scored(), Always(replace(GALLERY, vectors=vectors), (1, 2)), 1)


def test_an_index_of_regions_with_one_other_region_is_refused():
    assert REGIONS.mask is not None
    for place in REGIONS.mask.nonzero().tolist():
        vectors = REGIONS.vectors.clone()
        vectors[tuple(place)] *= -1
        with pytest.raises(ValueError, match="holds other vectors"):
            search_proposed(told(1), Always(replace(REGIONS, vectors=vectors), (1, 2), "cosine"), 1)


def test_all_vectors_are_compared_once_for_two_tensors(monkeypatch):
    compared = []
    copies = [replace(GALLERY, vectors=GALLERY.vectors.clone()) for _ in range(2)]
    equal = index_module._equal
    monkeypatch.setattr(index_module, "_equal", lambda *given: compared.append(given[0]) or equal(*given))
    for _ in range(3):
        search_proposed(scored(), Always(GALLERY, (1, 2)), 1)
        search_proposed(scored(), Always(copies[0], (1, 2)), 1)
    assert len(compared) == 1
    search_proposed(scored(), Always(copies[1], (1, 2)), 1)
    assert len(compared) == 2


def test_an_index_of_another_similarity_is_refused():
    with pytest.raises(ValueError, match="made for cosine, the retriever scores by l2"):
        search_proposed(scored(), ExactIndex(GALLERY, "cosine"), 1)


def test_scores_without_queries_are_refused():
    with pytest.raises(ValueError, match=r"DenseScores has no query vectors .* leave the index out"):
        search_proposed(DenseScores(torch.zeros(1, 60)), ExactIndex(GALLERY), 1)
    with pytest.raises(ValueError, match="no query vectors"):
        gallery_as_scored(DenseScores(torch.zeros(1, 60)), GALLERY)


def test_a_page_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one candidate, not 0"):
        search_proposed(scored(), ExactIndex(GALLERY), 0)


def test_regions_have_no_score_of_a_single_vector():
    with pytest.raises(ValueError, match="several regions have no score of one query"):
        ExactIndex(REGIONS, "cosine").search(QUERIES, 1)


def test_indexes_of_different_galleries_do_not_propose_together():
    with pytest.raises(ValueError, match="of one gallery and one similarity"):
        Together((ExactIndex(GALLERY), ExactIndex(REGIONS)))


def test_the_gallery_as_scored_is_in_the_space_of_the_scores():
    assert gallery_as_scored(scored(), GALLERY) is GALLERY
    moved = replace(GALLERY, vectors=2 * GALLERY.vectors)
    assert gallery_as_scored(scored(gallery=moved), GALLERY).vectors is moved.vectors
    inner = gallery_as_scored(told(1), REGIONS)
    search_proposed(told(1), Always(inner, (1, 2), "cosine"), 2)


@pytest.mark.parametrize("seen", ["keep", "drop_from_display", "drop_from_rank"])
def test_a_session_shows_what_the_index_proposes_and_ranks_exactly(seen):
    watched = torch.tensor([33])
    index = Always(GALLERY, tuple(range(0, 60, 3)))
    plain = Session(Following(), GALLERY, torch.tensor([0]), 2, seen=seen, watched=watched)
    proposed = Session(Following(), GALLERY, torch.tensor([0]), 2, seen=seen, watched=watched, index=index)
    alone = Session(Following(), GALLERY, torch.tensor([0]), 2, seen=seen, index=index)
    for _ in range(3):
        turn, page = proposed.tell(TextReply(("",))), alone.tell(TextReply(("",)))
        assert torch.equal(turn.shown, page.shown) and page.ranks is None
        assert all(position % 3 == 0 for position in turn.shown.flatten().tolist())
        exact = plain.tell(TextReply(("",))).ranks
        assert turn.ranks is not None and exact is not None
        if seen != "drop_from_rank":  # there the ranks follow what was shown
            assert torch.equal(turn.ranks.best, exact.best)


def test_a_session_with_an_index_shows_nothing_twice_where_seen_candidates_are_dropped():
    index = Always(GALLERY, tuple(range(20)))
    session = Session(Following(), GALLERY, torch.tensor([0]), 4, seen="drop_from_display", index=index)
    pages = [session.show(), *(session.tell(TextReply(("",))) for _ in range(4))]
    shown = torch.cat([turn.shown for turn in pages], 1).flatten().tolist()
    assert sorted(shown) == list(range(20))
