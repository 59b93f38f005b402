"""Several vectors a picture, each with its place: regions, padded and masked; encoders and galleries live elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

SLACK = 1e-4  # of a side: boxes were rounded by whoever wrote them


@dataclass(frozen=True)
class Regions:
    """Vectors of the regions of some items, in the items' order.

    Attributes:
        vectors: zero where `mask` is False.
        boxes: left, top, right, bottom as shares of width and height, in [0, 1]; zero where `mask` is False; None
            where nobody recorded them.
        mask: True where there is a region, False where a row only fills up the table.
    Raises:
        ValueError: the three differ in their numbers of items or regions; an item without any region; a box
            that is none.
    """

    vectors: Float[Tensor, "item region dim"]
    boxes: Float[Tensor, "item region 4"] | None
    mask: Bool[Tensor, "item region"]

    def __post_init__(self) -> None:
        check_places(tuple(self.vectors.shape[:2]), self.boxes, self.mask)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, items: Int[Tensor, " chosen"]) -> "Regions":
        """The regions of some of the items."""
        return Regions(self.vectors[items], None if self.boxes is None else self.boxes[items], self.mask[items])

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.vectors.device

    @classmethod
    def of(
        cls,
        vectors: Sequence[Float[Tensor, "_ dim"]],
        boxes: Sequence[Float[Tensor, "_ 4"]] | None,
        regions: int | None = None,
    ) -> "Regions":
        """Fill up items of different numbers of regions with zeros, and mask what was filled.

        Args:
            vectors: of each item.
            boxes: of each item.
            regions: wanted number of rows; None is that of the largest item.
        Raises:
            ValueError: an item has no region, or more than `regions`, or another number of boxes.
        Example:
            >>> Regions.of([torch.ones(2, 3), torch.ones(1, 3)], None).mask
            tensor([[ True,  True],
                    [ True, False]])
        """
        counts = [len(rows) for rows in vectors]
        rows = max(counts) if regions is None else regions
        if max(counts) > rows:
            raise ValueError(f"item {counts.index(max(counts))} has {max(counts)} regions, more than {rows}")
        if boxes is not None and [len(four) for four in boxes] != counts:
            raise ValueError("an item has another number of boxes than of vectors; give one box a vector")
        mask = torch.arange(rows) < torch.tensor(counts)[:, None]
        return cls(_filled(vectors, rows), None if boxes is None else _filled(boxes, rows), mask)

    @classmethod
    def cat(cls, parts: Sequence["Regions"]) -> "Regions":
        """Join batches of one encoder, which have the same number of rows."""
        boxes = [part.boxes for part in parts if part.boxes is not None]
        if len(boxes) not in (0, len(parts)):
            raise ValueError("some batches have boxes and others none; join batches of one encoder")
        vectors, mask = torch.cat([part.vectors for part in parts]), torch.cat([part.mask for part in parts])
        return cls(vectors, torch.cat(boxes) if boxes else None, mask)


def check_places(
    shape: tuple[int, ...],
    boxes: Float[Tensor, "item region 4"] | None,
    mask: Bool[Tensor, "item region"],
) -> None:
    """Raise ValueError unless boxes and mask belong to vectors of `shape` (items, regions) and make sense."""
    if tuple(mask.shape) != shape or (boxes is not None and tuple(boxes.shape) != (*shape, 4)):
        told = None if boxes is None else tuple(boxes.shape)
        raise ValueError(f"vectors of {shape} items and regions, but a mask of {tuple(mask.shape)} and boxes of {told}")
    empty = (~mask.any(1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"item {empty[0]} has no region at all; give it the whole picture as one")
    if boxes is None:
        return
    inside = ((boxes >= -SLACK) & (boxes <= 1 + SLACK)).all(-1)
    wrong = (~(inside & (boxes[..., :2] <= boxes[..., 2:] + SLACK).all(-1))).nonzero().tolist()
    if wrong:
        item, region = wrong[0]
        raise ValueError(
            f"box {region} of item {item} is {boxes[item, region].tolist()}; boxes are left, top, right, bottom as "
            "shares of width and height, in [0, 1]"
        )


def _filled(rows: Sequence[Float[Tensor, "_ width"]], regions: int) -> Float[Tensor, "item region width"]:
    table = pad_sequence(list(rows), batch_first=True)
    return torch.nn.functional.pad(table, (0, 0, 0, regions - table.shape[1]))
