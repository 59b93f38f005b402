"""faiss, with the fastest matrix products that it brings for this processor.

Wheels of faiss bring an OpenBLAS of 2021. It knows processors by their model, and gives those that it does not know
products without AVX, which on newer ones take several times as long. Import faiss from here, and it is told what the
processor has, unless OPENBLAS_CORETYPE says something else, or faiss was imported before.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from threadpoolctl import threadpool_info

_VARIABLE = "OPENBLAS_CORETYPE"
_PRODUCTS = {"AVX512": "SkylakeX", "AVX2": "Haswell"}  # by what PyTorch says of the processor


@contextmanager
def _told() -> Iterator[None]:
    """Other libraries and other processes are not told."""
    products = _PRODUCTS.get(torch.backends.cpu.get_cpu_capability())
    if products is None or _VARIABLE in os.environ:
        yield
        return
    os.environ[_VARIABLE] = products
    try:
        yield
    finally:
        del os.environ[_VARIABLE]


with _told():
    import faiss as faiss


def products() -> str:
    """Whose matrix products faiss takes, such as 'OpenBLAS 0.3.15, SkylakeX'; '' if it is not OpenBLAS's."""
    installed = Path(faiss.__file__).parents[1]
    for library in threadpool_info():
        if library["internal_api"] == "openblas" and library["filepath"].startswith(str(installed / "faiss")):
            return f"OpenBLAS {library['version']}, {library['architecture']}"
    return ""
