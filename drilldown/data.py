"""Images with several captions each, in train, validation and test, whatever data set they come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset, DatasetDict

from data_prep.visual_genome.vocabulary import vocabulary
from drilldown.settings import CaptionSettings
from multiturn.tokens import Vocabulary

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class CaptionedImages:
    """Images of one part, in ascending order of id, as a gallery has them.

    Attributes:
        images: with the columns `id` and `image`, and the others of its data set; `image` is null without pixels.
        captions: of each image, in lower case, in the order in which a user says them.
    """

    images: Dataset
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the images."""
        return tuple(self.images["id"])


@dataclass(frozen=True)
class CaptionedParts:
    """Captioned images to learn from, to choose the best epoch by, and to report on.

    Attributes:
        source: as tables print it.
        left_out: why images were left out, and how many.
    """

    train: CaptionedImages
    validation: CaptionedImages
    test: CaptionedImages
    source: str
    left_out: Mapping[str, int]

    def part(self, name: str) -> CaptionedImages:
        """One of 'train', 'validation' and 'test'."""
        return getattr(self, name)

    def vocabulary(self, more_than: int) -> Vocabulary:
        """The words that come more than so many times in the captions of the training images.

        Raises:
            ValueError: there is no such word.
        """
        words = vocabulary((caption for said in self.train.captions for caption in said), more_than)
        if len(words) == len(Vocabulary(())):
            raise ValueError(
                f"no word of the training captions comes more than {more_than} times; lower data.more_than"
            )
        return words


def load_captions(settings: CaptionSettings, turns: int, cache: Path) -> CaptionedParts:
    """Load or draw the images that `settings` ask for.

    Args:
        turns: captions that an image needs. One of Visual Genome with fewer is left out and counted.
        cache: folder where drawn scenes are kept.
    Raises:
        FileNotFoundError: the data set is not where `root` says.
        ValueError: files are damaged, an image has too few captions, or a part fewer than two images.
    """
    splits, source, left_out, texts = _LOADERS[settings.source](settings, turns, cache)
    parts = {}
    for name in PARTS:
        rows = splits[name]
        if len(rows) < 2:
            raise ValueError(f"{source}: {len(rows)} images for {name}; at least two are needed in each part")
        names, captions = list(rows["id"]), [tuple(one.lower() for one in texts(said)) for said in rows["captions"]]
        short = next((place for place, said in enumerate(captions) if len(said) < turns), None)
        if short is not None:
            raise ValueError(
                f"{source}: image {names[short]!r} has {len(captions[short])} captions, too few for {turns} turns; "
                "lower evaluation.turns and loss.turns, or draw more captions"
            )
        order = sorted(range(len(names)), key=names.__getitem__)
        parts[name] = CaptionedImages(rows.select(order), tuple(captions[place] for place in order))
    return CaptionedParts(**parts, source=source, left_out=left_out)


Loaded = tuple[DatasetDict, str, dict[str, int], Callable[[Sequence], Sequence[str]]]


def _drawn(settings: CaptionSettings, turns: int, cache: Path) -> Loaded:
    from data_prep import drawn_scenes

    if settings.captions < turns:
        raise ValueError(
            f"drawn scenes have data.captions {settings.captions}, too few for {turns} turns; lower "
            "evaluation.turns and loss.turns, or draw more captions"
        )
    drawn = drawn_scenes.load(settings.count, settings.size, settings.seed, settings.captions, cache=cache)
    source = f"{settings.count:,} drawn scenes (not photographs), seed {settings.seed}"
    return drawn, source, {}, lambda captions: [caption["text"] for caption in captions]


def _flickr8k(settings: CaptionSettings, turns: int, cache: Path) -> Loaded:
    from data_prep import flickr8k

    loaded = flickr8k.load(_root(settings), settings.bad_images)
    return loaded.splits, loaded.source, dict(loaded.left_out), list


def _visual_genome(settings: CaptionSettings, turns: int, cache: Path) -> Loaded:
    from data_prep import visual_genome

    splits = None if settings.splits is None else Path(settings.splits)
    loaded = visual_genome.load(_root(settings), splits, settings.seed, turns, settings.pixels, settings.bad_images)
    return loaded.splits, loaded.source, dict(loaded.left_out), list


_LOADERS = {"drawn": _drawn, "flickr8k": _flickr8k, "visual_genome": _visual_genome}


def _root(settings: CaptionSettings) -> Path:
    assert settings.root is not None  # the settings see to it
    return Path(settings.root)
