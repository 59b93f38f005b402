"""Files to a repository of the Hub, in one commit, with the list by which a download is checked."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiturn.hub.fetching import Kind, clear_hub_errors, endpoint
from multiturn.hub.listing import LISTING, listing_of
from multiturn.hub.names import HubName

_KEPT = (".gitattributes", LISTING)


@dataclass(frozen=True)
class Pushed:
    """A commit.

    Attributes:
        name: of the repository, at this commit.
        url: of the commit's page.
    """

    name: HubName
    url: str


def reserve(name: HubName, kind: Kind, private: bool | None = None) -> None:
    """Create a repository, and the branch that the name asks for, unless they are there.

    Call it before what takes long, so that a wrong token is known at once.

    Args:
        private: whether a new repository is seen by its owners alone; None leaves it to the owners' settings.
    Raises:
        PermissionError: there is no token, or it may not write there.
        OSError: the Hub failed, or cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    with clear_hub_errors(name, kind, "repository"):
        api.create_repo(name.repository, repo_type=kind, private=private, exist_ok=True)
        if name.revision is not None:
            api.create_branch(name.repository, branch=name.revision, repo_type=kind, exist_ok=True)


def push(files: Mapping[str, Path], name: HubName, kind: Kind, message: str, private: bool | None = None) -> Pushed:
    """Make a repository hold these files and no others, in one commit, with their files.json.

    Args:
        files: name in the repository -> where the file lies.
        name: of the repository, made where there is none; its revision is the branch to push to.
        kind: of the repository.
        message: of the commit.
        private: see `reserve`.
    Raises:
        PermissionError, OSError: see `reserve`.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    reserve(name, kind, private)
    api = HfApi(endpoint=endpoint())
    with clear_hub_errors(name, kind, "repository"), warnings.catch_warnings():
        # A table of ranks belongs to its model.
        warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
        there = api.list_repo_files(name.repository, revision=name.revision, repo_type=kind)
        operations = [
            CommitOperationAdd(LISTING, listing_of(files).encode()),
            *(CommitOperationAdd(one, path) for one, path in sorted(files.items())),
            *(CommitOperationDelete(one) for one in there if one not in files and one not in _KEPT),
        ]
        done = api.create_commit(
            name.repository, operations, commit_message=message, repo_type=kind, revision=name.revision
        )
    return Pushed(HubName(name.repository, done.oid), done.commit_url)
