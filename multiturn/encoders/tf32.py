"""Float32 that is float32 on GPUs too, so that equal fingerprints mean equal vectors on any device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def without_tf32() -> Iterator[None]:
    """Round as IEEE 754 has it within convolutions and recurrent networks; also a decorator.

    cuDNN rounds the inputs of both to 10 bits (TF32) unless it is told otherwise. A gallery that was encoded on a GPU
    would then match queries that are encoded on a CPU to three digits only.
    """
    parts: list[Any] = [torch.backends.cudnn.conv, torch.backends.cudnn.rnn]  # type: ignore[attr-defined]
    before = [part.fp32_precision for part in parts]
    for part in parts:
        part.fp32_precision = "ieee"
    try:
        yield
    finally:
        for part, own in zip(parts, before, strict=True):
            part.fp32_precision = own
