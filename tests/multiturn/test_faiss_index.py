"""Claims about faiss indexes: exhaustive ones find everything, saved ones stay as they are, wrong ones are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from multiturn.faiss_index import build_index, chosen, index_folder, load_index, named_index, save_index
from multiturn.gallery import Gallery
from multiturn.index import ExactIndex, Index, Together, search_proposed
from multiturn.index_settings import Effort, IndexSettings, default_factory
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.scoring import Similarity, VectorScores
from multiturn.search import search

GENERATOR = torch.Generator().manual_seed(5)
ROWS, DIM = 700, 16
GALLERY = Gallery(tuple(f"{i:04d}" for i in range(ROWS)), torch.randn(ROWS, DIM, generator=GENERATOR), "f", "drawn")
QUERIES = GALLERY.vectors[:40] + 0.3 * torch.randn(40, DIM, generator=GENERATOR)
MASK = torch.arange(5) < torch.randint(1, 6, (ROWS, 1), generator=GENERATOR)
REGIONS = Gallery(GALLERY.ids, torch.randn(ROWS, 5, DIM, generator=GENERATOR) * MASK[..., None], "f", "drawn", MASK)
SIMILARITIES = ("l2", "dot", "cosine")
FACTORIES = [
    *("Flat", "IVF8,Flat", "HNSW16", "SQ8", "SQ8,Refine(Flat)", "PQ8x4", "PQ16x4fs,Refine(Flat)"),
    *("IVF8,PQ8x4fs,Refine(Flat)", "IVF8,SQ8", "HNSW16,SQ8", "PCA8,Flat", "IVF8_HNSW8,Flat"),
]
# What makes each search everything that could be found.
EXHAUSTIVE = {
    "Flat": Effort(),
    "IVF8,Flat": Effort(nprobe=8),
    "HNSW16": Effort(ef_search=ROWS),
    "SQ8,Refine(Flat)": Effort(k_factor=70),
    "PQ16x4fs,Refine(Flat)": Effort(k_factor=70),
    "IVF8,PQ8x4fs,Refine(Flat)": Effort(nprobe=8, k_factor=70),
    "SQ8": Effort(proposals=70),
}


def exact(similarity: Similarity = "l2", queries=QUERIES, page=10, gallery=GALLERY):
    return search(VectorScores(queries, gallery.vectors, gallery.norms, similarity), page)


def recall(index: Index, page: int = 10) -> float:
    least = exact(index.similarity, page=page).scores[:, -1:]
    return float((index.search(QUERIES, page)[0] >= least).double().mean())


def told(queries: torch.Tensor) -> StateScores:
    scores = StateScores.start(len(queries), queries.shape[1], RegionVectors(REGIONS.vectors, MASK), RegionFormula())
    for state in range(queries.shape[1]):
        scores = scores.after(torch.full((len(queries),), state), queries[:, state])
    return scores


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_flat_index_gives_the_page_of_the_exact_index_to_the_last_bit(similarity):
    index = build_index(GALLERY, IndexSettings("Flat", similarity))
    scores, positions = index.search(QUERIES, 10)
    right_scores, right = ExactIndex(GALLERY, similarity).search(QUERIES, 10)
    assert torch.equal(positions, right) and torch.equal(scores, right_scores)
    assert isinstance(index, Index)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("factory", EXHAUSTIVE)
def test_an_index_that_searches_everything_finds_everything(factory, similarity):
    settings = IndexSettings(factory, similarity, effort=EXHAUSTIVE[factory])
    assert recall(build_index(GALLERY, settings)) == 1.0


@pytest.mark.parametrize("factory", FACTORIES)
def test_every_kind_of_index_finds_far_more_than_chance(factory):
    assert recall(build_index(GALLERY, IndexSettings(factory, "cosine"))) > 0.3


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_saved_index_proposes_what_it_proposed_before(factory, tmp_path: Path):
    index = build_index(GALLERY, IndexSettings(factory))
    again = load_index(save_index(index, tmp_path / "index"), GALLERY)
    assert torch.equal(index.propose(QUERIES, 20), again.propose(QUERIES, 20))
    assert (index.settings, index.effort) == (again.settings, again.effort)


def test_more_effort_finds_more(tmp_path: Path):
    folder = save_index(build_index(GALLERY, IndexSettings("IVF32,Flat", effort=Effort(nprobe=1))), tmp_path / "i")
    found = [recall(load_index(folder, GALLERY, Effort(nprobe=number))) for number in (1, 4, 32)]
    assert recall(load_index(folder, GALLERY)) == found[0] < found[1] < found[2] == 1.0


def test_scoring_more_proposals_exactly_finds_more():
    found = [recall(build_index(GALLERY, IndexSettings("PQ8x4", effort=Effort(proposals=n)))) for n in (1, 10)]
    assert found[0] < found[1]


def test_equal_settings_give_equal_indexes_and_another_seed_trains_on_others(tmp_path: Path):
    def written(seed: int, name: str) -> bytes:
        settings = IndexSettings("IVF4,PQ4x4", training_vectors=200, seed=seed)
        return (save_index(build_index(GALLERY, settings), tmp_path / name) / "index.faiss").read_bytes()

    assert written(0, "a") == written(0, "b") != written(1, "c")


def test_a_gallery_of_half_precision_in_a_file_can_be_indexed(tmp_path: Path):
    half = replace(GALLERY, vectors=GALLERY.vectors.half())
    half.save(tmp_path / "gallery.safetensors")
    index = build_index(Gallery.load(tmp_path), IndexSettings("Flat"))
    assert torch.equal(index.search(QUERIES, 5)[1], exact(page=5, gallery=half).positions)


@pytest.mark.parametrize("by", ["pooled", "regions"])
def test_a_single_state_finds_the_picture_of_its_region(by):
    index = build_index(REGIONS, IndexSettings("Flat", "cosine", by, effort=Effort(proposals=20)))
    scores = told(REGIONS.vectors[:30, :1])
    page = search_proposed(scores, index, 5)
    least = search(scores, 5).scores[:, -1:]
    assert float((page.found.scores >= least).double().mean()) > 0.5
    assert not page.short.any()


def test_pooled_vectors_and_regions_together_propose_at_least_as_much_as_either():
    scores = told(REGIONS.vectors[:30, :1].expand(-1, 2, -1) + 0.3 * torch.randn(30, 2, DIM, generator=GENERATOR))
    parts = [build_index(REGIONS, IndexSettings("Flat", "cosine", by)) for by in ("pooled", "regions")]
    worst = [search_proposed(scores, one, 10).found.scores for one in parts]
    best = search_proposed(scores, Together(tuple(parts)), 10).found.scores
    assert all(bool((best >= one).all()) for one in worst)


def test_searching_all_pooled_vectors_of_regions_finds_everything():
    index = build_index(REGIONS, IndexSettings("Flat", "cosine", "pooled", effort=Effort(proposals=ROWS)))
    scores = told(torch.randn(6, 3, DIM, generator=GENERATOR))
    assert torch.equal(search_proposed(scores, index, 8).found.positions, search(scores, 8).positions)


def test_padding_of_regions_is_never_indexed():
    index = build_index(REGIONS, IndexSettings("Flat", "cosine", "regions"))
    assert index.table.ntotal == int(MASK.sum())


def test_an_index_without_settings_is_that_of_a_live_page():
    wide = Gallery(tuple(f"{i:04d}" for i in range(900)), torch.randn(900, 64, generator=GENERATOR), "f", "s")
    assert chosen(wide).factory == "PQ64x4fs,Refine(Flat)"
    index = build_index(wide)
    assert index.effort == {"k_factor": 4, "proposals": 1}
    assert torch.equal(index.search(wide.vectors[:9], 1)[1][:, 0], torch.arange(9))
    assert (chosen(REGIONS).by, chosen(REGIONS).similarity) == ("pooled", "cosine")


@pytest.mark.parametrize(("dim", "parts"), [(64, 64), (128, 64), (96, 48), (300, 60), (40, 40), (512, 64), (1024, 64)])
def test_the_default_has_as_many_parts_as_divide_the_dimension(dim, parts):
    assert default_factory(dim, 10_000) == f"PQ{parts}x4fs,Refine(Flat)"


def test_a_page_asks_for_no_more_than_the_gallery_holds():
    index = build_index(GALLERY, IndexSettings("Flat"))
    assert index.propose(QUERIES, 10 * ROWS).shape == (40, ROWS)
    assert index.search(QUERIES, 10 * ROWS)[1].sort().values.tolist() == [list(range(ROWS))] * 40


def test_a_page_of_few_lists_that_lack_candidates_is_filled_by_exact_search():
    index = build_index(GALLERY, IndexSettings("IVF32,Flat", effort=Effort(nprobe=1)))
    assert bool((index.propose(QUERIES, 300) == -1).any())
    assert torch.equal(index.search(QUERIES, 300)[1], exact(page=300).positions)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_index(build_index(GALLERY, IndexSettings("Flat")), tmp_path / "index")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"fingerprint": "another"}, "fingerprint"),
        ({"ids": tuple(f"x{i:04d}" for i in range(ROWS))}, "ids"),
        ({"vectors": GALLERY.vectors.half()}, "dtype"),
        ({"ids": GALLERY.ids[1:], "vectors": GALLERY.vectors[1:]}, "shape"),
    ],
)
def test_an_index_of_another_gallery_is_refused(saved: Path, changed, what):
    with pytest.raises(ValueError, match=rf"built of another gallery \({what} was .* eval\.certify again"):
        load_index(saved, replace(GALLERY, **changed))


def test_an_index_is_refused_when_a_single_number_of_the_gallery_has_changed(saved: Path):
    vectors = GALLERY.vectors.clone()
    vectors[650, 3] += 1e-6
    with pytest.raises(ValueError, match=r"another gallery \(vectors was"):
        load_index(saved, replace(GALLERY, vectors=vectors))


def test_a_damaged_index_is_refused(saved: Path):
    whole = (saved / "index.faiss").read_bytes()
    (saved / "index.faiss").write_bytes(whole[:-4])
    with pytest.raises(ValueError, match="is damaged; build it with"):
        load_index(saved, GALLERY)


def test_a_description_that_is_torn_or_of_another_schema_is_refused(saved: Path):
    about = json.loads((saved / "index.json").read_text())
    (saved / "index.json").write_text(json.dumps(about | {"schema": 99}))
    with pytest.raises(ValueError, match="not describe an index of schema 1"):
        load_index(saved, GALLERY)
    (saved / "index.json").write_text('{"schema": 1,')
    with pytest.raises(ValueError, match="is damaged"):
        load_index(saved, GALLERY)


def test_a_folder_without_an_index_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no index in .*; build it with python -m eval\.certify"):
        load_index(tmp_path, GALLERY)


def test_a_failed_write_leaves_the_older_index_whole(saved: Path, monkeypatch: pytest.MonkeyPatch):
    from multiturn.faiss_library import faiss

    def full(*_):
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(faiss, "write_index", full)
    with pytest.raises(OSError, match=r"could not be written.*free some space"):
        save_index(build_index(GALLERY, IndexSettings("Flat", "dot")), saved)
    monkeypatch.undo()
    assert load_index(saved, GALLERY).similarity == "l2"
    assert {path.name for path in saved.iterdir()} == {"index.faiss", "index.json"}


def test_an_index_lies_in_a_folder_of_its_own_beside_its_gallery(tmp_path: Path):
    GALLERY.save(tmp_path / "gallery.safetensors")
    names = {IndexSettings(f, s).name for f in ("Flat", "IVF8,Flat") for s in SIMILARITIES}
    assert len(names) == 6
    folder = index_folder(tmp_path, IndexSettings("IVF8,Flat", "dot"))
    assert folder == tmp_path / "gallery.indexes" / "IVF8-Flat.dot"
    assert folder == index_folder(tmp_path / "gallery.safetensors", IndexSettings("IVF8,Flat", "dot"))


def test_a_folder_is_named_by_its_path_or_as_text(tmp_path):
    folder = str(save_index(build_index(GALLERY, IndexSettings("Flat")), str(tmp_path / "i")))
    assert load_index(folder, GALLERY).settings.factory == "Flat"


def test_an_index_by_a_command_line_is_a_folder_or_built_by_faiss_name_and_kept(tmp_path):
    made = named_index("SQ8", GALLERY, tmp_path, "cosine")
    assert (made.similarity, made.settings.factory) == ("cosine", "SQ8")
    stamp = (tmp_path / "SQ8.cosine" / "index.faiss").stat().st_mtime_ns
    named_index("SQ8", GALLERY, tmp_path, "cosine")
    assert (tmp_path / "SQ8.cosine" / "index.faiss").stat().st_mtime_ns == stamp
    assert named_index(str(tmp_path / "SQ8.cosine"), GALLERY, tmp_path).settings == made.settings
    assert named_index("usual", GALLERY, tmp_path).settings.factory == chosen(GALLERY).factory
    with pytest.raises(FileNotFoundError, match=f"no index in {tmp_path / 'none'}"):
        named_index(str(tmp_path / "none"), GALLERY, tmp_path)
