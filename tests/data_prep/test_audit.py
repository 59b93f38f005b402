"""Claims about what the audit of galleries finds, and in how much memory."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from data_prep import duplicates
from data_prep.audit import Finding, across, identities, main, within
from data_prep.duplicates import alike, look
from data_prep.manifests import LABELS, read_labels
from multiturn.building import build
from multiturn.gallery import Gallery
from multiturn.gallery_files import GalleryFile, Table, writing
from multiturn.regions import Regions
from multiturn.shards import Building


def saved(folder: Path, vectors: torch.Tensor, ids: list[str] | None = None, fingerprint: str = "test") -> GalleryFile:
    """A gallery on disk, its vectors unchecked."""
    names = ids or [f"{folder.name}{number:02d}" for number in range(len(vectors))]
    layout = {"vectors": Table(vectors.dtype, tuple(vectors.shape[1:]))}
    with writing(folder / "gallery.safetensors", names, fingerprint, "a test", layout) as file:
        file.append({"vectors": vectors})
    return GalleryFile(folder)


def found(findings: list[Finding]) -> dict[str, int]:
    return {one.check: one.found for one in findings}


@pytest.fixture
def clean(tmp_path: Path) -> GalleryFile:
    return saved(tmp_path / "clean", torch.eye(9))


def test_a_clean_gallery_has_no_findings(clean: GalleryFile):
    assert not any(found(within(clean, look(clean), 0.9, 5)).values())


def test_vectors_that_are_zero_or_not_finite_are_counted_and_like_no_other(tmp_path: Path):
    vectors = torch.eye(6)
    vectors[1] = vectors[2] = 0
    vectors[3, 0], vectors[4, 0] = torch.nan, torch.inf
    file = saved(tmp_path / "bad", vectors)
    zero, infinite = look(file).zero, look(file).infinite
    assert (zero, infinite) == (["bad01", "bad02"], ["bad03", "bad04"])
    assert alike(file, None, 0.5, 5).pairs == 0


def test_identical_vectors_are_found_to_the_last_bit_and_minus_zero_is_zero(tmp_path: Path):
    vectors = torch.tensor([[1.0, 0.0], [1.0, -0.0], [1.0, 1e-30], [0.0, 1.0]])
    findings = within(saved(tmp_path / "g", vectors), look(GalleryFile(tmp_path / "g")), 0.9, 5)
    same = next(one for one in findings if "vector another has" in one.check)
    assert (same.found, same.of, same.examples) == (2, 4, [("g00", "g01")])


def test_near_duplicates_are_those_of_a_full_table_of_cosines_whatever_the_blocks(tmp_path: Path, monkeypatch):
    draw = torch.Generator().manual_seed(0)
    vectors, others = torch.randn(50, 4, generator=draw), torch.randn(31, 4, generator=draw)
    file, other = saved(tmp_path / "g", vectors), saved(tmp_path / "o", others)
    table = torch.nn.functional.normalize(vectors, dim=1) @ torch.nn.functional.normalize(vectors, dim=1).T
    hits = (table >= 0.8).triu(1)
    wide = torch.nn.functional.normalize(vectors, dim=1) @ torch.nn.functional.normalize(others, dim=1).T >= 0.8
    for rows in (7, 4096):
        monkeypatch.setattr(duplicates, "_ROWS", rows)
        inside, between = alike(file, None, 0.8, 3), alike(file, other, 0.8, 3)
        assert (inside.pairs, inside.first) == (int(hits.sum()), int((hits | hits.T).any(1).sum()))
        assert (between.pairs, between.first, between.second) == (
            int(wide.sum()),
            int(wide.any(1).sum()),
            int(wide.any(0).sum()),
        )
        best = [cosine for _, _, cosine in inside.examples]
        assert best == sorted(best, reverse=True)
        assert best[0] == pytest.approx(float((table - torch.eye(50) * 2).max()), abs=1e-4)


def test_copies_of_regions_are_found(tmp_path: Path):
    regions = Regions.of([torch.eye(3), torch.eye(3)[:2], torch.eye(3)], None)
    Gallery.of(["a", "b", "c"], regions, "test", "regions").save(tmp_path / "g" / "gallery.safetensors")
    assert alike(GalleryFile(tmp_path / "g"), None, 0.99, 5).examples == [("a", "c", 1.0)]


def test_what_two_galleries_share_is_found(tmp_path: Path, clean: GalleryFile):
    other = saved(tmp_path / "other", torch.eye(9)[[0, 3]] * 2, ["clean05", "x"])
    findings = across(clean, look(clean), other, look(other), 0.9, 5)
    assert found(findings) == {
        "ids that are in both": 1,
        "candidates whose vector the other has too": 0,
        "candidates like one of the other (cosine >= 0.9)": 2,
    }
    again = found(across(clean, look(clean), clean, look(clean), 0.9, 5))
    assert again["candidates whose vector the other has too"] == 9


def test_vectors_of_two_encoders_are_not_compared(tmp_path: Path, clean: GalleryFile):
    other = saved(tmp_path / "other", torch.eye(9), fingerprint="another")
    findings = across(clean, look(clean), other, look(other), 0.9, 5)
    assert "encoders that differ" in findings[-1].check and findings[-1].examples == ["test", "another"]


def test_people_in_both_galleries_are_found_by_labels_beside_them_or_given(tmp_path: Path, clean: GalleryFile):
    other = saved(tmp_path / "other", torch.eye(2))
    (tmp_path / "clean" / LABELS).write_text("id,person\nclean00,Ann\nclean01,Ben\nclean02,Ann\n")
    assert identities(clean, other, None, 5) == []
    (tmp_path / "other" / LABELS).write_text("id,person\nother00,Ann\nother01,Cid\n")
    people, candidates = identities(clean, other, None, 5)
    assert (people.found, people.of, people.examples) == (1, 2, ["Ann"])
    assert (candidates.found, candidates.examples) == (2, ["clean00", "clean02"])
    given = {"clean00": "x", "other01": "x"}
    assert identities(clean, other, given, 5)[1].examples == ["clean00"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\na\n", "no column besides id"),
        ("name,person\na,b\n", "lacks id"),
        ("id,person\na,b\na,c\n", "line 3: 'a' has the label 'c'"),
        ("id,person\na\n", "line 2: 'a' has the label None"),
    ],
)
def test_labels_that_make_no_sense_are_named(text: str, message: str, tmp_path: Path):
    (tmp_path / "who.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "who.csv")


def test_items_of_equal_content_are_found_by_their_bytes(tmp_path: Path):
    class Places:
        """Another vector for equal texts, as rounding in other batches can make."""

        dim, fingerprint = 1, "places"

        def encode(self, items, batch_size=64, show_progress=False):
            return torch.arange(1.0, 1.0 + len(items))[:, None]

    path = tmp_path / "gallery.safetensors"
    build(Places(), ["same", "other", "same"], ["a", "b", "c"], "texts", path, Building(show_progress=False))
    told = next(one for one in within(GalleryFile(path), look(GalleryFile(path)), 1.0, 5) if "content" in one.check)
    assert (told.found, told.examples) == (2, [("a", "c")])


def test_a_gallery_that_is_not_the_one_of_its_manifest_is_found(clean: GalleryFile):
    manifest = {"schema": 1, "gallery": {"file": "gallery.safetensors", "sha256": "0" * 64}}
    (clean.path.parent / "manifest.json").write_text(json.dumps(manifest))
    assert found(within(clean, look(clean), 0.9, 5))["files that differ from the manifest"] == 1


def test_the_program_prints_a_table_and_writes_json(tmp_path: Path, clean: GalleryFile, capsys):
    saved(tmp_path / "other", torch.eye(9))
    main([str(tmp_path / "clean"), str(tmp_path / "other"), "--json", str(tmp_path / "audit.json")])
    told = capsys.readouterr().out
    assert "9 candidates, 9 numbers, float32, test (a test)" in told
    assert re.search(r"candidates whose vector the other has too +9 of 9  100\.00%  clean00, other00", told)
    written = json.loads((tmp_path / "audit.json").read_text())
    assert [len(section["findings"]) for section in written["sections"]] == [4, 4, 3]
    assert written["sections"][2]["findings"][1]["share"] == 1.0


def test_strict_ends_with_status_1_where_something_is_found_only(tmp_path: Path, clean: GalleryFile):
    main([str(clean.path), "--strict"])
    saved(tmp_path / "twice", torch.ones(2, 2))
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "twice"), "--strict"])
    assert end.value.code == 1


@pytest.mark.parametrize(("options", "said"), [(["--threshold", "1.5"], "not 1.5"), (["--examples", "0"], "not 0")])
def test_options_out_of_range_are_refused(options: list[str], said: str, tmp_path: Path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path), *options])
    assert end.value.code == 2 and said in capsys.readouterr().err


BOUNDED = """
import resource, sys, torch
from pathlib import Path
from data_prep.duplicates import alike, look
from tests.data_prep.test_audit import saved
small = saved(Path(sys.argv[1]) / "s", torch.randn(5000, 32))
look(small), alike(small, None, 0.9, 5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
# A table of all cosines would take 3,600 MB.
large = saved(Path(sys.argv[1]) / "l", torch.cat([torch.randn(5000, 32) for _ in range(6)]))
look(large), alike(large, None, 0.9, 5)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_the_memory_of_an_audit_does_not_grow_with_the_square_of_the_gallery(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    grown = subprocess.check_output([sys.executable, "-c", BOUNDED, str(tmp_path)], cwd=root, text=True)
    assert int(grown) < 200_000  # kilobytes
