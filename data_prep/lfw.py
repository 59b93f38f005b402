"""LFW: 13,233 face images in one folder a person, people with several images apart from those with one; no vectors."""

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data_prep.commands import run, tell, write
from data_prep.counts import count_table
from data_prep.splits import About, Splits, decodable, part
from multiturn.files import find_pictures

# Quoted in annotations: where those are postponed, jsonargparse imports all this for --help.
if TYPE_CHECKING:
    from datasets import Features

ABOUT = About(
    description="Labeled Faces in the Wild: 13,233 images of 5,749 people, found in news by a face detector.",
    homepage="http://vis-www.cs.umass.edu/lfw/",
    license="No licence is stated; the images were collected from news for research on unconstrained face recognition.",
    citation="""@techreport{huang2007labeled,
  title = {Labeled Faces in the Wild: A Database for Studying Face Recognition in Unconstrained Environments},
  author = {Huang, Gary B. and Ramesh, Manu and Berg, Tamara and Learned-Miller, Erik},
  institution = {University of Massachusetts, Amherst},
  number = {07-49},
  year = {2007}
}""",
)
OFFICIAL = {"images": 13_233, "people": 5_749, "people with two or more images": 1_680, "people with one": 4_069}

_NAME = re.compile(r"(?:.*/)?(?P<folder>[^/]+)/(?P<person>[^/]+)_\d{4}\.(?:jpg|png)")
_FOREIGN = "file is not named after its person's folder"


def lfw_features() -> "Features":
    """Columns of LFW.

    `id` is the path below the root. `person` is the folder's name and `identity` its place among all names, sorted.
    `mates` counts the other images of the person: 0 means that a search for the image can find nobody.
    """
    from datasets import Features, Image, Value

    columns = {"id": Value("string"), "image": Image(), "person": Value("string")}
    return Features(columns | {"identity": Value("int32"), "mates": Value("int32")})


def load(root: Path, on_bad_image: Literal["error", "skip"] = "error", check_images: bool = True) -> Splits:
    """Load LFW, or a part of it, from its folders.

    Images stay on disk and are referred to by path; moving the folder breaks the result. Who has mates is decided
    among the images that are there and can be decoded, so a part of LFW has its own singletons.

    Args:
        root: the folder that holds one folder a person, or one that holds lfw/ or lfw-deepfunneled/.
        on_bad_image: "error" raises for an image that cannot be decoded, "skip" leaves it out and counts it.
        check_images: decode each image once. Without it a bad image raises only when it is used.
    Returns:
        `mated`, people with two or more images, and `unmated`, people with one, each sorted by id, with the columns
        of `lfw_features()`. The gallery of a reverse search is both.
    Raises:
        FileNotFoundError: no folder, or no image named like those of LFW in it.
        ValueError: an image is bad.
    Source:
        Huang et al. (2007). Hit rates are over people with two or more images; singletons are searches without a
        mate, for the share of false alarms.
    """
    from datasets import Dataset, concatenate_datasets

    root = Path(root)
    people, foreign = read_people(root)
    left_out = {_FOREIGN: len(foreign)}
    columns = {"id": list(people), "image": [str(root.resolve() / name) for name in people]}
    all_features = lfw_features()
    pictures = Dataset.from_dict(columns, _only(all_features, "id", "image"))
    pictures = decodable(pictures, on_bad_image, check_images, left_out)
    persons = [people[name] for name in pictures["id"]]
    count = Counter(persons)
    number = {person: place for place, person in enumerate(sorted(count))}
    labels = {
        "person": persons,
        "identity": [number[person] for person in persons],
        "mates": [count[person] - 1 for person in persons],
    }
    described = Dataset.from_dict(labels, _only(all_features, *labels))
    rows = concatenate_datasets([pictures, described], axis=1)
    sides = ["mated" if count[person] > 1 else "unmated" for person in persons]
    source = f"LFW, {len(rows):,} of {OFFICIAL['images']:,} images, {len(count):,} of {OFFICIAL['people']:,} people"
    return part(rows, sides, ("mated", "unmated"), ABOUT, source, left_out)


def read_people(root: Path) -> tuple[dict[str, str], list[str]]:
    """List the images below a folder by their names; nothing is opened.

    Returns:
        path below `root` -> person, sorted by path; and the image files that are not named like those of LFW.
    Raises:
        FileNotFoundError: no folder, or no image named like those of LFW in it.
    """
    people, foreign = {}, []
    for name in find_pictures(root)[0]:
        found = _NAME.fullmatch(name)
        if found and found["folder"] == found["person"]:
            people[name] = found["person"]
        else:
            foreign.append(name)
    if not people:
        raise FileNotFoundError(
            f"{root} holds no image like Aaron_Eckhart/Aaron_Eckhart_0001.jpg ({len(foreign):,} others); unpack "
            "lfw-deepfunneled.tgz and give the folder"
        )
    return people, foreign


def _only(features: "Features", *names: str) -> "Features":
    return type(features)({name: features[name] for name in names})


def verify(root: Path) -> None:
    """Compare a download with the published counts; exit status 1 if one differs. No image is decoded.

    Args:
        root: the folder that holds one folder a person.
    """
    people, foreign = read_people(root)
    count = Counter(people.values())
    several = sum(number > 1 for number in count.values())
    found = {"images": len(people), "people": len(count), "people with two or more images": several}
    found |= {"people with one": len(count) - several}
    if foreign:
        found[_FOREIGN] = len(foreign)
    tell(*count_table(found, OFFICIAL))


def prepare(output: Path, root: Path, on_bad_image: Literal["error", "skip"] = "error") -> None:
    """Check the images and write both splits, images included, to a folder for datasets.load_from_disk.

    Args:
        output: folder to make; it must not be there yet.
        root: the folder that holds one folder a person.
        on_bad_image: stop at images that cannot be decoded, or leave them out.
    """
    write(output, lambda: load(root, on_bad_image))


EXAMPLES = """  python -m data_prep.lfw verify --root lfw-deepfunneled
  python -m data_prep.lfw prepare --root lfw-deepfunneled --output prepared/lfw
"""


def main(args: list[str] | None = None) -> None:
    """Run the command line."""
    run("data_prep.lfw", "Check LFW and prepare it.", EXAMPLES, {"verify": verify, "prepare": prepare}, args)


if __name__ == "__main__":
    main()
