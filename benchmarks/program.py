"""What the benchmarks share: command lines, the machine that was measured, and results as JSON; nothing heavy."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from multiturn.files import write_text

RESULTS = Path(__file__).resolve().parent / "results"
QUIET = 0.2  # cores; more that others use, and times are not to be trusted
PRODUCTS = "OPENBLAS_CORETYPE"  # keeps faiss, and NumPy, from choosing their matrix products
PACKAGES = ("torch", "faiss-gpu", "faiss-cpu", "accelerate", "numpy")


class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the line breaks of the examples."""


def start(function: Callable[..., Any], name: str, examples: str, flags: Mapping[str, str] | None = None) -> None:
    """Call `function` with what the command line says; a mistake exits with status 2 and a message.

    What the environment says of matrix products is left aside, so that faiss takes the fastest.

    Args:
        function: its parameters and docstring make the options.
        name: of the module, for the usage line.
        examples: printed under the help.
        flags: help of those parameters that are switched on by naming them.
    """
    flags = flags or {}
    parser = ArgumentParser(prog=f"python -m benchmarks.{name}", epilog=examples, formatter_class=HelpFormatter)
    parser.add_function_arguments(function, skip=set(flags))
    for flag, text in flags.items():
        parser.add_argument(f"--{flag}", action="store_true", help=text)
    options = parser.parse_args().as_dict()
    if (told := os.environ.pop(PRODUCTS, None)) is not None:
        print(f"note: {PRODUCTS}={told} is left aside, as others are compared with at their best", file=sys.stderr)
    try:
        function(**options)
    except (ValueError, OSError) as reason:
        print(f"error: {reason}", file=sys.stderr)
        sys.exit(2)


def save(name: str, settings: Mapping[str, Any], measured: Mapping[str, Any], output: Path | None) -> dict[str, Any]:
    """Write `NAME.json` with what was measured, on which machine and with which settings, all or nothing.

    Args:
        name: of the benchmark.
        settings: sizes and options; no path of this machine.
        measured: the numbers.
        output: folder; `benchmarks/results` if None.
    Returns:
        what was written.
    """
    measured_on = machine()
    if (measured_on["other_programs"] or 0) > QUIET:
        print(
            f"warning: other programs kept {measured_on['other_programs']} cores busy; times are not to be trusted, "
            "measure again on a quiet machine",
            file=sys.stderr,
        )
    result = {
        "benchmark": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": measured_on,
        "settings": dict(settings),
        **measured,
    }
    path = (output or RESULTS) / f"{name}.json"
    write_text(path, json.dumps(result, indent=1, allow_nan=False) + "\n")
    print(f"written to {path}", file=sys.stderr)
    return result


def machine() -> dict[str, Any]:
    """The processor, torch's threads, the device of `accelerate`, cores that other programs used, and versions."""
    import torch

    from multiturn.processes import own_device

    device = own_device()
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "other_programs": _cores_of_others(),
        "versions": {"python": platform.python_version()}
        | {package: found for package in PACKAGES if (found := _version(package))},
    }


def cpu_name() -> str:
    """As the system calls it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _cpu_seconds() -> tuple[float, float, float]:
    """Now, seconds that all cores were busy since the start of the system, and those of them that were ours."""
    ours = sum(os.times()[:4])
    statistics = Path("/proc/stat")
    if not statistics.is_file():
        return time.monotonic(), ours, ours
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(int, statistics.read_text().split()[1:9])
    ticks = user + nice + system + interrupts + soft_interrupts + stolen
    return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), ours


_BEGUN = _cpu_seconds()


def _cores_of_others() -> float | None:
    """How many cores other programs used on average since this one began; None where the system does not say."""
    if sys.platform != "linux":
        return None
    now, busy, ours = (after - before for after, before in zip(_cpu_seconds(), _BEGUN, strict=True))
    return round(max(0.0, busy - ours) / now, 2)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
