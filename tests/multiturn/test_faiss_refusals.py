"""Claims about faiss indexes that cannot be built or asked so: each refusal names the number and what fits."""

from dataclasses import replace

import pytest
import torch

from multiturn.faiss_index import build_index
from multiturn.gallery import Gallery
from multiturn.index_settings import Effort, IndexSettings
from tests.multiturn.test_faiss_index import GALLERY, QUERIES, REGIONS


def test_a_factory_that_faiss_does_not_know_is_refused_with_its_message():
    with pytest.raises(ValueError, match=r"'Flatt' .*could not parse index string Flatt.* try 'PQ64x4fs"):
        build_index(GALLERY, IndexSettings("Flatt"))


def test_parts_that_do_not_divide_the_dimension_are_refused():
    with pytest.raises(ValueError, match=r"should be a multiple .* whose number divides theirs"):
        build_index(GALLERY, IndexSettings("PQ5x4fs"))


def test_more_lists_than_vectors_are_refused_with_a_number_that_fits():
    with pytest.raises(ValueError, match=r"1024 lists, and there are 700 vectors .* take 17 lists, or 'Flat'"):
        build_index(GALLERY, IndexSettings("IVF1024,Flat"))


def test_too_few_vectors_for_the_centroids_are_refused():
    few = Gallery(GALLERY.ids[:100], GALLERY.vectors[:100], "f", "s")
    with pytest.raises(
        ValueError, match=r"cannot build 'PQ4' of 100 vectors \(.*training points.* fewer lists or bits"
    ):
        build_index(few, IndexSettings("PQ4"))


@pytest.mark.parametrize(
    ("factory", "effort", "said"),
    [
        ("Flat", Effort(nprobe=2), "no use for nprobe; leave it out, or take an index 'IVF"),
        ("IVF8,Flat", Effort(ef_search=2), "no use for ef_search"),
        ("HNSW16", Effort(k_factor=2), "no use for k_factor"),
    ],
)
def test_an_effort_that_an_index_has_no_use_for_is_refused(factory, effort, said):
    with pytest.raises(ValueError, match=said):
        build_index(GALLERY, IndexSettings(factory, effort=effort))


def test_a_candidate_without_direction_is_refused_where_a_cosine_is_wanted():
    vectors = GALLERY.vectors.clone()
    vectors[3] = 0
    with pytest.raises(ValueError, match=r"row 3 .* is zero and has no cosine"):
        build_index(replace(GALLERY, vectors=vectors), IndexSettings("Flat", "cosine"))


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_query_that_is_not_finite_is_refused(number):
    queries = QUERIES.clone()
    queries[7, 2] = number
    with pytest.raises(ValueError, match="query 7 is not finite"):
        build_index(GALLERY, IndexSettings("Flat")).propose(queries, 3)


def test_queries_of_another_width_and_none_at_all_are_refused():
    index = build_index(GALLERY, IndexSettings("Flat"))
    with pytest.raises(ValueError, match="have 3 numbers, the index was made of vectors of 16"):
        index.propose(torch.zeros(1, 3), 1)
    with pytest.raises(ValueError, match="at least one candidate, not 0"):
        index.propose(QUERIES, 0)


def test_what_is_indexed_must_be_there():
    with pytest.raises(ValueError, match="has one vector; index it by: vectors"):
        build_index(GALLERY, IndexSettings("Flat", "cosine", "regions"))
    with pytest.raises(ValueError, match="has several regions; index it by: pooled or by: regions"):
        build_index(REGIONS, IndexSettings("Flat"))
    with pytest.raises(ValueError, match="compared by their cosines, not by l2"):
        IndexSettings("Flat", "l2", "pooled")


@pytest.mark.parametrize("name", ["nprobe", "ef_search", "k_factor", "proposals"])
def test_an_effort_below_one_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Effort(**{name: 0})
