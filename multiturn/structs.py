"""Structs of compiled kernels: pointers to tensors, then numbers."""

import ctypes

from torch import Tensor

from multiturn.compiled import at


class Struct(ctypes.Structure):
    """A struct whose pointers are made of tensors, or of arrays of pointers; it keeps them alive."""

    def __init__(self, **values: Tensor | ctypes.Array | ctypes.c_void_p | int | float) -> None:
        super().__init__(**{name: _plain(value) for name, value in values.items()})
        self._alive = values


def fields(pointers: str, numbers: str, kind: type) -> list[tuple[str, type]]:
    """Names of pointers, then those of numbers of a kind."""
    return [*((name, ctypes.c_void_p) for name in pointers.split()), *((name, kind) for name in numbers.split())]


def array_of(tensors: list[Tensor]) -> ctypes.Array:
    """Pointers to tensors."""
    return (ctypes.c_void_p * len(tensors))(*(at(one).value for one in tensors))


def _plain(value: Tensor | ctypes.Array | ctypes.c_void_p | int | float) -> object:
    if isinstance(value, Tensor):
        return at(value)
    return ctypes.cast(value, ctypes.c_void_p) if isinstance(value, ctypes.Array) else value
