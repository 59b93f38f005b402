"""The processes that a program was started in; what they do is elsewhere."""

import atexit
import os
import time
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

PATIENCE = timedelta(days=2)  # while the first process does alone what takes long, such as encoding a data set
PAUSE = 0.25  # seconds; the threads need some milliseconds, more on a busy machine


def launched() -> PartialState:
    """The processes that accelerate or torchrun started, on GPUs or, where there is none, on the processor.

    `PartialState()` alone takes several processes without a GPU for one each, and all would write the same files.
    Apple's GPUs have no float64, in which ranks are settled: their machines compute on the processor.
    """
    several = "LOCAL_RANK" in os.environ
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or torch.backends.mps.is_available()
    state = PartialState(cpu=cpu or (several and not torch.accelerator.is_available()), timeout=PATIENCE)
    if several:
        atexit.unregister(leave)
        atexit.register(leave)
    return state


class Alone:
    """A process that waits for no other, as one of the processes of `launched`."""

    is_main_process, process_index, num_processes = True, 0, 1

    def wait_for_everyone(self) -> None:
        """Go on."""


def leave() -> None:
    """Leave the group of processes; a second call does nothing.

    Gloo's threads release the last gradients that they carried after the program has gone on, and need the interpreter
    for it. One that finds the interpreter gone aborts the process, so it is given time while there is one.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        time.sleep(PAUSE)


def own_device() -> torch.device:
    """Where this process computes."""
    return torch.device(launched().device)  # type: ignore[arg-type]
