"""The GRU that reads a query word by word; words and their numbers are in multiturn.tokens."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from multiturn.encoders.towers import Precision, TextTower
from multiturn.encoders.weights import weights_digest
from multiturn.hub.model import HubModel
from multiturn.tokens import PAD, Vocabulary


def padded(vocabulary: Vocabulary, texts: Sequence[str]) -> tuple[Int[Tensor, "text word"], Int[Tensor, " text"]]:
    """Numbers of the words of several texts, padded to the longest, and their lengths, on the CPU."""
    numbers = [torch.tensor(vocabulary.numbers(text)) for text in texts]
    return pad_sequence(numbers, batch_first=True, padding_value=PAD), torch.tensor([len(one) for one in numbers])


class WordGRU(nn.Module, HubModel):
    """Word embedding and one GRU; a query's vector is the state after its end.

    The words travel with the weights, in config.json.

    Args:
        words: of the vocabulary, with the special ones first or without them.
        dim: size of the GRU and of a vector.
        embedding_dim: of a word.
    Source:
        Tan et al., "Drill-down: interactive retrieval of complex scenes using natural language queries", NeurIPS
        2019: lib/modules/text_encoder.py of the released code: Xavier uniform weights, biases 0.
    """

    def __init__(self, words: Sequence[str], dim: int = 256, embedding_dim: int = 300) -> None:
        super().__init__()
        self.vocabulary = Vocabulary(words)
        self.embed = nn.Embedding(len(self.vocabulary), embedding_dim)
        self.gru = nn.GRU(embedding_dim, dim, batch_first=True)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(self, numbers: Int[Tensor, "text word"], lengths: Int[Tensor, " text"]) -> Float[Tensor, "text dim"]:
        """Vectors of texts, given as `padded` makes them; `lengths` may stay on the CPU."""
        # Words are embedded after packing: one very long text costs no memory for the others' padding.
        packed = pack_padded_sequence(numbers, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, state = self.gru(packed._replace(data=self.embed(packed.data)))
        return state[0]

    def vectors(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """Vectors of texts, with gradients."""
        numbers, lengths = padded(self.vocabulary, texts)
        return self(numbers.to(self.embed.weight.device), lengths)

    @property
    def fingerprint(self) -> str:
        """Name of the architecture, and a digest of all weights and words."""
        return f"word-gru-{weights_digest(self.state_dict(), self.vocabulary.words)}"


class WordGRUEncoder(TextTower):
    """A trained `WordGRU` as an encoder of texts; texts of any length are read to their end.

    Args:
        network: on the device where to encode.
        dtype: precision of the computation.
        normalise: scale each vector to length 1.
    """

    def __init__(self, network: WordGRU, dtype: Precision = "float32", normalise: bool = False) -> None:
        self.network = network.eval()
        device, dim = network.embed.weight.device, network.gru.hidden_size
        super().__init__(network.fingerprint, dim, device, dtype, normalise)

    def vectors(self, texts: list[str]) -> Float[Tensor, "text dim"]:
        """Vectors of a batch of texts."""
        return self.network.vectors(texts)
