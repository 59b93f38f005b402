"""Claims about the processes that a program was started in."""

from datetime import timedelta
from typing import Any

import pytest
import torch
from accelerate import PartialState

from multiturn import processes


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What accelerate is asked for."""
    told: dict[str, Any] = {}

    class Noted(PartialState):
        def __init__(self, **options: Any) -> None:
            told.update(options)

    monkeypatch.setattr(processes, "PartialState", Noted)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    return told


def test_processes_wait_for_the_first_one_while_it_encodes_a_data_set(asked):
    processes.launched()
    assert asked["timeout"] > timedelta(days=1)


def test_a_gpu_without_float64_is_not_used(asked, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    processes.launched()
    assert asked["cpu"]
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    processes.launched()
    assert not asked["cpu"]
