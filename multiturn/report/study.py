"""One self-contained HTML page for a study or a replay: tables, curves, sessions turn by turn; no numbers are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from multiturn.files import write_text
from multiturn.report.page import data_uri, templates
from multiturn.report.session_views import session_notes, session_views
from multiturn.report.sessions import Kept
from multiturn.report.tables import Table, html_table


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: above it.
        table: with a row of heads.
        note: under the table.
        figures: SVG, PNG or JPEG files under their titles.
    """

    title: str
    table: Table
    note: str = ""
    figures: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyPage:
    """What stands on the page.

    Attributes:
        kind: of page, such as "Scripted study".
        title: of the study.
        headline: the finding, in a sentence.
        data: what was searched.
        created: when, in ISO 8601.
        command: that makes it again.
        facts: of the protocol, as text.
        sections: in their order.
        warnings: what a reader must know first.
        sessions: of each system: a title, what `multiturn.report.sessions` kept, and the number of candidates.
    """

    kind: str
    title: str
    headline: str
    data: str
    created: str
    command: str
    facts: Mapping[str, str]
    sections: Sequence[Section]
    warnings: Sequence[str] = ()
    sessions: Mapping[str, tuple[Kept, int]] = field(default_factory=dict)


def write_study_page(page: StudyPage, folder: Path, name: str = "report.html") -> Path:
    """Write the page, one file that asks nothing of the network; whatever people said is escaped."""
    tables = [
        html_table(section.table, section.note, section.title) if len(section.table) > 1 else Markup("<p>None.</p>")
        for section in page.sections
    ]
    figures = [{title: data_uri(path) for title, path in section.figures.items()} for section in page.sections]
    sessions = {
        title: (session_views(kept), session_notes(kept), candidates)
        for title, (kept, candidates) in page.sessions.items()
    }
    written = (
        templates().get_template("study.html.j2").render(page=page, tables=tables, figures=figures, sessions=sessions)
    )
    write_text(folder / name, written)
    return folder / name
