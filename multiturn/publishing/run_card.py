"""The model card of a run, written from its metrics.json; every number in it is from there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiturn.files import write_text
from multiturn.publishing.licences import hub_licence, may_be_passed_on
from multiturn.publishing.templates import rendered
from multiturn.report.page import headline, read_json
from multiturn.report.protocol_tables import protocol_table, session_table
from multiturn.report.tables import (
    Metrics,
    all_turns,
    certificate_lines,
    comparison_table,
    is_share,
    label,
    markdown_table,
    own_measures,
    per_turn_table,
    protocol_line,
)

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

LIBRARY = "multiturn-retrieval"
CURVES = ("figures/percentile.png", "figures/r_at_10.png")
_REQUIRED = ("task", "model", "retriever", "licence", "citation", "data", "gallery", "command", "per_turn")


def write_card(run: Path) -> Path:
    """Write README.md of an output folder of train.py: the card as it stands on the Hub, with the folder's name.

    Raises:
        FileNotFoundError: there is no metrics.json.
        ValueError: it is damaged, or that of an evaluation without a model.
    """
    path = run / "README.md"
    write_text(path, str(run_card(read_metrics(run), str(run), curves_of(run))))
    return path


def read_metrics(run: Path) -> dict[str, Any]:
    """Read metrics.json of a run that can have a card.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or that of an evaluation without a model.
    """
    metrics = read_json(run / "metrics.json")
    if missing := [one for one in _REQUIRED if one not in metrics]:
        raise ValueError(
            f"{run / 'metrics.json'} lacks {', '.join(missing)}, which a card tells; it is no run of this train.py: "
            "evaluate the checkpoint again, or train again"
        )
    return metrics


def curves_of(run: Path) -> list[str]:
    """The curves that a card shows, where they were drawn."""
    return [name for name in CURVES if (run / name).is_file()]


def run_card(metrics: Metrics, name: str, curves: Sequence[str] = (), pushed: bool = False) -> "ModelCard":
    """Make the card of a run.

    Args:
        metrics: what metrics.json holds.
        name: of the folder or repository, for the commands that load it.
        curves: figures to show; they lie beside the card.
        pushed: whether it is that of a repository.
    """
    from huggingface_hub import ModelCard, ModelCardData

    licence = hub_licence(metrics["licence"])
    module, _, retriever = metrics["retriever"].rpartition(".")
    data = ModelCardData(
        model_name=Path(name).name.partition("@")[0],
        library_name=LIBRARY,
        license=licence,
        license_name="that-of-the-training-data" if licence == "other" else None,
        tags=["image-retrieval", "interactive-retrieval", "multi-turn", metrics["task"]],
        eval_results=list(eval_results(metrics)),
    )
    tables = {
        "Other protocols by turn": protocol_table(metrics),
        "Whole sessions": session_table(metrics),
        **({"Paired differences over the same targets": comparison_table(metrics)} if metrics["comparisons"] else {}),
    }
    return ModelCard(
        rendered(
            "run_card.md.j2",
            card_data=data.to_yaml(),
            metrics=metrics,
            name=name,
            module=module,
            retriever=retriever,
            headline=headline(metrics),
            results=markdown_table(per_turn_table(metrics), protocol_line(metrics)),
            tables={title: markdown_table(table) for title, table in tables.items()},
            notes=[*metrics["warnings"], *certificate_lines(metrics)],
            curves=curves,
            shown=not pushed or may_be_passed_on(metrics["licence"]),
            pushed=pushed,
        )
    )


def eval_results(metrics: Metrics) -> "Iterator[EvalResult]":
    """Every metric of every turn as the Hub's index of results takes it, with its interval."""
    from huggingface_hub import EvalResult

    protocol = {name: value for name, value in metrics["protocol"].items() if value is not None}
    for row in all_turns(metrics):
        for name, (low, high) in row["interval"].items():
            yield EvalResult(
                task_type="image-retrieval",
                task_name=metrics["task"],
                dataset_type=re.sub(r"\W+", "-", metrics["data"].lower()).strip("-"),
                dataset_name=metrics["data"],
                dataset_split="test",
                dataset_args={"candidates": metrics["gallery"]["size"], "sessions": metrics["sessions"]} | protocol,
                metric_type=name,
                metric_name=f"{_plain(name, metrics)}, turn {row['turn']}",
                metric_value=row[name],
                metric_args={"turn": row["turn"], "interval": [low, high]},
            )


def _plain(name: str, metrics: Mapping[str, Any]) -> str:
    """A metric's name without the unit that tables give it: values in the index are as they are."""
    return name if name in own_measures(metrics) or not is_share(name) else label(name).removesuffix(", %")
