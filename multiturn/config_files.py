"""Configuration files of tasks: plain values for settings that are known here; nothing is built or imported."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

_NAMES_A_CLASS = ("class_path", "init_args", "dict_kwargs")


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no plain YAML, or no mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; a configuration is a YAML file")
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as reason:
        raise ValueError(f"{path} is no plain YAML ({' '.join(str(reason).split())}); do not use it") from reason
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise ValueError(f"{path} is no mapping of settings to values; write one setting a line")
    return told


def check_plain(told: Mapping[Any, Any], settings: type, path: Path, inside: str = "") -> None:
    """See that a configuration gives settings their values, and never names a class.

    jsonargparse imports what stands where settings of their own are expected, or under `class_path`. Unknown keys and
    wrong values are its own to refuse.

    Args:
        told: what the file says.
        settings: the dataclass that it is for.
        path: of the file, for messages.
        inside: name of the settings within those of the task.
    Raises:
        ValueError: a class is named, a key has a dot, or settings are no mapping; the key is named.
    """
    kinds = get_type_hints(settings)
    for key, value in told.items():
        name = f"{inside}{key}"
        if key in _NAMES_A_CLASS:
            raise ValueError(f"{path} names a class under {name}; classes are those of this program, take it out")
        if "." in str(key):
            raise ValueError(f"{path} has the key {name}; write settings within settings as YAML, one below the other")
        group = _settings_in(kinds.get(key))
        if group is None or value is None:
            continue
        if not isinstance(value, Mapping):
            raise ValueError(f"{path} gives {name} the value {value!r}; it is settings of its own, write them below it")
        check_plain(value, group, path, f"{name}.")


def _settings_in(kind: Any) -> type | None:
    """The dataclass that a setting is, perhaps beside None."""
    return next((one for one in (kind, *get_args(kind)) if isinstance(one, type) and is_dataclass(one)), None)
