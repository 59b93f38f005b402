"""What makes a module of ours one that is saved, loaded and pushed: huggingface_hub's mixin, without pickles."""

import json
from collections.abc import Container, Mapping
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from huggingface_hub import PyTorchModelHubMixin

from multiturn.hub.fetching import local_checkpoint
from multiturn.hub.names import HubName
from multiturn.hub.pushing import push

Model = TypeVar("Model", bound="HubModel")
CONFIG, WEIGHTS = "config.json", "model.safetensors"


class HubModel(PyTorchModelHubMixin):
    """A module whose constructor's arguments are its config.json, so that the file stands alone.

    The class is the one that `from_pretrained` is called on, whatever a file says.
    """

    @classmethod
    def from_pretrained(
        cls: type[Model], pretrained_model_name_or_path: str | Path, *, revision: str | None = None, **options: Any
    ) -> Model:
        """Load a module from a folder or the Hub; its weights are safetensors and must all be there.

        Args:
            pretrained_model_name_or_path: a folder with config.json and model.safetensors, or ORG/NAME[@REVISION].
            revision: on the Hub, instead of @REVISION.
            options: arguments of the constructor, in place of those of config.json; `map_location` and `strict`.
        Raises:
            FileNotFoundError: the folder lacks one of the files; or see `multiturn.hub.local_checkpoint`.
            ValueError: config.json is damaged or another module's; or see there.
            PermissionError, OSError: see there.
        """
        name = pretrained_model_name_or_path if revision is None else f"{pretrained_model_name_or_path}@{revision}"
        folder = local_checkpoint(name)
        cls._check_files(folder, options)
        return super().from_pretrained(folder, **{"strict": True, **options})

    @classmethod
    def _check_files(cls, folder: Path, given: Container[str]) -> None:
        """Raise an error that names the folder unless it holds a module of this class, as far as arguments tell."""
        if lacking := [file for file in (CONFIG, WEIGHTS) if not (folder / file).is_file()]:
            raise FileNotFoundError(
                f"{folder} holds no {' and no '.join(lacking)} of a {cls.__name__}; give the output folder of a "
                "finished train.py, or one that save_pretrained wrote"
            )
        try:
            told = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        except ValueError as reason:
            raise ValueError(f"{folder / CONFIG} is damaged ({reason}); save the module again") from reason
        needed = [one.name for one in signature(cls).parameters.values() if one.default is one.empty]
        if lacking := [name for name in needed if name not in told and name not in given]:
            raise ValueError(
                f"{folder / CONFIG} lacks {', '.join(lacking)} and is not that of a {cls.__name__}; load it with the "
                "class that wrote it"
            )

    # A repository holds what was pushed and nothing else, so that patterns of files have no use.
    def push_to_hub(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        repo_id: str,
        *,
        config: Mapping[str, Any] | None = None,
        commit_message: str = "Push a model of multiturn-retrieval",
        private: bool | None = None,
        branch: str | None = None,
    ) -> str:
        """Push config.json and model.safetensors; `python -m eval.push` pushes a whole run, with its results.

        Args:
            repo_id: ORG/NAME, or ORG/NAME@BRANCH.
            config: see `PyTorchModelHubMixin.save_pretrained`; the constructor's arguments if not given.
            commit_message: of the commit.
            private: whether a new repository is seen by its owners alone; None leaves it to the owners' settings.
            branch: to push to, instead of @BRANCH.
        Returns:
            address of the commit.
        Raises:
            ValueError: the name is none.
            PermissionError, OSError: see `multiturn.hub.pushing.push`.
        """
        name = HubName.of(repo_id if branch is None else f"{repo_id}@{branch}")
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, config=None if config is None else dict(config))
            (Path(folder) / "README.md").write_text(_card(type(self), name), encoding="utf-8")
            files = {path.name: path for path in Path(folder).iterdir()}
            return push(files, name, "model", commit_message, private).url


def _card(model: type[HubModel], name: HubName) -> str:
    """What a repository that holds a module alone says of itself."""
    return f"""---
library_name: multiturn-retrieval
tags: [image-retrieval, multi-turn]
---

# {model.__name__}

A module of multiturn-retrieval. Its constructor's arguments are in `config.json`.

```python
from {model.__module__} import {model.__qualname__}

model = {model.__qualname__}.from_pretrained("{name}")
```
"""
