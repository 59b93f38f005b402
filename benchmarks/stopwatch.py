"""Seconds spent in named parts of a program, read from outside by wrapping the functions that do the work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


class Stopwatch:
    """Adds up the seconds of named parts; the time of a part inside another counts for the inner one alone.

    Args:
        wait: called at each reading, to let a GPU finish.

    Attributes:
        seconds: of each part so far.
    """

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self._wait, self._inside = wait, [0.0]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens in the block as `name`."""
        self._wait()
        self._inside.append(0.0)
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._wait()
            took = time.perf_counter() - begun
            self.seconds[name] = self.seconds.get(name, 0.0) + took - self._inside.pop()
            self._inside[-1] += took

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted as `name`."""

        @wraps(function)
        def counted(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return function(*arguments, **options)

        return counted
