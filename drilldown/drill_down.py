"""Drill-down: several state vectors a session, of which each query updates one; its training is elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from drilldown.model_settings import PolicyName, ScoreName
from drilldown.policies import First, Fixed, LearnedPolicy, Policy, Random, slot_for
from drilldown.retriever import TextRetriever, texts_of
from drilldown.similarity import Pictures, StateTable, similarities
from drilldown.states import States, new_cell
from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.region_scoring import StateScores
from multiturn.regions import Regions
from multiturn.replies import Reply


@dataclass(frozen=True)
class DrillDownState:
    """What a batch of sessions remembers, and its scores so far."""

    states: States
    scores: StateScores


@dataclass(frozen=True)
class Step:
    """One turn of a batch in training.

    Attributes:
        before: the states that the query found.
        query: its vector.
        slot: the state it was written to.
        after: the states with it.
        table: similarities of every state with every picture of the batch.
    """

    before: States
    query: Float[Tensor, "session dim"]
    slot: Int[Tensor, " session"]
    after: States
    table: StateTable


class DrillDown(TextRetriever, HubModel):
    """Several state vectors a session, scored on the regions of a picture.

    Args:
        words: of the vocabulary; they travel in config.json. None where `text` is given.
        fingerprint: of the encoder whose regions it was trained on; a gallery of another one is refused.
        region_dim: length of those regions.
        states: state vectors a session.
        dim: of each.
        embedding_dim: of a word.
        policy: which state a query goes to once all are filled. The learned policy's weights are there in any
            case, as in table 1 of the paper. The attribute of this name may be set, so that stage 1 of a model that
            is to learn its policy is validated with the fixed one.
        policy_relu: whether the learned policy ends in a ReLU.
        score: 'code' or 'paper'; see `drilldown.retriever.formula_of`.
        sharpness: likewise.
        text: settings of a frozen encoder of texts, and its fingerprint, in place of `words`.
        seed: of the random policy.
        kind: see `drilldown.retriever.TextRetriever`.
    Source:
        papers/drill-down.txt, section 3. How weights start: see `drilldown.states.new_cell` and
        `multiturn.encoders.words.WordGRU`; linear maps start as torch starts them.
    """

    kind = "drill-down"

    def __init__(
        self,
        words: Sequence[str] | None,
        fingerprint: str,
        region_dim: int = 2048,
        states: int = 3,
        dim: int = 128,
        embedding_dim: int = 300,
        policy: PolicyName = "fixed",
        policy_relu: bool = False,
        score: ScoreName = "code",
        sharpness: float = 9.0,
        text: Mapping[str, Any] | None = None,
        seed: int = 0,
        kind: str = "drill-down",
    ) -> None:
        super().__init__(words, fingerprint, region_dim, dim, embedding_dim, score, sharpness, text, kind)
        self.slots = states
        self.cell = new_cell(dim)
        self.learned = LearnedPolicy(dim, policy_relu)
        self.policy: PolicyName = policy
        self._seed = seed

    @property
    def chooser(self) -> Policy:
        """The policy that is used in retrieval."""
        match self.policy:
            case "fixed":
                return Fixed()
            case "first":
                return First()
            case "random":
                return Random(self._seed)
            case "learned":
                return self.learned

    def start(self, sessions: int, gallery: Gallery) -> DrillDownState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder, or has no regions.
        """
        regions = self.projection.region_vectors(gallery)
        states = States.empty(sessions, self.slots, self.dim, self.cell.weight_hh.device)
        return DrillDownState(states, StateScores.start(sessions, self.slots, regions, self.formula))

    def update(self, state: DrillDownState, reply: Reply, gallery: Gallery) -> DrillDownState:
        """See `multiturn.session.Retriever.update`.

        Raises:
            ValueError: see `drilldown.retriever.texts_of`.
        """
        texts = texts_of(reply, state.scores.shape[0])
        query, heard = self.queries(texts), state.states.hearing(texts)
        slot = slot_for(self.chooser, heard, query)
        vector = self.cell(query, heard.at(slot))
        return DrillDownState(heard.written(slot, vector), state.scores.after(slot, vector))

    def score(self, state: DrillDownState, gallery: Gallery) -> StateScores:
        """See `multiturn.session.Retriever.score`."""
        return state.scores

    def walk(
        self,
        said: Sequence[Sequence[str]],
        queries: Float[Tensor, "turn session dim"],
        pictures: Pictures,
        policy: Policy,
    ) -> Iterator[Step]:
        """Play a batch with gradients, one step a turn.

        Args:
            said: what each session says, turn after turn, as much in each.
            queries: vectors of that.
            pictures: of the sessions' targets, in their order.
            policy: asked once all states are filled.
        """
        states = States.empty(len(said), self.slots, self.dim, queries.device)
        table = StateTable.empty(len(said), self.slots, len(pictures.mask), pictures.regions, self.formula)
        for turn, query in enumerate(queries):
            before = states.hearing([texts[turn] for texts in said])
            slot = slot_for(policy, before, query)
            vector = self.cell(query, before.at(slot))
            states = before.written(slot, vector)
            table = table.after(slot, similarities(vector, pictures, self.formula), states.filled)
            yield Step(before, query, slot, states, table)

    def tables(self, said: Sequence[Sequence[str]], regions: Regions) -> list[Float[Tensor, "session picture"]]:
        """See `drilldown.retriever.TextRetriever.tables`; a learned policy has the fixed one stand in for it.

        Source:
            papers/drill-down.txt, section 3.5, supervised pre-training.
        """
        policy = Fixed() if self.policy == "learned" else self.chooser
        pictures = self.projection.pictures(regions)
        return [step.table.scores for step in self.walk(said, self.encoded(said), pictures, policy)]
