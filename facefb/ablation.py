"""The ablations of the progressive-feedback paper: its tables 1 to 3 and figures 4 and 5, from one command."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facefb.feedback import AttributeFeedback
from facefb.settings import AttributeFeedbackSettings, WitnessSettings
from multiturn.ablation import Runner, Runs, write_tables
from multiturn.processes import launched
from multiturn.report.figures import curves, save_figure
from multiturn.report.tables import cell, chance, paper_table_1, protocol_line

MARGINS = (2.0, 1.0, 0.5, 0.1)  # table 2
PROGRESSIVE = "progressive disclosure"
FULL = "full disclosure with candidate attributes"
FULL_WITHOUT = "full disclosure without candidate attributes"
FEATURES = {
    "attributes": "SE-ResNet trained on the 40 attributes",
    "identities": "SE-ResNet trained on identities",
    "untrained": "SE-ResNet, untrained",
}
HEAD = ("Percentile, %", "R@1, %", "R@10, %", "Mean rank")
TASK = "celeba-feedback"


def ablate(settings: AttributeFeedbackSettings, output: Path) -> list[dict[str, Any]]:
    """Train and evaluate every variant, and write ablation.json, ablation.md and the figures.

    Each variant is a whole run in a folder of its own below `output`; one that is finished is not run again. All
    variants of one feature share it, and all look for the same targets.

    Args:
        settings: of the task; a variant changes only what its name says.
        output: folder for everything.
    Returns:
        the tables, as ablation.json holds them.
    Source:
        papers/facial-progressive-feedback.txt, section 4.5. Its table 2 was made with features of VGGFace2 and full
        disclosure; ours keeps full disclosure and takes the features of `settings`.
    """
    runs: dict[str, Mapping[str, Any]] = {}
    by_feature = {kind: replace(settings, features=replace(settings.features, kind=kind)) for kind in FEATURES}
    full = WitnessSettings([0.0])
    disclosures = {
        PROGRESSIVE: settings.witness,
        FULL: full,
        FULL_WITHOUT: WitnessSettings([0.0], candidate=False),
    }
    runners = {
        kind: Runner(TASK, AttributeFeedback(own, output / f"shared-{kind}"), output)
        for kind, own in by_feature.items()
    }
    plain, base = by_feature["attributes"], runners["attributes"]
    for name, witness in disclosures.items():
        runs[name] = base.run(name, replace(plain, witness=witness))
    for margin in MARGINS:
        gru = replace(settings.gru, margin=margin)
        name = f"margin {margin}"
        same = gru == settings.gru
        runs[name] = runs[FULL] if same else base.run(name, replace(plain, witness=full, gru=gru))
    for kind in FEATURES:
        if kind == "attributes":
            runs[kind] = runs[PROGRESSIVE]
            continue
        runs[kind] = runners[kind].run(f"features {kind}", by_feature[kind])
    if not launched().is_main_process:
        return []
    tables = [_table_1(runs), _table_2(runs), _table_3(runs), _figure_4(runs)]
    _write(tables, runs, output)
    return tables


def _last(metrics: Mapping[str, Any], name: str) -> str:
    """A metric of the last turn with its interval, shares in percent."""
    return cell(name, metrics["per_turn"][-1])


def _table_1(runs: Runs) -> dict[str, Any]:
    metrics = runs[PROGRESSIVE]
    return {
        "title": "Table 1: the classifier baseline and the model",
        "table": paper_table_1(metrics),
        "note": protocol_line(metrics),
    }


def _table_2(runs: Runs) -> dict[str, Any]:
    rows = [[str(margin), *_numbers(runs[f"margin {margin}"])] for margin in MARGINS]
    return {
        "title": "Table 2: margin of the triplet loss, full disclosure",
        "table": [["Margin", *HEAD], *rows],
        "note": "Last turn. The paper's features are those of VGGFace2; margins compare only within one feature.",
    }


def _table_3(runs: Runs) -> dict[str, Any]:
    rows = [[name, *_numbers(runs[kind]), _last(runs[kind], "loss")] for kind, name in FEATURES.items()]
    return {
        "title": "Table 3: features, progressive disclosure",
        "table": [["Features", *HEAD, "Loss"], *rows],
        "note": "Last turn. Identity features stand for the paper's face-recognition networks, trained on this data.",
    }


def _figure_4(runs: Runs) -> dict[str, Any]:
    names = (PROGRESSIVE, FULL, FULL_WITHOUT)
    turns = range(1, len(runs[PROGRESSIVE]["per_turn"]) + 1)
    rows = [[name, *(cell("percentile", row) for row in runs[name]["per_turn"])] for name in names]
    return {
        "title": "Figure 4: percentile by turn and disclosure",
        "table": [["Disclosure", *(f"Turn {turn}" for turn in turns)], *rows],
        "note": "Percentile, %. R@K of every run is in its own report.",
    }


def _numbers(metrics: Mapping[str, Any]) -> list[str]:
    return [_last(metrics, name) for name in ("percentile", "R@1", "R@10", "mean_rank")]


def _write(tables: Sequence[Mapping[str, Any]], runs: Runs, output: Path) -> None:
    series = {name: runs[name]["per_turn"] for name in (PROGRESSIVE, FULL, FULL_WITHOUT)}
    by_chance = chance(runs[PROGRESSIVE])
    for stem, metric in (("figure-4-percentile", "percentile"), ("figure-5-loss", "loss")):
        save_figure(curves(series, metric, by_chance=by_chance.get(metric)), output / stem)
    write_tables(tables, output)
