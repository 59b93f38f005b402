"""By what a checkpoint and an index are known again, wherever they lie: digests of what they hold."""

import json
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from multiturn.faiss_index import FaissIndex
from multiturn.hub.model import HubModel
from multiturn.index import Index, Together
from multiturn.session import Retriever


def digest_of_retriever(retriever: Retriever) -> str:
    """SHA-256 of a retriever's weights and of its constructor's arguments, in hexadecimal digits.

    It is the same wherever the checkpoint lies and on whichever device it was loaded.
    """
    found = sha256(type(retriever).__name__.encode())
    if isinstance(retriever, HubModel):
        with TemporaryDirectory() as folder:
            retriever.save_pretrained(folder)
            config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        found.update(json.dumps(config, sort_keys=True).encode())
    if isinstance(retriever, nn.Module):
        for name, tensor in sorted(retriever.state_dict().items()):
            found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            found.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def digest_of_index(index: Index | None) -> str:
    """SHA-256 of an index and of how hard it is searched, in hexadecimal digits; "" without one.

    Of an index without a file of its own it is that of its kind and similarity: the gallery says the rest.
    """
    match index:
        case None:
            return ""
        case Together():
            return sha256("".join(map(digest_of_index, index.indexes)).encode()).hexdigest()
        case FaissIndex():
            from multiturn.faiss_library import faiss

            found = sha256(json.dumps([index.settings.name, dict(index.effort)], sort_keys=True).encode())
            found.update(faiss.serialize_index(index.on_disk).data)
            return found.hexdigest()
        case _:
            return sha256(f"{type(index).__name__} {index.similarity}".encode()).hexdigest()
