"""From a name to a folder: one that is there, or a download from the Hub to its cache, checked file by file."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

from multiturn.hub.listing import LISTING, check_files, read_listing, unlisted
from multiturn.hub.names import HubName

Kind = Literal["model", "dataset"]
# Nothing else is ever downloaded: no pickle, no code. Tables and numbers, and settings that are checked when read.
READ: dict[Kind, frozenset[str]] = {
    "model": frozenset({".json", ".safetensors", ".yaml", ".parquet"}),
    "dataset": frozenset({".json", ".safetensors", ".csv"}),
}


def local_checkpoint(name: str | Path, what: str = "checkpoint") -> Path:
    """The folder of a checkpoint: an output folder of train.py, or ORG/NAME[@REVISION] on the Hub.

    A folder of that name wins. One from the Hub lies in its cache, which nothing must be written to; it is downloaded
    once, and found there again without a network.

    Args:
        name: of the folder, or on the Hub.
        what: to call it in messages.
    Raises:
        FileNotFoundError: there is neither such a folder nor such a repository or revision, or it cannot be reached.
        PermissionError: it is gated or private.
        ValueError: a file of the repository is not what its files.json says, or it has none.
        OSError: the Hub failed.
    """
    if Path(name).is_dir():
        return Path(name)
    if not HubName.fits(str(name)):
        raise FileNotFoundError(
            f"no {what} called {str(name)!r}; give an output folder of train.py, or ORG/NAME[@REVISION] on the Hub"
        )
    return fetch(HubName.of(str(name)), "model", what)


def local_gallery(name: str | Path) -> Path:
    """The file or folder of a gallery: one that is there, or ORG/NAME[@REVISION] among the Hub's data sets.

    Raises:
        FileNotFoundError: there is none. Otherwise as `local_checkpoint`.
    """
    if Path(name).exists():
        return Path(name)
    if not HubName.fits(str(name)):
        raise FileNotFoundError(
            f"no gallery at {name}; it is a folder that python -m data_prep.encode wrote, its file, or "
            "ORG/NAME[@REVISION] on the Hub"
        )
    return fetch(HubName.of(str(name)), "dataset", "gallery")


def endpoint() -> str:
    """Address of the Hub: HF_ENDPOINT, or huggingface.co."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def fetch(name: HubName, kind: Kind, what: str) -> Path:
    """Download what may be read of a repository, and check it against its files.json.

    Args:
        name: of the repository.
        kind: of the repository.
        what: to call it in messages.
    Raises:
        FileNotFoundError, PermissionError, ValueError, OSError: see `local_checkpoint`.
    """
    folder = _snapshot(name, kind, what, [LISTING], name.revision)
    if not (folder / LISTING).is_file():
        raise ValueError(
            f"{name} has no {LISTING}, by which its files are checked; push it with python -m eval.push, or download "
            "it and give the folder"
        )
    listed = read_listing(folder / LISTING, str(name))
    wanted = {file: one for file, one in listed.items() if PurePosixPath(file).suffix in READ[kind]}
    # By its commit, so that both downloads are of one revision.
    folder = _snapshot(name, kind, what, [LISTING, *wanted], folder.name)
    check_files(folder, wanted, str(name))
    if others := unlisted(folder, wanted, READ[kind]):
        raise ValueError(
            f"{name} has {others[0]}, which its {LISTING} does not list; delete {folder}, or push it again"
        )
    return folder


def _snapshot(name: HubName, kind: Kind, what: str, files: Collection[str], revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    # A name is a pattern too.
    patterns = [file.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for file in files]
    with clear_hub_errors(name, kind, what):
        found = snapshot_download(
            name.repository,
            repo_type=kind,
            revision=revision,
            allow_patterns=patterns,
            endpoint=endpoint(),
        )
    return Path(found)


@contextmanager
def clear_hub_errors(name: HubName, kind: Kind, what: str) -> Iterator[None]:
    """Say what to do about what goes wrong on the way to the Hub."""
    import httpx2
    from huggingface_hub import errors

    hub = endpoint()
    page = f"{hub}/{'datasets/' if kind == 'dataset' else ''}{name.repository}"
    try:
        yield
    except errors.GatedRepoError as reason:
        raise PermissionError(
            f"{name} is gated; ask for access at {page}, then log in with hf auth login, or set HF_TOKEN"
        ) from reason
    except errors.RevisionNotFoundError as reason:
        raise FileNotFoundError(
            f"{name.repository} has no revision {name.revision or 'main'!r}; {page}/commits/main lists its commits, "
            "branches and tags"
        ) from reason
    except errors.RepositoryNotFoundError as reason:
        raise FileNotFoundError(
            f"no {what} called {name.repository!r}, neither as a folder here nor at {hub}; correct the name, or, where "
            "it is private, log in with hf auth login, or set HF_TOKEN"
        ) from reason
    except errors.LocalEntryNotFoundError as reason:
        raise FileNotFoundError(
            f"no {what} called {str(name)!r} in a folder or in the Hub's cache, and {_unreachable(name, kind)}"
        ) from reason
    except errors.HfHubHTTPError as reason:
        if reason.response.status_code in (401, 403):
            raise PermissionError(
                f"{hub} refuses access to {name} ({reason.response.status_code}); log in with hf auth login, or set "
                "HF_TOKEN to a token that may use it"
            ) from reason
        raise OSError(f"{hub} failed on {name} ({str(reason).strip().splitlines()[0]}); try again later") from reason
    except httpx2.HTTPError as reason:
        raise OSError(f"{hub} cannot be reached ({reason}); try again, or set HF_ENDPOINT to a mirror") from reason


def _unreachable(name: HubName, kind: Kind) -> str:
    from huggingface_hub import constants

    of_kind = " --repo-type dataset" if kind == "dataset" else ""
    command = f"hf download {name.repository}{of_kind}{f' --revision {name.revision}' if name.revision else ''}"
    if constants.HF_HUB_OFFLINE:
        return f"HF_HUB_OFFLINE is set; unset it, or download it where there is a network ({command})"
    return f"{endpoint()} cannot be reached; try again, or download it where there is a network ({command})"
