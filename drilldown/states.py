"""State vectors of a batch of sessions, and the cell that writes a query into one of them; policies choose which."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class States:
    """What a batch of sessions remembers.

    Attributes:
        vectors: the state vectors; zero while empty.
        slots: the state that took each query so far.
        said: a number made of all that was said in a session, which seeds random choices: the same whatever
            batch the session is in.
    """

    vectors: Float[Tensor, "session slot dim"]
    slots: Int[Tensor, "session turn"]
    said: Int[Tensor, " session"]

    @classmethod
    def empty(cls, sessions: int, slots: int, dim: int, device: torch.device) -> "States":
        """Before anything was said."""
        number = torch.zeros(sessions, dtype=torch.long, device=device)
        return cls(torch.zeros(sessions, slots, dim, device=device), number[:, None][:, :0], number)

    @property
    def turn(self) -> int:
        """Queries so far."""
        return self.slots.shape[1]

    @property
    def filled(self) -> int:
        """States that are not empty: one more a turn until all are filled."""
        return min(self.turn, self.vectors.shape[1])

    def hearing(self, texts: Sequence[str]) -> "States":
        """The states with `texts` counted among what was said, and nothing written yet."""
        heard = [zlib.crc32(text.encode(), before) for text, before in zip(texts, self.said.tolist(), strict=True)]
        return States(self.vectors, self.slots, torch.tensor(heard, device=self.said.device))

    def at(self, slot: Int[Tensor, " session"]) -> Float[Tensor, "session dim"]:
        """One vector a session."""
        return self.vectors[torch.arange(len(slot), device=slot.device), slot]

    def written(self, slot: Int[Tensor, " session"], vector: Float[Tensor, "session dim"]) -> "States":
        """The states with one vector a session replaced."""
        places = torch.arange(self.vectors.shape[1], device=slot.device)
        chosen = (places == slot[:, None])[..., None]
        vectors = torch.where(chosen, vector[:, None].to(self.vectors.dtype), self.vectors)
        return States(vectors, torch.cat([self.slots, slot[:, None]], 1), self.said)


def new_cell(dim: int) -> nn.GRUCell:
    """The GRU cell that makes a state's new vector of a query and the old one.

    Source:
        papers/drill-down.txt, section 3.4: x_k^t = tau(q^t, x_k^{t-1}), where an empty state is zero. Its weights
        start as those of the text encoder in the released code do: Xavier uniform, and biases of 0.
    """
    cell = nn.GRUCell(dim, dim)
    for parameter in cell.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
    return cell
