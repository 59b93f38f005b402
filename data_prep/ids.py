"""Image ids that come from files of others: no way out of the image folder, and no two alike; no reading."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from multiturn.files import is_unwritable


def check_id(name: object, where: str) -> str:
    """Return an image id that stays inside its folder.

    Args:
        name: a relative path with '/' between folders.
        where: file and entry, for the message.
    Raises:
        ValueError: the id is no text, empty, absolute, or has '..', a backslash or a control character in it.
    Example:
        >>> check_id("birds/001.jpg", "list.json entry 1")
        'birds/001.jpg'
        >>> check_id("../secret.jpg", "list.json entry 2")
        Traceback (most recent call last):
        ValueError: list.json entry 2: image id '../secret.jpg' leads out of the image folder; ...
    """
    if not isinstance(name, str) or not name or is_unwritable(name):
        raise ValueError(f"{where}: image id {str(name)[:80]!r} is no file name; correct the entry")
    parts = PurePosixPath(name).parts
    if ".." in parts or name.startswith("/") or "\\" in name or PureWindowsPath(name).drive:
        raise ValueError(
            f"{where}: image id {name!r} leads out of the image folder; use a relative path with '/' and without '..'"
        )
    return name


def check_number(value: object, field: str, where: str) -> int:
    """Return a whole number that a JSON or CSV entry gives as number or as digits.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    raise ValueError(f"{where}: {field} is {str(value)[:80]!r} instead of a whole number; correct the entry")


def check_distinct(ids: Iterable[object], where: str | Path) -> None:
    """Refuse two images of one id.

    Raises:
        ValueError: names the first id that comes again.
    """
    seen: set[object] = set()
    for name in ids:
        if name in seen:
            raise ValueError(f"{where} names image {name!r} twice; keep one of the entries")
        seen.add(name)
