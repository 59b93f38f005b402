"""Vectors of queries: words and a GRU that are trained with the model, or a frozen encoder and a linear map."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from multiturn.encoders.catalogue import EncoderSettings, make_encoder
from multiturn.encoders.towers import TextTower
from multiturn.encoders.words import WordGRU

_KEPT = 1 << 18  # vectors of texts kept in memory: 400 MB at 384 numbers


@runtime_checkable
class QueryEncoder(Protocol):
    """Makes a vector of each query, with gradients; a module."""

    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """Vectors of texts, in their order; an empty text has one too."""
        ...


class WordQueries(nn.Module):
    """Words, an embedding and a GRU, all trained here.

    Source:
        papers/drill-down.txt, section 3.4: the last hidden state is the query's vector.
    """

    def __init__(self, words: Sequence[str], dim: int, embedding_dim: int) -> None:
        super().__init__()
        self.words = WordGRU(words, dim, embedding_dim)

    def forward(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """See `QueryEncoder`."""
        return self.words.vectors(texts)

    def continued(
        self, said: Sequence[Sequence[str]], memory: Float[Tensor, "session dim"] | None = None
    ) -> Float[Tensor, "session turn dim"]:
        """State of the GRU after each query of a session, reading them as one text.

        Args:
            said: queries of each session, as many for each.
            memory: state before the first; zero if not given.
        Source:
            papers/drill-down.txt, section 4, baseline R-RE: "the concatenation of the queries". It does not say
            what stands between them; here each ends in its own end mark, so that reading can go on from there.
        """
        numbers = [[self.words.vocabulary.numbers(text) for text in queries] for queries in said]
        whole = [torch.tensor([number for one in queries for number in one]) for queries in numbers]
        ends = torch.tensor([[len(one) for one in queries] for queries in numbers]).cumsum(1) - 1
        device = self.words.embed.weight.device
        # Padded, not packed: sessions are about equally long, and a packed GRU takes several times longer backwards.
        table = pad_sequence(whole, batch_first=True).to(device)
        read, _ = self.words.gru(self.words.embed(table), None if memory is None else memory[None].contiguous())
        return read[torch.arange(len(said), device=device)[:, None], ends.to(device)]


class FrozenQueries(nn.Module):
    """A frozen encoder of texts, and a linear map that is trained here.

    It reads a text once, and keeps its vector. The encoder's weights are not saved with the model: its settings are,
    and its fingerprint.

    Args:
        text: settings of the encoder, as a mapping, and under `fingerprint` the fingerprint it had in training.
        dim: of a query's vector.
    Raises:
        ValueError: the encoder has another fingerprint now.
    """

    def __init__(self, text: Mapping[str, Any], dim: int) -> None:
        super().__init__()
        self._settings = EncoderSettings(**{name: value for name, value in text.items() if name != "fingerprint"})
        self._encoder, expected = self._opened(torch.device("cpu")), text.get("fingerprint")
        if expected not in (None, self._encoder.fingerprint):
            raise ValueError(
                f"the text encoder is {self._encoder.fingerprint!r} here, and was {expected!r} in training; give the "
                "one of the training, or train again"
            )
        self.map = nn.Linear(self._encoder.dim, dim)
        self._known: dict[str, Tensor] = {}

    @property
    def fingerprint(self) -> str:
        """Of the frozen encoder."""
        return self._encoder.fingerprint

    def forward(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """See `QueryEncoder`."""
        device = self.map.weight.device
        if self._encoder.device != device:
            self._encoder = self._opened(device)
        new = sorted(set(texts) - self._known.keys(), key=len)
        if len(new) + len(self._known) > _KEPT:
            self._known.clear()
            new = sorted(set(texts), key=len)
        if new:
            self._known.update(zip(new, self._encoder.encode(new, batch_size=64), strict=True))
        frozen = torch.stack([self._known[text] for text in texts])
        return self.map(frozen.to(device))

    def _opened(self, device: torch.device) -> TextTower:
        encoder = make_encoder(self._settings, device)
        assert isinstance(encoder, TextTower)  # so are all encoders of texts, and `ModelSettings` takes no others
        return encoder


def query_encoder(
    words: Sequence[str] | None, text: Mapping[str, Any] | None, dim: int, embedding_dim: int
) -> WordQueries | FrozenQueries:
    """The frozen encoder if there are settings of one, and words with a GRU otherwise.

    Raises:
        ValueError: neither is given, or both are.
    """
    if (words is None) == (text is None):
        told = "none" if words is None else "both"
        raise ValueError(f"a model reads words of a vocabulary or has a frozen text encoder; {told} given")
    return WordQueries(words, dim, embedding_dim) if words is not None else FrozenQueries(text or {}, dim)
