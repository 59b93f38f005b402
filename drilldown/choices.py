"""What a policy chose, and what the states forgot: summaries of a trial's sessions; single sessions are in pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float64, Int
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from drilldown.drill_down import DrillDown, DrillDownState
from drilldown.pictures import COLOURS, text_colour
from multiturn.files import write_text
from multiturn.replies import Reply
from multiturn.report.figures import GREY, save_figure
from multiturn.report.tables import Table, markdown_table
from multiturn.search import search
from multiturn.session import Session, play
from multiturn.trial import Trial

SESSIONS = 200  # that are replayed, once for each turn


@dataclass(frozen=True)
class Replayed:
    """Sessions with all they heard, and each again with one query withheld.

    Attributes:
        slots: the state that took each query, counted from 0.
        ranks: of the target at the end.
        without: likewise, where the query of that turn was never said.
        states: state vectors that a session has.
    """

    slots: Int[Tensor, "session turn"]
    ranks: Float64[Tensor, " session"]
    without: Float64[Tensor, "session turn"]
    states: int

    @property
    def overwritten(self) -> Int[Tensor, "session turn"]:
        """How many later queries the state of each query took."""
        same = self.slots[:, :, None] == self.slots[:, None, :]
        return torch.triu(same, diagonal=1).sum(2)


@torch.no_grad()
def replay_without(trial: Trial, sessions: int = SESSIONS, batch_size: int = 250) -> Replayed:
    """Play sessions, and each again without the query of one turn, for every turn.

    A session without a query is one turn shorter, and its states are filled and chosen anew. Ranks are those among
    all candidates, whatever was shown.

    Args:
        trial: of a `DrillDown`.
        sessions: how many, evenly spread over the trial's; all if it has no more.
        batch_size: sessions at once; changes speed and memory, never a result.
    Raises:
        ValueError: the retriever is no `DrillDown`; fewer than two turns, of which none can be spared.
    """
    retriever = trial.retriever
    if not isinstance(retriever, DrillDown):
        raise ValueError(f"{trial.name} has no policy; give a trial of Drill-down")
    if trial.turns < 2 or sessions < 1:
        raise ValueError(
            f"{sessions} sessions of {trial.turns} turns tell nothing of what is forgotten; give two turns or more"
        )
    count = min(sessions, len(trial.targets))
    chosen = trial.targets[torch.linspace(0, len(trial.targets) - 1, count).round().long()]
    slots, ranks, without = [], [], []
    for targets in chosen.split(batch_size):
        replies = _said(trial, targets)
        state = _told(trial, retriever, replies, len(targets))
        slots.append(state.states.slots.cpu())
        ranks.append(_ranks(retriever, trial, state, targets)[:, None])
        spared = [
            _ranks(
                retriever, trial, _told(trial, retriever, replies[:turn] + replies[turn + 1 :], len(targets)), targets
            )
            for turn in range(trial.turns)
        ]
        without.append(torch.stack(spared, 1))
    return Replayed(torch.cat(slots), torch.cat(ranks)[:, 0], torch.cat(without), retriever.slots)


def _said(trial: Trial, targets: Int[Tensor, " session"]) -> list[Reply]:
    """What the users say in whole sessions, turn after turn."""
    session = Session(trial.retriever, trial.gallery, targets, trial.page_size, None, trial.seen)
    return [turn.reply for turn in play(session, trial.user, targets, trial.turns) if turn.reply is not None]


def _told(trial: Trial, retriever: DrillDown, replies: Sequence[Reply], sessions: int) -> DrillDownState:
    state = retriever.start(sessions, trial.gallery)
    for reply in replies:
        state = retriever.update(state, reply, trial.gallery)
    return state


def _ranks(
    retriever: DrillDown, trial: Trial, state: DrillDownState, targets: Int[Tensor, " session"]
) -> Float64[Tensor, " session"]:
    ranks = search(retriever.score(state, trial.gallery), 1, targets).ranks
    assert ranks is not None  # targets were given
    return ranks.under("expected").cpu()


def choices(replayed: Replayed) -> dict[str, Any]:
    """Summarise what a policy chose and what became of each query, JSON-ready.

    Returns:
        `taken`: share of the queries that each state took; `rewritten`: how often each state was written to again, a
        session; `by_turn`: share of the sessions that chose each state, a row a turn; `transitions`: how often a
        choice among filled states followed a query in each state, a row a state that took the query before;
        `withheld`: of each turn, and `kept` and `overwritten`: of all queries whose state no later query took, or
        one did, see `_worth`.
    """
    slots, states = replayed.slots, replayed.states
    turns = slots.shape[1]
    chose = slots[..., None] == torch.arange(states)
    transitions = torch.zeros(states, states, dtype=torch.long)
    for turn in range(states, turns):
        pairs = states * slots[:, turn - 1] + slots[:, turn]
        transitions += torch.bincount(pairs, minlength=states * states).view(states, states)
    everything = torch.ones_like(slots, dtype=torch.bool)
    one = [everything & (torch.arange(turns) == turn) for turn in range(turns)]
    later = replayed.overwritten > 0
    return {
        "sessions": len(slots),
        "turns": turns,
        "states": states,
        "taken": chose.double().mean((0, 1)).tolist(),
        "rewritten": (chose.sum(1) - 1).clamp(min=0).double().mean(0).tolist(),
        "by_turn": chose.double().mean(0).tolist(),
        "transitions": transitions.tolist(),
        "withheld": [_worth(replayed, mask) for mask in one],
        "kept": _worth(replayed, ~later),
        "overwritten": _worth(replayed, later),
    }


def _worth(replayed: Replayed, queries: Bool[Tensor, "session turn"]) -> dict[str, float | int | None]:
    """What some queries are worth at the end.

    Returns:
        `queries`: their number; `factor`: geometric mean of the target's rank without the query over that with it, 1
        where it is forgotten and more where it still helps; `median_change`: median of the difference of the two ranks;
        `helps` and `harms`: share of the queries without which the target ranks worse, or better. None, if there
        is no such query.
    """
    with_it, without = replayed.ranks[:, None].expand_as(replayed.without)[queries], replayed.without[queries]
    if len(without) == 0:
        return {"queries": 0, "factor": None, "median_change": None, "helps": None, "harms": None}
    return {
        "queries": len(without),
        "factor": float((without / with_it).log().mean().exp()),
        "median_change": float((without - with_it).quantile(0.5)),
        "helps": float((without > with_it).double().mean()),
        "harms": float((without < with_it).double().mean()),
    }


def choice_tables(found: Mapping[str, Any]) -> dict[str, Table]:
    """Tables of `choices` under their titles; see `multiturn.report.tables`."""
    names = [f"State {number}" for number in range(1, found["states"] + 1)]
    use = [["", *names], ["Queries taken, %", *map(_percent, found["taken"])]]
    use.append(["Written to again, times a session", *(f"{times:.2f}" for times in found["rewritten"])])
    use += [[f"Turn {turn}, %", *map(_percent, row)] for turn, row in enumerate(found["by_turn"], start=1)]
    follow = [["Query before in", *(f"{name}, %" for name in names), "Choices"]]
    for name, row in zip(names, found["transitions"], strict=True):
        follow.append([name, *(_percent(count / sum(row)) if sum(row) else "–" for count in row), f"{sum(row):,}"])
    worth = [["Query", "Queries", "Rank without / with", "Median change of rank", "Helps, %", "Harms, %"]]
    rows = {f"of turn {turn}": row for turn, row in enumerate(found["withheld"], start=1)}
    rows |= {"its state not written to again": found["kept"], "its state written to again": found["overwritten"]}
    for name, row in rows.items():
        cells = ["–"] * 4
        if row["queries"]:
            cells = [
                f"{row['factor']:.3f}",
                f"{row['median_change']:+,.1f}",
                *map(_percent, (row["helps"], row["harms"])),
            ]
        worth.append([name, f"{row['queries']:,}", *cells])
    return {"Use of the states": use, "Which state follows which": follow, "The target's rank without a query": worth}


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def choice_figure(found: Mapping[str, Any]) -> Figure:
    """Draw which states take the queries of each turn, and what each turn's query is worth at the end."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    turns = range(1, found["turns"] + 1)
    below = [0.0] * len(turns)
    for state in range(found["states"]):
        shares, colour = [row[state] for row in found["by_turn"]], COLOURS[state % len(COLOURS)]
        left.bar(turns, shares, 0.9, below, color=colour, edgecolor="white", lw=0.8)
        for turn, share, start in zip(turns, shares, below, strict=True):
            if share >= 0.08:
                left.text(turn, start + share / 2, str(state + 1), color=text_colour(colour), ha="center", va="center")
        below = [start + share for start, share in zip(below, shares, strict=True)]
    left.set(xlabel="Turn", ylabel="Sessions", title="State that takes the query")
    left.yaxis.set_major_formatter(PercentFormatter(1))
    factors = [row["factor"] for row in found["withheld"]]
    right.bar(turns, [factor - 1 for factor in factors], 0.9, 1, color=GREY)
    right.axhline(1, color="black", lw=1)
    right.set(xlabel="Turn whose query is withheld", ylabel="Final rank without / with", title="What is remembered")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def write_choices(trial: Trial, folder: Path, sessions: int = SESSIONS) -> dict[str, Any]:
    """Replay sessions of a trial and write FOLDER/choices.json, choices.md and choices_of_the_policy.png and .svg.

    Args:
        sessions: how many; see `replay_without`.
    Returns:
        what choices.json holds.
    """
    found = choices(replay_without(trial, sessions))
    write_text(folder / "choices.json", json.dumps(found, indent=1, allow_nan=False))
    parts = [f"## {title}\n\n{markdown_table(table)}" for title, table in choice_tables(found).items()]
    note = f"{trial.name}, {found['sessions']:,} sessions of {found['turns']} turns."
    write_text(folder / "choices.md", "\n\n".join([*parts, note]) + "\n")
    save_figure(choice_figure(found), folder / "choices_of_the_policy")  # The page makes its title of the name.
    return found
