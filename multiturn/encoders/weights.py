"""Weights of networks: their digest for fingerprints, and errors of those who load them; no network lives here."""

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor


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
    except OSError as reason:
        raise FileNotFoundError(
            f"no {what} called {name!r} in a folder or in the Hub's cache; download it where there is a network "
            f"(hf download {name}) and name the folder it was put in ({reason})"
        ) from reason


def short_name(name: str) -> str:
    """The name of a model without the folders above it, which say nothing about its vectors."""
    return Path(name).name
