"""Logs of searches, ours and other tools', read as scripts with the pages that were shown."""

from multiturn.study.logs.log import Log, Logged
from multiturn.study.logs.reading import read_log, read_targets

__all__ = ["Log", "Logged", "read_log", "read_targets"]
