"""Milliseconds of a study, which never go backwards and say nothing of the date."""

import threading
import time
from collections.abc import Callable


class Clock:
    """Counts the milliseconds that the study's server has run.

    It goes on from the last moment that was recorded (`multiturn.study.serving` records one a second), so that the time
    when the server was down is nobody's; and where the machine's clock goes backwards it stands still.

    Args:
        latest: the last moment recorded.
        seconds: a clock of the machine.
    Example:
        >>> readings = iter([10.0, 10.5, 3.0, 11.0])
        >>> clock = Clock(latest=100, seconds=lambda: next(readings))
        >>> clock.now(), clock.now(), clock.now()
        (600, 600, 1100)
    """

    def __init__(self, latest: int = 0, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._begun, self._first, self._latest = seconds, seconds(), latest, latest
        self._lock = threading.Lock()

    def now(self) -> int:
        """Milliseconds so far; at least what was returned before."""
        with self._lock:
            self._latest = max(self._latest, self._first + round(1000 * (self._seconds() - self._begun)))
            return self._latest
