"""How large a model and what it keeps are, counted without any data or weights."""

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from drilldown.model_settings import ModelSettings
from drilldown.models import new_model
from multiturn.settings import at_least
from multiturn.tokens import SPECIAL

# Parts of a model by the beginnings of their parameters' names.
PARTS = {
    "word embedding": "queries.words.embed.",
    "query GRU": "queries.words.gru.",
    "map of a frozen text encoder": "queries.map.",
    "map of pictures or regions": "projection.",
    "GRU cell of states": "cell.",
    "policy": "learned.",
}


@dataclass(frozen=True)
class DataSizes:
    """What only data could tell.

    Args:
        vocabulary: words, the four special ones among them.
        region_dim: length of a region's vector by its encoder.
        regions: of a picture.
    Source:
        papers/drill-down.txt, section 4: 14,284 words, 36 regions; 2,048 is the length of the features of its [1].
    """

    vocabulary: int = 14284
    region_dim: int = 2048
    regions: int = 36

    def __post_init__(self) -> None:
        if self.vocabulary < len(SPECIAL):
            raise ValueError(f"a vocabulary has {len(SPECIAL)} special words, so it cannot have {self.vocabulary}")
        at_least("region_dim", self.region_dim, 1)
        at_least("regions", self.regions, 1)


def describe(settings: ModelSettings, sizes: DataSizes, turns: int) -> dict[str, Any]:
    """Sizes of a model.

    Args:
        settings: of the model.
        sizes: of the data that it is for.
        turns: of a session.
    Returns:
        `parameters`: of each part and in all; `query_state`: numbers kept for a session; `picture`: numbers
        kept for a picture; `data`: the sizes given; `notes`: what a reader should know of these.
    Raises:
        ValueError: a setting that leaves nothing to count.
    Source:
        papers/drill-down.txt, table 1. It counts the policy of every Drill-down model, also where the fixed policy
        is used; it cuts thousands off, where it could have rounded; and its R-RE counts a context GRU that is
        never called, which is not counted here.
    """
    counts = _counts(settings, sizes)
    single = settings.kind != "drill-down"
    notes = ["the policy is counted whether it is used or not"] if not single else []
    if not single and settings.states > turns:
        notes.append(f"{settings.states - turns} of {settings.states} states stay empty in {turns} turns")
    if settings.text is not None:
        notes.append(f"the frozen text encoder ({settings.text.kind} {settings.text.name}) is not counted")
    if settings.kind == "r-re":
        notes.append("without the context GRU that table 1 of the paper counts; R-RE never calls it")
    if settings.kind == "r-rankfusion":
        notes.append("a session also keeps a sum of ranks for every candidate of the gallery")
    return {
        "model": settings.kind,
        "parameters": counts | {"all": sum(counts.values())},
        "query_state": settings.dim * (1 if single else settings.states),
        "picture": settings.dim * (1 if settings.kind == "hre" else sizes.regions),
        "data": asdict(sizes),
        "notes": notes,
    }


def _counts(settings: ModelSettings, sizes: DataSizes) -> dict[str, int]:
    words = [f"word {number}" for number in range(sizes.vocabulary - len(SPECIAL))]
    # A frozen text encoder is opened to know its vectors' length; all else is counted and never filled.
    with torch.device("meta") if settings.text is None else nullcontext():
        model: nn.Module = new_model(settings, words, "none", sizes.region_dim)
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        part = next(part for part, start in PARTS.items() if name.startswith(start))
        counts[part] += parameter.numel()
    return {part: count for part, count in counts.items() if count}
