"""Weights of networks: their digest for fingerprints, and errors of those who load them; no network lives here."""

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from torch import Tensor

from multiturn.hub import local_checkpoint
from multiturn.hub.model import HubModel

Ours = TypeVar("Ours", bound=HubModel)


def weights_digest(weights: Mapping[str, Tensor], about: Any) -> str:
    """16 hexadecimal digits that change with any weight, and with `about`.

    Args:
        weights: parameters and buffers by name, such as a state dict.
        about: preprocessing, normalisation, pooling: all that shapes a vector besides the weights, fit for JSON.
    """
    digest = hashlib.sha256(json.dumps(about).encode())
    for key, value in sorted(weights.items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def existing_file(path: str, what: str, where: str) -> Path:
    """The file at `path`.

    Args:
        what: the weights that belong there.
        where: they can be downloaded.
    Raises:
        FileNotFoundError: there is none; the message says what to download and where to put it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights at {path}; download {what} from {where} and put the file there")
    return Path(path)


@contextmanager
def fitting(source: str, name: str) -> Iterator[None]:
    """Turn what goes wrong while weights are loaded into one ValueError that names them and the network.

    A state dict of other shapes is a RuntimeError of torch that lists each mismatch; that text is kept.
    """
    try:
        yield
    except (RuntimeError, SafetensorError, pickle.UnpicklingError, EOFError) as reason:
        raise ValueError(f"the weights at {source} do not fit {name}, or are damaged: {reason}") from reason


@contextmanager
def found(name: str, what: str) -> Iterator[None]:
    """Say what to download where a library finds neither a folder nor a model of its cache called `name`."""
    try:
        yield
    except (OSError, HFValidationError) as reason:
        raise FileNotFoundError(
            f"no {what} called {name!r} in a folder or in the Hub's cache; download it where there is a network "
            f"(hf download {name}) and name the folder it was put in ({reason})"
        ) from reason


@contextmanager
def torchvision_weights(name: str) -> Iterator[None]:
    """Say what to download where torchvision cannot fetch its default weights of `name`."""
    from torchvision.models import get_model_weights

    try:
        yield
    except OSError as reason:
        weights: Any = get_model_weights(name)
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise FileNotFoundError(
            f"no weights of {name} in {folder}, and they cannot be fetched ({reason}); download "
            f"{weights.DEFAULT.url} where there is a network, and put the file there or give it as weights"
        ) from reason


def load_ours(network: type[Ours], name: str, what: str) -> Ours:
    """Read a network of this toolkit from a folder with config.json and model.safetensors, or from the Hub.

    Args:
        network: its class.
        name: of the folder, or ORG/NAME[@REVISION] on the Hub.
        what: to call it in messages.
    Raises:
        FileNotFoundError: the folder holds none, or there is neither such a folder nor such a repository.
        ValueError: it is another network, its weights do not fit its configuration (shapes are named), or a file of
            a repository is not the one that was pushed.
        PermissionError, OSError: see `multiturn.hub.local_checkpoint`.
    """
    folder = local_checkpoint(name, what)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{name} holds no config.json of a {what}; name the folder that does")
    try:
        with fitting(name, "its configuration"):
            return network.from_pretrained(folder)
    except (TypeError, json.JSONDecodeError) as reason:
        raise ValueError(f"the config.json of {name} is not that of a {what} ({reason})") from reason


def short_name(name: str) -> str:
    """The name of a model without the folders above it, which say nothing about its vectors."""
    return Path(name).name
