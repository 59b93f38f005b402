"""The comparison of the Drill-down paper's figure 3: all models at every turn, from one command."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drilldown.model_settings import ModelSettings
from drilldown.settings import DrilldownSettings
from drilldown.task import Drilldown, model_title
from multiturn.ablation import Runner, Runs, write_tables
from multiturn.processes import launched
from multiturn.report.figures import curves, save_figure
from multiturn.report.tables import cell, chance, label, number, protocol_line

TASK = "vg-drilldown"


def variants(settings: DrilldownSettings) -> dict[str, DrilldownSettings]:
    """The models that are compared, under their titles; those with one vector a session have the same memory.

    The learned policy comes last: it goes on from the model with the fixed policy.

    Source:
        papers/drill-down.txt, figure 3 (A): HRE, R-HRE, R-RE and R-RankFusion of 1280, Drill-down of 5 x 256 with the
        fixed and the learned policy. The single state of 1280 is ours: it tells what the number of states does.
    """
    model = settings.model
    memory = model.states * model.dim
    kinds = ["hre", "r-hre", "r-re", "r-rankfusion"]
    models = [ModelSettings(kind, 1, memory) for kind in kinds if not (kind == "r-re" and model.text)]  # type: ignore[arg-type]
    models += [ModelSettings("drill-down", 1, memory), ModelSettings("drill-down", model.states, model.dim)]
    if 1 < model.states < settings.loss.turns:
        models.append(ModelSettings("drill-down", model.states, model.dim, policy="learned"))
    shared = ("embedding_dim", "policy_relu", "score", "sharpness", "text")
    alike = {name: getattr(model, name) for name in shared}
    found = {}
    for one in models:
        own = replace(settings, model=replace(one, **alike), stage=0, stage1=None, single_state=False)
        found[model_title(own.model)] = own
    return found


def ablate(settings: DrilldownSettings, output: Path) -> list[dict[str, Any]]:
    """Train and evaluate every model, and write ablation.json, ablation.md and a figure for each R@K.

    Each model is a whole run in a folder of its own below `output`; one that is finished is not run again. All share
    images and regions, and look for the same targets.

    Args:
        settings: of the task; the size of the model is that of Drill-down, and the others have the same memory.
        output: folder for everything.
    Returns:
        the tables, as ablation.json holds them.
    """
    models = variants(settings)
    shared = Drilldown(replace(settings, single_state=False), output / "shared")
    runner = Runner(TASK, shared, output)
    runs: dict[str, Mapping[str, Any]] = {}
    for name, own in models.items():
        if own.learned:
            own = replace(own, stage=2, stage1=str(runner.folder(model_title(replace(own.model, policy="fixed")))))
        runs[name] = runner.run(name, own)
    if not launched().is_main_process:
        return []
    tables = _tables(runs, next(reversed(models)))
    _write(tables, runs, output)
    return tables


def _tables(runs: Runs, best: str) -> list[dict[str, Any]]:
    last = runs[best]
    turns = [row["turn"] for row in last["per_turn"]]
    tables = [
        {
            "title": f"Figure 3: {label(metric)} by turn",
            "table": [
                ["Model", *(f"Turn {turn}" for turn in turns)],
                *([name, *(cell(metric, row) for row in run["per_turn"])] for name, run in runs.items()),
            ],
            "note": protocol_line(last),
        }
        for metric in _recalls(last)
    ]
    return [*tables, _gaps(runs, best)]


def _gaps(runs: Runs, best: str) -> dict[str, Any]:
    """How far one model is ahead of the others at the last turn."""
    metric = _recalls(runs[best])[0]
    ours = runs[best]["per_turn"][-1]
    rows = []
    for name, run in runs.items():
        if name == best:
            continue
        theirs = run["per_turn"][-1]
        low, high = max((ours, theirs), key=lambda row: row[metric]), min((ours, theirs), key=lambda row: row[metric])
        apart = low["interval"][metric][0] > high["interval"][metric][1]
        gap = ours[metric] - theirs[metric]
        sign = "+" if gap > 0 else ""
        rows.append([name, f"{sign}{number(metric, gap)}", "no" if apart else "yes"])
    return {
        "title": f"{best} over the others at turn {ours['turn']}",
        "table": [["Over", f"{label(metric).removesuffix(', %')}, points", "Intervals overlap"], *rows],
        "note": "Each interval is of one model alone; models that look for the same targets differ by less than that.",
    }


def _write(tables: list[dict[str, Any]], runs: Runs, output: Path) -> None:
    series = {name: run["per_turn"] for name, run in runs.items()}
    one = next(iter(runs.values()))
    by_chance = chance(one)
    for metric in _recalls(one):
        stem = f"figure-3-{metric.lower().replace('@', '-at-')}"
        save_figure(curves(series, metric, by_chance=by_chance.get(metric)), output / stem)
    write_tables(tables, output)


def _recalls(metrics: Mapping[str, Any]) -> list[str]:
    return [name for name in metrics["per_turn"][-1] if name.startswith("R@")]
