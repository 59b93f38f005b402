"""Any data set of this package by its name, as items to encode with what is known about them; nothing is decoded."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, assert_never, get_args

from data_prep.ids import check_id
from data_prep.splits import Splits

# Quoted in annotations: where those are postponed, jsonargparse imports all this for --help.
if TYPE_CHECKING:
    from datasets import Dataset

    from multiturn.items import Items

Name = Literal["items", "photos", "flickr8k", "cub", "lfw", "celeba", "visual_genome", "drawn_faces", "drawn_scenes"]
_DRAWN = frozenset({"count", "size", "seed"})
# Settings that a data set takes besides those of every one.
_TAKES: dict[str, frozenset[str]] = {
    "celeba": frozenset({"rule", "hub_id", "revision"}),
    "cub": frozenset({"rule"}),
    "visual_genome": frozenset({"seed", "fewest_captions"}),
    "drawn_faces": _DRAWN,
    "drawn_scenes": _DRAWN,
}
_ALWAYS = frozenset({"name", "root", "split", "column", "label"})
# Columns that say who or what is on a picture.
LABELS = {"cub": "species", "lfw": "person", "celeba": "identity", "drawn_faces": "identity", "drawn_scenes": "family"}


@dataclass(frozen=True)
class DataSettings:
    """Which items.

    Args:
        name: a loader of data_prep, or 'items': a folder of pictures, a .jsonl or .txt file of texts, or a Hugging
            Face data set on disk.
        root: folder or file of the data; of drawn data sets, a folder where they are kept (drawn anew without).
        split: the part to take, such as 'test'; all of them if not given.
        column: a column of texts, such as 'captions', to be encoded instead of the pictures; the n-th text of a
            picture has the id 'picture#n'.
        label: column that says who or what is on a picture; the one that identifies people or classes if not given.
        rule: of the split: 'paper' or 'official' for celeba, 'auto', 'official' or 'halves' for cub.
        hub_id: of celeba, instead of root.
        revision: of hub_id.
        count: of drawn pictures.
        size: of drawn pictures, in pixels.
        seed: of drawn pictures, and of visual_genome's split where no lists are released.
        fewest_captions: visual_genome leaves pictures with fewer out.
    Raises:
        ValueError: no root where one is needed, or a setting that the data set does not take.
    """

    name: Name = "items"
    root: Path | None = None
    split: str | None = None
    column: str | None = None
    label: str | None = None
    rule: str | None = None
    hub_id: str | None = None
    revision: str | None = None
    count: int | None = None
    size: int | None = None
    seed: int | None = None
    fewest_captions: int | None = None

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise ValueError(f"there is no data set {self.name!r}; choose one of {', '.join(get_args(Name))}")
        for one in fields(self):
            if one.name not in _ALWAYS | _TAKES.get(self.name, frozenset()) and getattr(self, one.name) is not None:
                raise ValueError(f"{self.name} takes no {one.name}; leave it out")
        drawn = self.name.startswith("drawn_")
        if self.root is None and not drawn and not (self.name == "celeba" and self.hub_id):
            raise ValueError(f"{self.name} needs a root: the folder or file of the data")

    def given(self, *names: str) -> dict[str, Any]:
        """The settings of these names that are not None."""
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def as_json(self) -> dict[str, Any]:
        """The settings that are not None, as JSON takes them."""
        return {
            name: str(one) if isinstance(one, Path) else one for name, one in asdict(self).items() if one is not None
        }


@dataclass(frozen=True)
class Source:
    """Items and what is known about them.

    Attributes:
        items: to encode.
        licence: what one may do with them; empty where nothing says it.
        citation: BibTeX, or empty.
        left_out: what the loader left out: reason -> how many.
        label: name of the column of labels, or empty.
        labels: id -> who or what it is; empty without such a column.
    """

    items: "Items"
    licence: str = ""
    citation: str = ""
    left_out: dict[str, int] = field(default_factory=dict)
    label: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def read_source(settings: DataSettings, on_bad_image: Literal["error", "skip"] = "error") -> Source:
    """Read the items that `settings` describe, and nothing of their pictures.

    Args:
        settings: which items.
        on_bad_image: stop at a picture in a folder whose file name cannot be an id, or leave it out.
    Raises:
        FileNotFoundError: a file or folder is missing, or holds no item.
        ValueError: an entry is damaged (it is named), a picture's id leads out of its folder, two items have one id;
            no such split or column.
    """
    if settings.name == "items":
        source = _of_items(settings, on_bad_image)
    else:
        source = _of_loader(settings, _load(settings, on_bad_image))
    if source.items.kind == "image":
        for name in source.items.ids:
            check_id(name, source.items.source)
    return source


def _of_items(settings: DataSettings, on_bad_image: Literal["error", "skip"]) -> Source:
    from datasets import Dataset

    from multiturn.items import read_items

    assert settings.root is not None
    items = read_items(settings.root, settings.split, settings.column, on_bad_image)
    if not isinstance(items.values, Dataset):
        if settings.label is not None:
            raise ValueError(f"texts of {settings.root} have no labels; leave --data.label out")
        return Source(items)
    labels = _labels(items.values, settings.label, items.ids)
    info = items.values.info
    return Source(items, info.license, info.citation, items.left_out, settings.label or "", labels)


def _of_loader(settings: DataSettings, loaded: Splits) -> Source:
    from datasets import concatenate_datasets

    from multiturn.items import Items, texts_of

    if settings.split is not None and settings.split not in loaded.splits:
        known = ", ".join(map(str, loaded.splits))
        raise ValueError(f"{settings.name} has the splits {known}, not {settings.split!r}; name one of them, or none")
    parts = [rows for name, rows in loaded.splits.items() if settings.split in (None, name) and len(rows)]
    if not parts:
        raise ValueError(f"{loaded.source} has no item in its {settings.split} split; take another")
    rows = concatenate_datasets(parts)
    ids, told = list(rows["id"]), f"{loaded.source}{'' if settings.split is None else f', {settings.split} split'}"
    label = settings.label or LABELS.get(settings.name, "")
    labels = _labels(rows, label or None, ids)
    if settings.column in (None, "image"):
        items = Items(ids, rows, "image", told)
    else:
        ids, texts = texts_of(rows, settings.column, ids)
        items = Items(ids, texts, "text", f"{settings.column} of {told}")
        labels = {name: labels[name.rpartition("#")[0] or name] for name in ids} if labels else {}
    return Source(items, rows.info.license, rows.info.citation, loaded.left_out, label if labels else "", labels)


def _load(settings: DataSettings, on_bad_image: Literal["error", "skip"]) -> Splits:
    """Run a loader; pictures that cannot be decoded are found when they are encoded."""
    name: Name = settings.name
    root = settings.root or Path()
    match name:
        case "flickr8k":
            from data_prep.flickr8k import load

            return load(root, check_images=False)
        case "cub":
            from data_prep.cub import load

            rule: Any = settings.rule or "auto"
            return load(root, rule, check_images=False)
        case "lfw":
            from data_prep.lfw import load

            return load(root, check_images=False)
        case "photos":
            from data_prep.photos import load

            return load(root, on_bad_image=on_bad_image, check_images=False)
        case "visual_genome":
            from data_prep.visual_genome.loading import load

            options = settings.given("seed", "fewest_captions")
            return load(root, pixels=settings.column in (None, "image"), check_images=False, **options)
        case "celeba":
            from data_prep.celeba.loading import load

            rule = settings.rule or "paper"
            return load(settings.root, settings.hub_id, settings.revision, rule, check_images=False)
        case "drawn_faces" | "drawn_scenes":
            return _drawn(settings)
        case "items":
            raise ValueError("items are no data set with a loader; read them with read_items")
    assert_never(name)


def _drawn(settings: DataSettings) -> Splits:
    options: dict[str, Any] = settings.given("count", "size", "seed")
    if settings.name == "drawn_faces":
        from data_prep.drawn_faces import load
    else:
        from data_prep.drawn_scenes import load
    splits = load(**options, cache=settings.root)
    count = sum(len(rows) for rows in splits.values())
    what = settings.name.removeprefix("drawn_")
    return Splits(splits, {}, f"{count:,} drawn {what} (not photographs), seed {settings.seed or 0}")


def _labels(rows: "Dataset", column: str | None, ids: list[str]) -> dict[str, str]:
    if column is None:
        return {}
    if column not in rows.column_names:
        raise ValueError(f"no column {column!r} among {', '.join(rows.column_names)}; name one with labels")
    return {name: str(one) for name, one in zip(ids, rows.select_columns([column])[column], strict=True)}
