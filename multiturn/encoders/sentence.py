"""Any sentence-transformers model as an encoder of texts."""

from contextlib import suppress
from typing import Any

import torch
from jaxtyping import Float
from sentence_transformers import SentenceTransformer
from torch import Tensor

from multiturn.encoders.towers import PROBE, Precision, TextTower
from multiturn.encoders.transformers_towers import load_transformer
from multiturn.encoders.weights import fitting, found, short_name, weights_digest


class SentenceEncoder(TextTower):
    """Sentence vectors, pooled and normalised as the model itself says.

    A text is cut at the model's `max_seq_length`. A prompt that the model puts before texts by default is used.

    Args:
        name: of the model on the Hub, or its folder.
        device: where to encode.
        dtype: precision of the computation.
        normalise: scale each vector to length 1, whether the model does or not.
    Raises:
        FileNotFoundError: no such folder, and no such model in the Hub's cache.
        ValueError: weights that do not fit the model's configuration.
    """

    def __init__(
        self,
        name: str,
        device: torch.device | str = "cpu",
        dtype: Precision = "float32",
        normalise: bool = False,
    ) -> None:
        self._network: Any = _load(name, device)
        tokens = [self._network.tokenize([text])["input_ids"].tolist() for text in (PROBE, "")]
        # The modules' own texts name pooling, lengths and normalisation.
        about = [str(self._network), self._network.default_prompt_name, self._network.prompts, tokens]
        digest = weights_digest(self._network.state_dict(), about)
        dim = int(self._network.encode([PROBE], show_progress_bar=False).shape[1])
        super().__init__(f"sentence-transformers-{short_name(name)}-{digest}", dim, device, dtype, normalise)

    def vectors(self, texts: list[str]) -> Float[Tensor, "text dim"]:
        """Vectors of a batch of texts."""
        return self._network.encode(
            texts, batch_size=len(texts), show_progress_bar=False, convert_to_tensor=True, device=str(self.device)
        )


def _load(name: str, device: torch.device | str) -> SentenceTransformer:
    try:
        with fitting(name, "their configuration"), found(name, "sentence-transformers model"):
            return SentenceTransformer(name, device=str(device)).eval()
    except ValueError as reason:
        if "ignore_mismatched_sizes" in str(reason):
            # The library's error names no shape; transformers' own reading of the same files does.
            with suppress(OSError):
                load_transformer(name)
        raise
