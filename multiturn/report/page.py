"""One self-contained HTML page for an evaluated model; tables and figures are made beside this."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from multiturn.files import write_text
from multiturn.report.figures import report_figures
from multiturn.report.protocol_tables import protocol_table, session_table
from multiturn.report.session_views import session_notes, session_views
from multiturn.report.sessions import Kept, kept_sessions
from multiturn.report.tables import (
    Metrics,
    cell,
    certificate_lines,
    comparison_table,
    harmed,
    html_table,
    measure_table,
    number,
    own_measures,
    paper_table_1,
    per_turn_table,
    plain,
    protocol_line,
    recalls,
)
from multiturn.report.task_tables import task_tables

KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
HEAVY = 300_000  # bytes of a PNG
REQUIRED = (
    "task", "model", "data", "gallery", "sessions", "protocol", "per_turn", "before_feedback", "summary", "others",
    "harm_rate", "comparisons", "warnings", "command", "created", "versions",
)  # fmt: skip


def templates() -> Environment:
    """The pages' templates: what they print is escaped, and a name that they lack is an error."""
    return Environment(
        loader=PackageLoader("multiturn.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_report(
    folder: Path,
    metrics: Metrics,
    figures: Mapping[str, Path],
    pictures: Mapping[str, Path],
    config_yaml: str,
    sessions: Kept | None = None,
    tables: Sequence[Markup] = (),
) -> Path:
    """Write FOLDER/report.html: one file with its images and style inside, which asks nothing of the network.

    Args:
        metrics: content of metrics.json.
        figures: PNG, SVG or JPEG files under their titles.
        pictures: which the task drew, likewise; a heavy PNG goes in as JPEG.
        config_yaml: the resolved configuration.
        sessions: to show turn by turn, as `multiturn.report.sessions.kept_sessions` returns them.
        tables: which the task made, as `multiturn.report.task_tables.task_tables` returns them.
    Raises:
        FileNotFoundError: an image is missing.
        ValueError: an image of another kind.
    """
    baselines = any(other["role"] == "baseline" for other in metrics["others"])
    page = (
        templates()
        .get_template("report.html.j2")
        .render(
            metrics=metrics,
            headline=headline(metrics),
            table=html_table(per_turn_table(metrics, measures=False), protocol_line(metrics), "Results by turn"),
            measures=html_table(measure_table(metrics), caption="Measures of this task by turn")
            if own_measures(metrics)
            else "",
            protocols=html_table(protocol_table(metrics), caption="Other protocols by turn"),
            whole=html_table(session_table(metrics), caption="Whole sessions"),
            bounds=html_table(paper_table_1(metrics), caption="Bounds of tied ranks") if baselines else "",
            comparisons=html_table(comparison_table(metrics), caption="Paired differences over the same targets")
            if metrics["comparisons"]
            else "",
            tables=tables,
            harm=_harm(metrics),
            certificate=certificate_lines(metrics),
            sessions=[] if sessions is None else session_views(sessions),
            session_notes=[] if sessions is None else session_notes(sessions),
            figures={title: data_uri(path) for title, path in figures.items()},
            pictures={title: _light_uri(path) for title, path in pictures.items()},
            protocol=_facts(metrics),
            config_yaml=config_yaml,
        )
    )
    path = folder / "report.html"
    write_text(path, page)
    return path


def headline(metrics: Metrics) -> str:
    """One sentence with the percentile, R@K beside it, and where the sessions began."""
    last, first = metrics["per_turn"][-1], metrics["before_feedback"]
    size, replies = metrics["gallery"]["size"], last["turn"]
    found = ""
    if ks := recalls(last):
        where = "first" if ks[0] == "R@1" else f"among the first {ks[0][2:]}"
        found = f" and is {where} in {number(ks[0], last[ks[0]])} % of sessions"
    began = ""
    if first is not None:
        began = f" Before any reply the percentile was {number('percentile', first['percentile'])}; chance is 50."
    return (
        f"After {replies} {'reply' if replies == 1 else 'replies'} the target, one of {size:,} candidates, "
        f"stands at percentile {cell('percentile', last)} on average{found}.{began}"
    )


def _harm(metrics: Metrics) -> str:
    if not metrics["harm_rate"]:
        return ""
    return (
        f"In {harmed(metrics)[-1]} % of sessions feedback did harm: after the last reply the target ranks worse "
        "than it would have without any feedback."
    )


def _facts(metrics: Metrics) -> dict[str, str]:
    gallery = metrics["gallery"]
    return {
        "data": metrics["data"],
        "gallery": f"{gallery['size']:,} candidates, {gallery['source']}",
        "encoder": gallery["fingerprint"] or "not stated",
        "sessions": f"{metrics['sessions']:,}",
    } | {name.replace("_", " "): plain(value) for name, value in metrics["protocol"].items() if value is not None}


def data_uri(path: Path) -> str:
    """An image file as it stands in a page.

    Raises:
        ValueError: it is no PNG, SVG or JPEG.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path} is no image that a page can show; use {', '.join(KINDS)}")
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _light_uri(path: Path) -> str:
    """A picture for the page; a heavy PNG goes in as JPEG, so that the page stays within a few MB."""
    if path.suffix.lower() != ".png" or path.stat().st_size <= HEAVY:
        return data_uri(path)
    from PIL import Image

    file = BytesIO()
    with Image.open(path) as image:
        # Not `optimize`: Pillow then wants the whole file in a buffer, which noisy pictures overflow.
        image.convert("RGB").save(file, format="JPEG", quality=85, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def report_run(folder: Path, output: Path | None = None) -> Metrics:
    """Write the figures and the page of a run from the files in its folder, and return its metrics.

    Reads metrics.json and config.yaml; the histories of what the run trained; sessions.json, or else the transcript or
    the ranks, for the sessions shown; and pictures/*.png, whose titles are their own `Title` texts or else their names,
    with the tables beside them. Writes figures/ and report.html.

    Args:
        folder: of the run.
        output: where to write; the run's folder if not given.
    Raises:
        FileNotFoundError: the folder, metrics.json or config.yaml is missing.
        ValueError: a file is damaged or lacks what a report needs.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}; give the output folder of train.py or of eval.evaluate")
    metrics = read_json(folder / "metrics.json")
    missing = [name for name in REQUIRED if name not in metrics]
    if missing:
        raise ValueError(f"{folder / 'metrics.json'} lacks {', '.join(missing)}; evaluate the run again")
    config = folder / "config.yaml"
    if not config.is_file():
        raise FileNotFoundError(f"no {config}; a report states the configuration that made its numbers")
    pictures = {_title(picture): picture for picture in sorted((folder / "pictures").glob("*.png"))}
    output = output or folder
    figures = report_figures(metrics, histories(folder), output / "figures")
    told = config.read_text(encoding="utf-8")
    write_report(output, metrics, figures, pictures, told, kept_sessions(folder), task_tables(folder))
    return metrics


def histories(folder: Path) -> dict[str, Sequence[Mapping[str, float]]]:
    """The history of each training of a run under its name: history.json of the folder and of those in it.

    A training in a folder is called like that. The retriever's own history, or that of its last stage where it was
    trained in stages, lies in the run's folder and comes last; it has no name where nothing else was trained.
    """
    found = {path.parent.name.replace("-", " "): path for path in sorted(folder.glob("*/history.json"))}
    stages = [int(name.removeprefix("stage ")) for name in found if re.fullmatch(r"stage \d+", name)]
    own = f"stage {max(stages) + 1}" if stages else "retriever" if found else ""
    if (folder / "history.json").is_file():
        found[own] = folder / "history.json"
    return {name: history for name, path in found.items() if (history := read_json(path))}


def read_json(path: Path) -> Any:
    """Read a file of a run.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; evaluate the run first")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as reason:
        raise ValueError(f"{path} is not JSON ({reason}); evaluate the run again") from reason


def _title(picture: Path) -> str:
    from PIL import Image

    with Image.open(picture) as image:
        return str(image.info.get("Title", picture.stem.replace("_", " ").capitalize()))
