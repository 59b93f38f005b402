"""Approximate indexes made by faiss: built in parts, saved beside their gallery, refused with any other gallery."""

from multiturn.faiss_index.files import index_folder, load_index, named_index, opened_index, save_index
from multiturn.faiss_index.index import FaissIndex, build_index, chosen
from multiturn.index_settings import Effort, IndexSettings, default_factory

__all__ = [
    "Effort",
    "FaissIndex",
    "IndexSettings",
    "build_index",
    "chosen",
    "default_factory",
    "index_folder",
    "load_index",
    "named_index",
    "opened_index",
    "save_index",
]
