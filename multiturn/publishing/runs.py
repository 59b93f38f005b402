"""A finished run on the Hub: what it takes to evaluate it elsewhere, its results and its card, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from multiturn.hub import HubName
from multiturn.hub.pushing import Pushed, push
from multiturn.publishing.licences import may_be_passed_on
from multiturn.publishing.run_card import curves_of, read_metrics, run_card
from multiturn.run_folder import read_run, write_ranks

NEEDED = ("config.yaml", "config.json", "model.safetensors", "metrics.json")
# Of a network in a folder of its own: the encoder, another embedder, a baseline.
NETWORK = ("config.json", "model.safetensors", "standardise.safetensors")
RANKS, CARD = "ranks.parquet", "README.md"
# These show pictures of the data.
PICTURES = ("report.html", "sessions.json", "pictures/*")


def publish_run(run: Path, name: HubName, private: bool | None = None) -> Pushed:
    """Push an output folder of train.py to the Hub as a model, with the card that is written from its results.

    Pictures of the data go along where its licence lets everybody pass them on. What was said in the sessions stays
    here: ranks.parquet has the ids and ranks of the transcript's targets.

    Args:
        run: output folder of a finished train.py.
        name: of the repository; its revision is the branch to push to.
        private: whether a new repository is seen by its owners alone; None leaves it to the owners' settings.
    Raises:
        FileNotFoundError: the folder is not that of a finished run; what is missing is named.
        ValueError: its metrics.json is damaged.
        PermissionError, OSError: see `multiturn.hub.pushing.push`.
    """
    with run_files(run, name) as files:
        return push(files, name, "model", f"Push a run of {read_metrics(run)['task']}", private)


@contextmanager
def run_files(run: Path, name: HubName) -> Iterator[dict[str, Path]]:
    """Yield the files of a run that are pushed: name in the repository -> where it lies.

    Raises:
        FileNotFoundError: the folder is not that of a finished run; what is missing is named.
    """
    if missing := [one for one in NEEDED if not (run / one).is_file()]:
        raise FileNotFoundError(
            f"{run} has no {missing[0]}; give the output folder of a train.py that ran to its end (--resume ends it)"
        )
    metrics = read_metrics(run)
    shown = may_be_passed_on(metrics["licence"])
    patterns = ["history.json", "*/history.json", "figures/*", "pictures/*.table.json"]
    patterns += [*(f"*/{one}" for one in NETWORK), *(PICTURES if shown else ())]
    found = [*(run / one for one in NEEDED), *(path for one in patterns for path in sorted(run.glob(one)))]
    files = {path.relative_to(run).as_posix(): path for path in found if path.is_file()}
    with TemporaryDirectory() as folder:
        ranks, card = Path(folder) / RANKS, Path(folder) / CARD
        write_ranks(read_run(run), ranks)
        run_card(metrics, str(name), curves_of(run), pushed=True).save(card)
        yield files | {RANKS: ranks, CARD: card}
