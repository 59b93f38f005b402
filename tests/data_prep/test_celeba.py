"""Claims about loading CelebA from its official files, saving it, and the command line."""

import inspect
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image as Pillow

from data_prep.attributes import ATTRIBUTES, attribute_matrix, face_features
from data_prep.celeba import Release, load, measure, read_annotations, save
from data_prep.celeba.__main__ import main
from data_prep.celeba.verify import verify

NAMES = [f"{number:06d}.jpg" for number in range(1, 10)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Nine images in the official layout: partition 4 + 2 + 3, five people."""
    root = tmp_path / "celeba"
    values = np.where(np.random.default_rng(0).random((len(NAMES), len(ATTRIBUTES))) < 0.5, -1, 1)
    rows = ["".join([name, *(f" {value:2d}" for value in row)]) for name, row in zip(NAMES, values, strict=True)]
    files = {
        "Anno/list_attr_celeba.txt": [str(len(NAMES)), " ".join(ATTRIBUTES), *rows],
        "Anno/identity_CelebA.txt": [f"{name} {1 + place // 2}" for place, name in enumerate(NAMES)],
        "Eval/list_eval_partition.txt": [f"{name} {part}" for name, part in zip(NAMES, "000011222", strict=True)],
    }
    for name, lines in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("\n".join(lines) + "\n")
    images = root / "Img" / "img_align_celeba"
    images.mkdir(parents=True)
    for place, name in enumerate(NAMES):
        Pillow.new("RGB", (16, 16), (25 * place, 0, 0)).save(images / name, quality=100)
    return root


@pytest.fixture
def expected(root: Path) -> Release:
    return measure(read_annotations(root), train_images=7)


def ids(faces) -> dict[str, list[str]]:
    return {name: part["id"][:] for name, part in faces.splits.items()}


def test_the_paper_split_trains_on_the_first_images_by_file_name(root, expected):
    assert ids(load(root, split="paper", expected=expected)) == {"train": NAMES[:7], "test": NAMES[7:]}


def test_the_official_split_follows_the_partition_file(root, expected):
    found = ids(load(root, split="official", expected=expected))
    assert found == {"train": NAMES[:4], "validation": NAMES[4:6], "test": NAMES[6:]}


def test_a_missing_image_moves_no_other_image_to_another_side(root, expected):
    for name in NAMES[:3]:
        (root / "Img/img_align_celeba" / name).unlink()
    assert ids(load(root, split="paper", expected=expected)) == {"train": NAMES[3:7], "test": NAMES[7:]}


def test_each_image_keeps_its_own_labels(root, expected):
    test = load(root, split="paper", expected=expected).splits["test"]
    truth = read_annotations(root)
    assert list(test.features.items()) == list(face_features().items())
    assert np.array_equal(attribute_matrix(test), truth.attributes[7:])
    assert test["identity"][:] == truth.identities[7:].tolist()
    assert [round(picture.getpixel((8, 8))[0] / 25) for picture in test["image"]] == [7, 8]


def test_missing_images_are_counted_and_warned_of(root, expected, caplog):
    (root / "Img/img_align_celeba" / NAMES[2]).unlink()
    faces = load(root, expected=expected)
    assert faces.left_out == {"image file is missing": 1}
    assert faces.source == "CelebA (official files), paper split, 8 of 9 images"
    assert "left out 1 images" in caplog.text
    assert "img_align_celeba" in caplog.text


def test_an_image_without_annotation_is_counted_and_warned_of(root, expected, caplog):
    Pillow.new("RGB", (16, 16)).save(root / "Img/img_align_celeba/000099.jpg")
    assert load(root, expected=expected).left_out == {"image file has no annotation": 1}
    assert "image file has no annotation" in caplog.text


def test_a_part_of_the_split_without_images_is_warned_of(root, expected, caplog):
    for name in NAMES[4:6]:
        (root / "Img/img_align_celeba" / name).unlink()
    assert len(load(root, split="official", expected=expected).splits["validation"]) == 0
    assert "no image in its validation part" in caplog.text


def test_png_images_keep_the_file_name_of_the_annotations(root, expected):
    images = root / "Img/img_align_celeba"
    Pillow.open(images / NAMES[0]).save(images / "000001.png")
    (images / NAMES[0]).unlink()
    assert ids(load(root, expected=expected))["train"] == NAMES[:7]


def test_the_layout_of_torchvision_is_read(root, expected):
    for path in [*root.glob("Anno/*"), *root.glob("Eval/*"), *root.glob("Img/*")]:
        path.rename(root / path.name)
    assert ids(load(root, expected=expected))["test"] == NAMES[7:]


def test_images_are_referred_to_by_path(root, expected):
    train = load(root, expected=expected).splits["train"].cast_column("image", datasets.Image(decode=False))
    assert train[0]["image"] == {"bytes": None, "path": str(root / "Img/img_align_celeba" / NAMES[0])}


def test_no_image_at_all_is_an_error(root, expected):
    for name in NAMES:
        (root / "Img/img_align_celeba" / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no .jpg and no .png file"):
        load(root, expected=expected)
    (root / "Img/img_align_celeba").rmdir()
    with pytest.raises(FileNotFoundError, match="no image folder below"):
        load(root, expected=expected)


def test_images_of_another_data_set_are_an_error(root, expected):
    for name in NAMES:
        (root / "Img/img_align_celeba" / name).rename(root / "Img/img_align_celeba" / f"x{name}")
    with pytest.raises(FileNotFoundError, match="none of which the annotations name"):
        load(root, expected=expected)


def test_a_cut_image_is_an_error_unless_skipped_and_then_counted(root, expected):
    (root / "Img/img_align_celeba" / NAMES[1]).write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ValueError, match=f"1 of 9 images cannot be decoded, first {NAMES[1]}"):
        load(root, expected=expected)
    faces = load(root, expected=expected, on_bad_image="skip")
    assert faces.left_out == {"image cannot be decoded": 1}
    assert ids(faces) == {"train": [NAMES[0], *NAMES[2:7]], "test": NAMES[7:]}


@pytest.mark.parametrize("argument", [{"split": "half"}, {"on_bad_image": "ignore"}])
def test_an_unknown_choice_is_refused_with_the_choices(root, argument):
    with pytest.raises(ValueError, match="choose"):
        # Under test the annotations refuse it first; a user's program has no such check.
        inspect.unwrap(load)(root, **argument)


def test_annotations_that_are_not_the_official_release_are_refused(root):
    with pytest.raises(ValueError, match="images annotated: expected 202,599, found 9"):
        load(root)


def test_the_data_set_carries_its_origin_and_licence(root, expected):
    (root / "Img/img_align_celeba" / NAMES[2]).unlink()
    info = load(root, expected=expected).splits["test"].info
    assert "8 of 9 images. Left out: 1 (image file is missing)." in info.description
    assert "Deep Learning Face Attributes in the Wild" in info.citation
    assert "non-commercial research" in info.license
    assert info.homepage
    assert str(info.version) == "1.0.0"


def test_a_saved_copy_needs_the_original_images_no_more(root, expected, tmp_path):
    (root / "Img/img_align_celeba" / NAMES[4]).unlink()
    (root / "Img/img_align_celeba" / NAMES[5]).unlink()
    save(load(root, split="official", expected=expected), tmp_path / "out" / "saved")
    for name in NAMES[:4] + NAMES[6:]:
        (root / "Img/img_align_celeba" / name).unlink()
    saved = datasets.load_from_disk(tmp_path / "out" / "saved")
    assert {name: len(part) for name, part in saved.items()} == {"train": 4, "validation": 0, "test": 3}
    assert saved["test"][0]["image"].size == (16, 16)
    assert "Left out: 2" in saved["test"].info.description
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["saved"]


def test_saving_that_fails_leaves_nothing_behind(root, expected, tmp_path):
    faces = load(root, expected=expected)
    (root / "Img/img_align_celeba" / NAMES[3]).unlink()
    with pytest.raises(FileNotFoundError):
        save(faces, tmp_path / "out" / "saved")
    assert list((tmp_path / "out").iterdir()) == []


def test_saving_never_replaces_a_folder(root, expected, tmp_path):
    with pytest.raises(FileExistsError, match="is there already; remove it"):
        save(load(root, expected=expected), tmp_path)


def test_verify_agrees_with_the_release_it_expects(root, expected):
    table, agrees = verify(root, expected)
    assert agrees
    assert "9 of 9 image files are present" in table


def test_the_verify_command_exits_with_1_on_a_mismatch(root, capsys):
    with pytest.raises(SystemExit) as end:
        main(["verify", "--root", str(root)])
    assert end.value.code == 1
    assert "MISMATCH" in capsys.readouterr().out


def test_the_prepare_command_says_what_is_wrong_and_writes_nothing(root, tmp_path):
    with pytest.raises(SystemExit, match=r"error: .* is not the official release"):
        main(["prepare", "--root", str(root), "--output", str(tmp_path / "saved")])
    assert not (tmp_path / "saved").exists()


def test_help_imports_no_heavy_library():
    code = (
        "import sys\nfrom data_prep.celeba.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'datasets', 'torch', 'pyarrow', 'pandas'} & set(sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "python -m data_prep.celeba verify --root" in told
