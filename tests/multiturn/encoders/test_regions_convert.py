"""Claims about turning released region features into a gallery: which files are read, and that nothing runs."""

import base64
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from multiturn.encoders.regions.convert import convert
from multiturn.gallery import Gallery

SIZE = (200, 100)
ROOT = Path(__file__).resolve().parents[3]


def features(seed: int, regions: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).random((regions, 8), np.float32)


def boxes(regions: int = 3) -> np.ndarray:
    return np.array([[0, 0, 50, 100], [100, 50, 200, 100], [20, 10, 30, 20]], np.float32)[:regions]


def tsv_row(name: str, seed: int, regions: int = 3) -> str:
    coded = (base64.b64encode(table.tobytes()).decode() for table in (boxes(regions), features(seed, regions)))
    return "\t".join([name, *map(str, SIZE), str(regions), *coded]) + "\n"


def check(path: Path, ids: tuple[str, ...] = ("1", "2"), regions: tuple[int, ...] = (3, 3)) -> Gallery:
    """The gallery at `path`, which holds `features(id)` of each image."""
    gallery = Gallery.load(path)
    assert gallery.ids == ids and gallery.mask.sum(1).tolist() == list(regions)
    for place, (name, count) in enumerate(zip(ids, regions, strict=True)):
        vectors = gallery.vectors[place]
        assert np.allclose(vectors[:count].numpy(), features(int(name), count), atol=1e-3)
        assert not vectors[count:].any()
    return gallery


def test_the_original_tsv_becomes_a_gallery_in_order_of_ids_with_boxes_as_shares(tmp_path: Path):
    (tmp_path / "all.tsv").write_text(tsv_row("2", 2) + tsv_row("1", 1))
    convert(tmp_path / "all.tsv", tmp_path / "out.safetensors")
    gallery = check(tmp_path / "out.safetensors")
    assert gallery.boxes is not None and gallery.vectors.dtype == torch.float32
    assert torch.allclose(gallery.boxes[0, 1], torch.tensor([0.5, 0.5, 1, 1]))


def test_pictures_with_fewer_regions_are_masked(tmp_path: Path):
    (tmp_path / "a.tsv.0").write_text(tsv_row("1", 1, 2))
    (tmp_path / "a.tsv.1").write_text(tsv_row("2", 2, 3))
    convert(tmp_path, tmp_path / "out" / "regions.safetensors", dtype="float16")
    gallery = check(tmp_path / "out" / "regions.safetensors", regions=(2, 3))
    assert gallery.vectors.dtype == torch.float16


def test_arrays_of_one_picture_a_file_are_read_with_and_without_boxes(tmp_path: Path):
    for folder in ("npz", "npy"):
        (tmp_path / folder).mkdir()
    for name in (1, 2):
        np.save(tmp_path / "npy" / f"000{name}.npy", features(name))
        sized = {"image_w": SIZE[0], "image_h": SIZE[1]}
        np.savez(tmp_path / "npz" / f"{name}.npz", features=features(name), bbox=boxes(), **sized)  # type: ignore[arg-type]
    convert(tmp_path / "npz", tmp_path / "npz.safetensors")
    convert(tmp_path / "npy", tmp_path / "npy.safetensors", strip_zeros=True)
    assert check(tmp_path / "npz.safetensors").boxes is not None
    assert check(tmp_path / "npy.safetensors").boxes is None


def test_what_else_an_npz_holds_is_never_unpickled(tmp_path: Path):
    for name in (1, 2):
        about = np.array({"objects_id": Program(tmp_path / "ran")}, dtype=object)
        sized = {"image_w": SIZE[0], "image_h": SIZE[1]}
        np.savez(tmp_path / f"{name}.npz", x=features(name), bbox=boxes(), info=about, **sized)  # type: ignore[arg-type]
    convert(tmp_path, tmp_path / "out.safetensors")
    check(tmp_path / "out.safetensors")
    assert not (tmp_path / "ran").exists()


def pickled(folder: Path, protocol: int = 2) -> Path:
    """Files as Drill-down's: pickles that are called .npy."""
    folder.mkdir()
    for name in (1, 2):
        with (folder / f"{name:012d}.npy").open("wb") as file:
            pickle.dump({"region_boxes": boxes(), "region_feats": features(name)}, file, protocol)
    return folder


def test_a_pickle_is_refused_without_the_option_and_the_message_says_why(tmp_path: Path):
    with pytest.raises(ValueError, match=r"can run any program when it is read.*--allow_pickle"):
        convert(pickled(tmp_path / "in"), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_of_arrays_is_read_with_the_option(tmp_path: Path, protocol: int):
    sizes = [{"image_id": name, "width": SIZE[0], "height": SIZE[1]} for name in (1, 2)]
    (tmp_path / "sizes.json").write_text(json.dumps(sizes))
    folder = pickled(tmp_path / "in", protocol)
    convert(folder, tmp_path / "out.safetensors", True, image_sizes=tmp_path / "sizes.json", strip_zeros=True)
    assert check(tmp_path / "out.safetensors").boxes is not None


def test_an_array_of_objects_is_a_pickle_too(tmp_path: Path):
    (tmp_path / "in").mkdir()
    for name in (1, 2):
        np.save(tmp_path / "in" / f"{name}.npy", {"features": features(name)}, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="--allow_pickle"):
        convert(tmp_path / "in", tmp_path / "out.safetensors")
    convert(tmp_path / "in", tmp_path / "out.safetensors", allow_pickle=True)
    check(tmp_path / "out.safetensors")


class Program:
    """What a stranger may put into a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_is_a_program_does_not_run_even_with_the_option(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.pkl").write_bytes(pickle.dumps(Program(tmp_path / "ran")))
    with pytest.raises(ValueError, match=r"asks for \w+\.system"):
        convert(tmp_path / "in", tmp_path / "out.safetensors", allow_pickle=True)
    assert not (tmp_path / "ran").exists()


def test_boxes_mean_nothing_without_the_size_of_the_picture(tmp_path: Path):
    with pytest.raises(ValueError, match="nothing says how large image '000000000001' was"):
        convert(pickled(tmp_path / "in"), tmp_path / "out.safetensors", allow_pickle=True)
    convert(tmp_path / "in", tmp_path / "out.safetensors", allow_pickle=True, box_format="none")
    assert Gallery.load(tmp_path / "out.safetensors").boxes is None


def test_widths_and_heights_instead_of_corners(tmp_path: Path):
    (tmp_path / "all.tsv").write_text(tsv_row("1", 1, 1) + tsv_row("2", 2, 1))
    convert(tmp_path / "all.tsv", tmp_path / "out.safetensors", box_format="xywh")
    loaded = Gallery.load(tmp_path / "out.safetensors")
    assert loaded.boxes is not None and loaded.boxes[0, 0].tolist() == [0, 0, 0.25, 1]


def test_boxes_of_another_format_than_stated_are_noticed(tmp_path: Path):
    (tmp_path / "all.tsv").write_text(tsv_row("1", 1) + tsv_row("2", 2))
    with pytest.raises(ValueError, match="try another --box_format"):
        convert(tmp_path / "all.tsv", tmp_path / "out.safetensors", box_format="xywh")


def test_a_file_that_was_cut_short_is_named_and_the_old_output_stays(tmp_path: Path):
    (tmp_path / "all.tsv").write_text(tsv_row("1", 1) + tsv_row("2", 2))
    convert(tmp_path / "all.tsv", tmp_path / "out.safetensors")
    (tmp_path / "all.tsv").write_text(tsv_row("1", 1) + tsv_row("2", 2)[:-40])
    with pytest.raises(ValueError, match=r"all\.tsv is cut short.*image '2'"):
        convert(tmp_path / "all.tsv", tmp_path / "out.safetensors")
    check(tmp_path / "out.safetensors")
    np.save(tmp_path / "torn.npy", features(1))
    (tmp_path / "torn.npy").write_bytes((tmp_path / "torn.npy").read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"torn\.npy is damaged"):
        convert(tmp_path / "torn.npy", tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1", features(1)), ("1", features(2))], "two records are of image '1'"),
        ([("1", features(1)), ("2", features(2)[:, :4])], "another length"),
        ([("1", features(1)), ("2", features(2) * np.nan)], "image '2' has no regions, or features that are NaN"),
        ([("1", features(1))], "at least two pictures"),
        ([("1", features(1)[0])], "no table of features"),
    ],
)
def test_records_that_do_not_go_together_are_refused(tmp_path: Path, rows: list[Any], message: str):
    for number, (name, table) in enumerate(rows):
        np.save(tmp_path / f"{name}{'.b' * number}.npy", table)
    with pytest.raises(ValueError, match=message):
        convert(tmp_path, tmp_path / "out.safetensors")


def test_a_folder_without_features_is_an_error_that_says_what_is_read(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"\.tsv, \.npz, \.npy"):
        convert(tmp_path, tmp_path / "out.safetensors")


def test_the_fingerprint_changes_with_the_features(tmp_path: Path):
    prints = []
    for seed in (1, 1, 5):
        (tmp_path / "all.tsv").write_text(tsv_row("1", seed) + tsv_row("2", 2))
        convert(tmp_path / "all.tsv", tmp_path / "out.safetensors")
        prints.append(Gallery.load(tmp_path / "out.safetensors").fingerprint)
    assert prints[0] == prints[1] != prints[2] and prints[0].startswith("bottom-up-attention-3x8")


@pytest.mark.slow
def test_the_program_says_why_pickles_are_dangerous_and_refuses_them_in_one_line(tmp_path: Path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "multiturn.encoders.regions.convert", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    told = " ".join(run("--help").stdout.split())
    assert "a pickle is a program" in told and "--input" in told and "--output" in told
    folder = str(pickled(tmp_path / "in"))
    refused = run("--input", folder, "--output", str(tmp_path / "out.safetensors"))
    assert refused.returncode == 1 and refused.stderr.startswith("error: ") and "--allow_pickle" in refused.stderr
