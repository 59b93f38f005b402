"""Claims about copies of CelebA on the Hub, made with small folders of parquet files."""

from pathlib import Path

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value
from PIL import Image as Pillow

from data_prep.attributes import ATTRIBUTES, attribute_matrix, face_features
from data_prep.celeba import HUB_ID, HUB_REVISION, Annotations, load, measure

ROWS = {"train": 4, "valid": 2, "test": 3}
TRUTH = Annotations(
    names=[f"{number:06d}.jpg" for number in range(1, 10)],
    attributes=np.where(np.random.default_rng(1).random((9, len(ATTRIBUTES))) < 0.5, -1, 1).astype(np.int8),
    identities=np.array([7, 7, 3, 3, 5, 5, 9, 7, 1], dtype=np.int32),
    partition=np.repeat([0, 1, 2], list(ROWS.values())).astype(np.int8),
)
EXPECTED = measure(TRUTH, train_images=6)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def columns(kind: str = "bool") -> dict[str, list]:
    """All nine rows as a copy on the Hub stores them."""
    pictures = [Pillow.new("RGB", (8, 8), (20 * row, 0, 0)) for row in range(len(TRUTH.names))]
    values = TRUTH.attributes if kind == "sign" else TRUTH.attributes > 0
    as_type = bool if kind == "bool" else int
    labels = {name: [as_type(value) for value in values[:, place]] for place, name in enumerate(ATTRIBUTES)}
    return {"image": pictures, "celeb_id": TRUTH.identities.tolist()} | labels


def write(folder: Path, table: dict[str, list], label=None, rows: dict[str, int] = ROWS) -> str:
    label = label or Value("bool")
    kinds = {"image": Image(), "celeb_id": Value("int64"), "identity": Value("int64")}
    features = Features({name: kinds.get(name, label) for name in table})
    start = 0
    folder.mkdir()
    for split, count in rows.items():
        part = {name: values[start : start + count] for name, values in table.items()}
        Dataset.from_dict(part, features=features).to_parquet(folder / f"{split}-00000-of-00001.parquet")
        start += count
    return str(folder)


def test_file_names_are_given_back_in_the_order_of_the_official_partition(tmp_path):
    faces = load(hub_id=write(tmp_path / "hub", columns()), split="official", expected=EXPECTED)
    assert {name: part["id"][:] for name, part in faces.splits.items()} == {
        "train": TRUTH.names[:4],
        "validation": TRUTH.names[4:6],
        "test": TRUTH.names[6:],
    }
    assert faces.splits["test"]["identity"][:] == [9, 7, 1]
    assert faces.splits["test"][0]["image"].getpixel((0, 0))[0] == 120


def test_the_paper_split_crosses_the_partitions_of_the_copy(tmp_path):
    faces = load(hub_id=write(tmp_path / "hub", columns()), split="paper", expected=EXPECTED)
    assert {name: part["id"][:] for name, part in faces.splits.items()} == {
        "train": TRUTH.names[:6],
        "test": TRUTH.names[6:],
    }
    assert faces.source.endswith("hub), paper split, 9 of 9 images")


LABELS = {"bool": Value("bool"), "class": ClassLabel(names=["absent", "present"]), "sign": Value("int64")}


@pytest.mark.parametrize("kind", LABELS)
def test_every_way_to_store_a_label_gives_the_same_columns(tmp_path, kind):
    faces = load(hub_id=write(tmp_path / "hub", columns(kind), LABELS[kind]), split="paper", expected=EXPECTED)
    assert faces.splits["train"].features == face_features()
    assert np.array_equal(attribute_matrix(faces.splits["test"]), TRUTH.attributes[6:])


def test_a_missing_column_is_named(tmp_path):
    table = {name: values for name, values in columns().items() if name not in ("Bald", "celeb_id")}
    with pytest.raises(ValueError, match="no column Bald, celeb_id or identity"):
        load(hub_id=write(tmp_path / "hub", table), expected=EXPECTED)


def test_a_label_of_another_kind_is_refused_with_its_column(tmp_path):
    table = columns("sign")
    table["Male"][0] = 2
    with pytest.raises(ValueError, match=r"column Male holds .* instead of true/false, 0/1 or -1/1"):
        load(hub_id=write(tmp_path / "hub", table, Value("int64")), expected=EXPECTED)


def test_a_split_of_other_length_is_refused(tmp_path):
    folder = write(tmp_path / "hub", columns(), rows={"train": 5, "valid": 1, "test": 3})
    with pytest.raises(ValueError, match="split train has 5 rows instead of 4"):
        load(hub_id=folder, expected=EXPECTED)


def test_a_copy_without_the_official_partition_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has the splits \['train'\] and no validation or valid"):
        load(hub_id=write(tmp_path / "hub", columns(), rows={"train": 4}), expected=EXPECTED)


def test_rows_in_another_order_are_refused(tmp_path):
    table = columns()
    shuffled = {name: [values[1], values[2], values[0], *values[3:]] for name, values in table.items()}
    with pytest.raises(ValueError, match="SHA-256 of the identities"):
        load(hub_id=write(tmp_path / "hub", shuffled), expected=EXPECTED)


def test_without_arguments_the_pinned_copy_is_asked_for(monkeypatch):
    asked = []

    def refuse(hub_id, revision):
        asked.append((hub_id, revision))
        raise ConnectionError("no network in tests")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(ConnectionError):
        load()
    assert asked == [(HUB_ID, HUB_REVISION)]


def test_a_folder_and_a_copy_on_the_hub_cannot_both_be_asked_for(tmp_path):
    with pytest.raises(ValueError, match="give root or the others"):
        load(tmp_path, hub_id=HUB_ID)
