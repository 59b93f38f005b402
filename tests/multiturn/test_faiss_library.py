"""faiss, told what this processor has; in processes of their own, as a library is loaded once."""

import os
import subprocess
import sys

import pytest
import torch

EXPECTED = {"AVX512": "SkylakeX", "AVX2": "Haswell"}.get(torch.backends.cpu.get_cpu_capability(), "")
pytestmark = pytest.mark.skipif(not EXPECTED, reason="the processor has neither AVX-512 nor AVX2: nothing is told")
PROGRAM = """
import os
from multiturn.faiss_library import products
print(f"{products()}|{os.environ.get('OPENBLAS_CORETYPE')}")
"""


def told(**variables: str) -> list[str]:
    """Whose products faiss takes, and what is left in the environment."""
    own = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=own | variables, capture_output=True, text=True, check=True
    )
    products, left = done.stdout.strip().split("|")
    if not products.startswith("OpenBLAS"):
        pytest.skip(f"faiss multiplies here by {products or 'a library of its own'}")
    return [products.rpartition(", ")[2], left]


def test_faiss_multiplies_with_what_the_processor_has_and_nobody_else_is_told():
    assert told() == [EXPECTED, "None"]


def test_what_a_user_chose_stays():
    assert told(OPENBLAS_CORETYPE="Sandybridge") == ["Sandybridge", "Sandybridge"]
