"""Claims about what lies beside a gallery: it is right after every run, whether or not a vector has changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.manifests import LABELS, MANIFEST, read_labels, read_manifest, write_manifest
from data_prep.sources import Source
from multiturn.building import build
from multiturn.gallery_files import NAME
from multiturn.items import Items
from multiturn.shards import Building
from tests.multiturn.encoders.test_building import Neighbours

NAMES = {"a": "ann", "b": "bob", "c": "ann"}


def encoded(folder: Path, label: str = "", labels: dict[str, str] | None = None, root: str = "r", **options) -> Any:
    """Encode a few texts as the program does, and read the manifest."""
    ids = options.pop("ids", [*NAMES])
    items = Items(ids, ids, "text", f"{len(ids)} texts")
    how = Building(show_progress=False, **options)
    built = build(Neighbours(), items.values, items.ids, items.source, folder / NAME, how)
    source = Source(items, label=label, labels=labels or {})
    write_manifest(built, source, {"root": root}, {"kind": "neighbours"}, f"encode {root}", how.append)
    return read_manifest(folder)


def test_a_gallery_that_is_encoded_again_with_labels_gets_them(tmp_path: Path):
    assert encoded(tmp_path)["data"]["label"] == "" and not (tmp_path / LABELS).exists()
    manifest = encoded(tmp_path, "person", NAMES)
    assert read_labels(tmp_path / LABELS) == NAMES and manifest["data"]["label"] == "person"


def test_labels_that_have_changed_in_the_data_are_written(tmp_path: Path):
    encoded(tmp_path, "person", NAMES)
    encoded(tmp_path, "person", NAMES | {"b": "cid"})
    assert read_labels(tmp_path / LABELS) == NAMES | {"b": "cid"}


def test_labels_of_another_column_are_not_mixed_with_the_old_ones(tmp_path: Path):
    encoded(tmp_path, "person", NAMES)
    encoded(tmp_path, "town", {"a": "Bonn", "b": "Ulm"}, ids=["a", "b"])
    assert (tmp_path / LABELS).read_text() == "id,town\na,Bonn\nb,Ulm\n"


def test_labels_stay_where_the_next_run_does_not_ask_for_them(tmp_path: Path):
    encoded(tmp_path, "person", NAMES)
    before = (tmp_path / LABELS).read_bytes()
    assert encoded(tmp_path)["data"]["label"] == "person" and (tmp_path / LABELS).read_bytes() == before


def test_a_folder_that_has_moved_is_told_by_the_manifest_and_the_gallery_stays(tmp_path: Path):
    old = encoded(tmp_path)
    stamp = (tmp_path / NAME).stat().st_mtime_ns
    new = encoded(tmp_path, root="elsewhere")
    assert (new["data"]["root"], new["command"]) == ("elsewhere", "encode elsewhere")
    assert new["gallery"] == old["gallery"] and (tmp_path / NAME).stat().st_mtime_ns == stamp


def test_where_nothing_has_changed_nothing_is_written(tmp_path: Path):
    encoded(tmp_path, "person", NAMES)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in (NAME, MANIFEST, LABELS)}
    encoded(tmp_path, "person", NAMES)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before


@pytest.mark.parametrize("damage", ["no JSON", '{"schema": 0}'])
def test_a_damaged_manifest_is_written_anew(damage: str, tmp_path: Path):
    wanted = encoded(tmp_path)
    (tmp_path / MANIFEST).write_text(damage)
    again = encoded(tmp_path)
    assert {**again, "created": ""} == {**wanted, "created": ""}


def test_the_manifest_tells_of_the_data_also_after_others_were_appended(tmp_path: Path):
    encoded(tmp_path, "person", NAMES)
    encoded(tmp_path, "person", {"z": "zoe"}, "more", ids=["z"], append=True)
    manifest = encoded(tmp_path, "person", {"z": "zoe"}, "more", ids=["z"], append=True)
    assert manifest["data"]["root"] == "r" and manifest["candidates"] == 4
    assert [one["data"]["root"] for one in manifest["appended"]] == ["more"]
    assert read_labels(tmp_path / LABELS) == NAMES | {"z": "zoe"}
    assert json.loads((tmp_path / MANIFEST).read_text())["source"] == "3 texts"
