"""Names on the Hub: ORG/NAME, perhaps with @ and a branch, tag or commit; nothing is looked up here."""

import re
from dataclasses import dataclass

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*"
_NAME = re.compile(rf"(?P<repository>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?")


@dataclass(frozen=True)
class HubName:
    """A repository, at one revision.

    Attributes:
        repository: ORG/NAME.
        revision: branch, tag or commit; None is the main branch.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def of(cls, name: str) -> "HubName":
        """Read a name.

        Raises:
            ValueError: it is none.
        Example:
            >>> HubName.of("lab/faces@v2")
            HubName(repository='lab/faces', revision='v2')
        """
        found = _NAME.fullmatch(name)
        if found is None or "--" in found["repository"]:
            raise ValueError(f"{name!r} is no name on the Hub; it reads ORG/NAME or ORG/NAME@REVISION")
        return cls(found["repository"], found["revision"])

    @staticmethod
    def fits(name: str) -> bool:
        """Whether a name could be one on the Hub.

        Example:
            >>> [HubName.fits(name) for name in ("lab/faces", "./faces", "runs/a/b", "faces", "lab/../faces")]
            [True, False, False, False, False]
        """
        return _NAME.fullmatch(name) is not None and "--" not in name.partition("@")[0]

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"

    @property
    def as_folder(self) -> str:
        """The name as that of one folder.

        Example:
            >>> HubName.of("lab/faces@v2").as_folder
            'lab--faces@v2'
        """
        return str(self).replace("/", "--")
