"""State dicts from files, into networks, without unpickling anything but tensors; digests live in `weights`."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from multiturn.encoders.weights import fitting


def read_tensors(path: Path, name: str, inside: str = "") -> Mapping[str, Tensor]:
    """Read a state dict.

    Args:
        path: the file.
        name: of the network, for messages.
        inside: key of a checkpoint under which the state dict may lie.
    Raises:
        ValueError: damaged, or no state dict.
    """
    with fitting(str(path), name):
        state = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(state, dict) and inside in state:
        state = state[inside]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict of {name}, but a {type(state).__name__} of other things")
    return state


def fit(network: nn.Module, state: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Load a state dict into a network.

    Raises:
        ValueError: keys are missing or unknown, or shapes differ; all are named.
    """
    with fitting(str(path), name):
        network.load_state_dict(state)
