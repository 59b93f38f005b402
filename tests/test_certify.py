"""Claims about certificates of indexes; the program that makes them is in test_certify_program.py."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from multiturn.certificates import (
    certificate_line,
    certified_index,
    given,
    held_out,
    measure,
    perturbed,
    read_certificate,
    wilson,
    write_certificate,
)
from multiturn.faiss_index import build_index, load_index, save_index
from multiturn.gallery import Gallery
from multiturn.index import ExactIndex, Together, search_proposed
from multiturn.index_settings import Effort, IndexSettings
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.report.certificates import certificates_table, recall_against_time, table_note
from multiturn.scoring import DenseScores

GENERATOR = torch.Generator().manual_seed(7)
ROWS, DIM = 400, 8
GALLERY = Gallery(tuple(f"{i:04d}" for i in range(ROWS)), torch.randn(ROWS, DIM, generator=GENERATOR), "f", "drawn")
MASK = torch.arange(4) < torch.randint(1, 5, (ROWS, 1), generator=GENERATOR)
REGIONS = Gallery(GALLERY.ids, torch.randn(ROWS, 4, DIM, generator=GENERATOR) * MASK[..., None], "f", "drawn", MASK)
FEW = perturbed(GALLERY, 30)


def built(folder: Path, factory: str = "Flat", effort: Effort | None = None, gallery: Gallery = GALLERY, **more):
    settings = IndexSettings(factory, effort=effort or Effort(), **more)
    save_index(build_index(gallery, settings), folder)
    return load_index(folder, gallery)


def test_an_exhaustive_index_has_recall_one_and_an_interval_that_keeps_a_width(tmp_path: Path):
    found = measure(built(tmp_path), tmp_path, FEW)
    assert [one.k for one in found.recall] == [1, 10, 100]
    assert all((one.value, one.high) == (1.0, 1.0) and 0.8 < one.low < 1 for one in found.recall)
    assert found.short == found.tied == 0
    assert min(found.single.index, found.single.exact, found.batched.index, found.batched.exact) > 0


def test_the_recall_is_the_share_of_the_exact_page_that_is_found(tmp_path: Path):
    index = built(tmp_path, "IVF16,Flat", Effort(nprobe=1))
    found = measure(index, tmp_path, FEW, at=[5])
    pages = zip(index.search(FEW.vectors[:, 0], 5)[1], ExactIndex(GALLERY).search(FEW.vectors[:, 0], 5)[1], strict=True)
    shares = [len(set(one.tolist()) & set(other.tolist())) / 5 for one, other in pages]
    assert found.recall[0].value == pytest.approx(np.mean(shares)) and 0.1 < found.recall[0].value < 0.95


def test_twins_count_whichever_is_found_and_are_reported_as_ties(tmp_path: Path):
    twins = replace(GALLERY, vectors=GALLERY.vectors[: ROWS // 2].repeat_interleave(2, 0))
    found = measure(built(tmp_path, "HNSW16", gallery=twins), tmp_path, perturbed(twins, 20), at=[9])
    assert found.recall[0].value == 1.0
    assert found.tied == pytest.approx(5 / 9)  # of 10 scores in 5 pairs, 5 of 9 steps stay level


def test_a_held_out_vector_is_not_its_own_answer(tmp_path: Path):
    queries = held_out(GALLERY, 20)
    assert queries.hidden is not None
    assert torch.equal(queries.vectors[:, 0], GALLERY.vectors[queries.hidden[:, 0]])
    index = built(tmp_path, "IVF16,Flat", Effort(nprobe=1))
    alone, hiding = (
        measure(index, tmp_path, one, [1]).recall[0].value for one in (replace(queries, hidden=None), queries)
    )
    assert alone == 1.0 > hiding


def test_k_above_the_gallery_is_left_out_and_none_that_fits_is_refused(tmp_path: Path):
    index = built(tmp_path)
    assert [one.k for one in measure(index, tmp_path, held_out(GALLERY, 3), [ROWS - 1, ROWS]).recall] == [ROWS - 1]
    with pytest.raises(ValueError, match=rf"recall at \[500\] cannot be had among {ROWS} candidates"):
        measure(index, tmp_path, FEW, at=[500])


def test_pages_that_were_searched_exactly_are_reported(tmp_path: Path):
    found = measure(built(tmp_path, "IVF16,Flat", Effort(nprobe=1)), tmp_path, FEW, at=[1, 200])
    assert found.short == 1.0 and found.recall[1].value == 1.0


def test_regions_are_certified_by_pooled_vectors_and_regions_together(tmp_path: Path):
    parts = []
    for by in ("pooled", "regions"):
        settings = IndexSettings("Flat", "cosine", by)
        folder = tmp_path / settings.name
        save_index(build_index(REGIONS, settings), folder)
        parts.append((load_index(folder, REGIONS), folder))
    both, folder = Together(tuple([one for one, _ in parts])), parts[0][1]
    queries = perturbed(REGIONS, 12, states=2)
    found = measure(both, folder, queries, at=[1, 10])
    assert found.recall[1].value >= max(measure(one, where, queries, at=[10]).recall[0].value for one, where in parts)
    assert found.bytes == sum(one.bytes for one in found.indexes) and len(found.indexes) == 2
    write_certificate(found, folder)
    assert read_certificate(both, folder) == found
    with pytest.raises(ValueError, match="no certificate"):
        read_certificate(parts[0][0], folder)


def test_queries_of_regions_are_real_regions_of_one_candidate():
    queries = held_out(REGIONS, 50, states=3)
    assert queries.hidden is not None
    own = REGIONS.vectors[queries.hidden[:, 0]]
    assert bool(((own[:, None] == queries.vectors[:, :, None]).all(3).any(2)).all())
    assert bool((queries.vectors.norm(dim=2) > 0).all())


def test_equal_seeds_make_equal_queries_and_other_seeds_others():
    assert torch.equal(perturbed(GALLERY, 9, seed=1).vectors, perturbed(GALLERY, 9, seed=1).vectors)
    assert not torch.equal(perturbed(GALLERY, 9, seed=1).vectors, perturbed(GALLERY, 9, seed=2).vectors)


def test_a_certificate_read_is_the_one_written(tmp_path: Path):
    index = built(tmp_path, "IVF4,Flat", Effort(nprobe=2))
    found = measure(index, tmp_path, FEW)
    write_certificate(found, tmp_path)
    assert read_certificate(index, tmp_path) == found


def test_each_effort_keeps_its_own_certificate_and_a_new_one_replaces_the_old(tmp_path: Path):
    built(tmp_path, "IVF4,Flat")
    for number, at in ((1, 1), (4, 1), (1, 2)):
        index = load_index(tmp_path, GALLERY, Effort(nprobe=number))
        path = write_certificate(measure(index, tmp_path, FEW, at=[at]), tmp_path)
    assert len(json.loads(path.read_text())["certificates"]) == 2
    assert read_certificate(load_index(tmp_path, GALLERY, Effort(nprobe=1)), tmp_path).recall[0].k == 2


def test_an_index_without_a_certificate_is_told_how_to_get_one(tmp_path: Path):
    index = built(tmp_path, "IVF4,Flat", Effort(nprobe=2))
    with pytest.raises(ValueError, match=r"no certificate in .* of IVF4,Flat \(nprobe 2\); make one .* eval\.certify"):
        read_certificate(index, tmp_path)
    write_certificate(measure(index, tmp_path, FEW), tmp_path)
    with pytest.raises(ValueError, match=r"no certificate in .* \(nprobe 3\)"):
        read_certificate(load_index(tmp_path, GALLERY, Effort(nprobe=3)), tmp_path)


def test_the_certificate_of_an_index_that_was_built_again_is_none(tmp_path: Path):
    index = built(tmp_path, "IVF4,Flat", training_vectors=200)
    write_certificate(measure(index, tmp_path, FEW, at=[1]), tmp_path)
    again = built(tmp_path, "IVF4,Flat", training_vectors=200, seed=1)
    with pytest.raises(ValueError, match="no certificate"):
        read_certificate(again, tmp_path)


def test_a_damaged_file_of_certificates_is_refused(tmp_path: Path):
    index = built(tmp_path)
    for text, said in (("{", "is damaged"), ("[]", "no certificates of schema 1")):
        (tmp_path / "certificate.json").write_text(text)
        with pytest.raises(ValueError, match=f"{said}.*delete it and run"):
            read_certificate(index, tmp_path)


def test_an_index_is_built_and_measured_once_and_again_when_the_vectors_change(tmp_path: Path, capsys):
    def opened(gallery: Gallery):
        return certified_index(ExactIndex(gallery).scores(torch.zeros(1, DIM)), gallery, "usual", tmp_path, 20)

    first, second = opened(GALLERY), opened(GALLERY)
    assert capsys.readouterr().err.count("building") == 1
    assert second.certificate == first.certificate and first.certificate.queries == 20
    moved = opened(replace(GALLERY, vectors=GALLERY.vectors + 1))
    assert "built of another gallery" in capsys.readouterr().err
    assert moved.certificate.indexes[0].digest != first.certificate.indexes[0].digest


def test_regions_get_an_index_of_pooled_vectors_and_one_of_regions(tmp_path: Path):
    regions = RegionVectors(REGIONS.vectors, MASK)
    scores = StateScores.start(1, 2, regions, RegionFormula())
    found = certified_index(scores, REGIONS, "Flat", tmp_path, 10)
    assert [one.by for one in found.certificate.indexes] == ["pooled", "regions"]
    assert "2 regions of one candidate" in found.certificate.asked
    page = search_proposed(scores.after(torch.tensor([0]), torch.ones(1, DIM)), found.index, 5)
    assert page.found.positions.shape == (1, 5) and not bool(page.short)


def test_a_retriever_without_vectors_is_told_to_leave_the_index_out(tmp_path: Path):
    with pytest.raises(ValueError, match=r"DenseScores has no query vectors .* leave the index out"):
        certified_index(DenseScores(torch.zeros(1, ROWS)), GALLERY, "Flat", tmp_path)


def test_an_exact_index_has_no_certificate(tmp_path: Path):
    with pytest.raises(ValueError, match="ExactIndex is not approximate"):
        read_certificate(ExactIndex(GALLERY), tmp_path)


def test_the_line_of_a_report_says_what_was_found_of_what_and_how_fast(tmp_path: Path):
    line = certificate_line(measure(built(tmp_path, "IVF4,Flat", Effort(nprobe=4)), tmp_path, FEW))
    for part in (
        "approximate index, IVF4,Flat (nprobe 4)", "ranks are exact", "recall@10 100.00 % [", "400 candidates (drawn)",
        "30 queries: vectors of the gallery, moved by normal noise of 0.5 standard deviations (seed 0)",
        "of places tie", "times as fast as exact search",
    ):  # fmt: skip
        assert part in line


def test_the_table_has_a_row_an_effort_and_the_figure_a_curve_an_index(tmp_path: Path):
    built(tmp_path, "IVF4,Flat")
    efforts = [Effort(nprobe=number) for number in (1, 4)]
    found = [measure(load_index(tmp_path, GALLERY, effort), tmp_path, FEW) for effort in efforts]
    table = certificates_table(found)
    assert [row[0] for row in table[1:]] == ["IVF4,Flat (nprobe 1)", "IVF4,Flat (nprobe 4)"]
    assert {len(row) for row in table} == {11}
    assert "400 candidates of 8 numbers" in table_note(found)
    legend = recall_against_time(found).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["exact search", "IVF4,Flat"]


@pytest.mark.parametrize(("share", "trials"), [(0.0, 10), (0.5, 40), (1.0, 500), (0.97, 3)])
def test_the_interval_is_that_of_wilson(share, trials):
    from scipy.stats import binomtest

    low, high = wilson(round(share * trials) / trials, trials)
    right = binomtest(round(share * trials), trials).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((right.low, right.high))


def test_queries_of_a_file_must_fit_and_be_finite(tmp_path: Path):
    path = tmp_path / "queries.npy"
    np.save(path, np.ones((4, DIM)))
    assert given(path, GALLERY).vectors.shape == (4, 1, DIM)
    np.save(path, np.ones((4, 3, DIM)))
    assert given(path, REGIONS).vectors.shape == (4, 3, DIM)
    with pytest.raises(ValueError, match=r"shape \(4, 3, 8\), not \[query, 8\]"):
        given(path, GALLERY)
    np.save(path, np.where(np.arange(4)[:, None] == 2, np.nan, np.ones((4, DIM))))
    with pytest.raises(ValueError, match=r"query 2 of .* is not finite"):
        given(path, GALLERY)
    path.write_text("1 2 3")
    with pytest.raises(ValueError, match="is not a table of numbers"):
        given(path, GALLERY)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "at least one query"),
        ((5, 2), "has no regions, so a query has one state"),
        ((5, 1, -0.1), "noise must be"),
    ],
)
def test_queries_that_cannot_be_made_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        perturbed(GALLERY, *arguments)
