"""Settings of the Drill-down models and of their losses; importing this module loads nothing heavy."""

from dataclasses import dataclass
from typing import Literal

from multiturn.encoders.catalogue import EncoderSettings
from multiturn.settings import at_least

Kind = Literal["drill-down", "hre", "r-hre", "r-re", "r-rankfusion"]
PolicyName = Literal["fixed", "learned", "random", "first"]
ScoreName = Literal["code", "paper"]


@dataclass(frozen=True)
class ModelSettings:
    """Which model, of what size.

    Args:
        kind: 'drill-down', or one of its baselines: 'hre' compares one vector with one vector a picture; 'r-hre'
            compares it with the regions; 'r-re' reads all queries as one text; 'r-rankfusion' ranks by each query
            alone and averages the ranks.
        states: state vectors a session, of 'drill-down'; the others keep one. More states than turns are allowed:
            each query gets its own, and the rest stay empty.
        dim: length of a state vector and of a region.
        embedding_dim: of a word.
        policy: which state a query goes to once all are filled: 'fixed' takes them in turn, 'learned' asks a
            network (trained by stage 2), 'random' draws, 'first' always takes the first.
        policy_relu: whether the policy's network ends in a ReLU, as in the released code.
        score: 'code' as the released code computes it, or 'paper' as eq. (1) is printed.
        sharpness: what a cosine is multiplied by before the softmax over regions; 'paper' divides by it instead.
        text: a frozen encoder of texts, to be used in place of words and a GRU that are trained here.
    Source:
        papers/drill-down.txt, sections 3.2, 3.4, 4 and table 1: "3 x 128", words of 300.
    """

    kind: Kind = "drill-down"
    states: int = 3
    dim: int = 128
    embedding_dim: int = 300
    policy: PolicyName = "fixed"
    policy_relu: bool = False
    score: ScoreName = "code"
    sharpness: float = 9.0
    text: EncoderSettings | None = None

    def __post_init__(self) -> None:
        for name in ("states", "dim", "embedding_dim"):
            at_least(name, getattr(self, name), 1)
        if not 0 < self.sharpness <= 40:
            raise ValueError(f"sharpness must lie in (0, 40], not {self.sharpness}; the paper's is 9")
        if self.text is None:
            return
        if self.text.items != "text":
            raise ValueError(f"model.text needs an encoder of texts, and {self.text.kind} encodes images")
        if self.kind == "r-re":
            raise ValueError("r-re reads the words of all queries with one GRU; leave model.text out, or choose r-hre")


@dataclass(frozen=True)
class LossSettings:
    """What a model is trained for.

    Args:
        turns: queries a session.
        negatives: what a batch's other pictures and sessions add to the loss of a turn: the triplet loss of the
            'hardest' alone, as in the paper; that of 'all' alike; or a 'softmax' over the batch, whose cross-entropy
            weighs the hard ones most.
        margin: of the triplet loss.
        temperature: scores are divided by it before the softmax over the batch.
        stage: 1 trains all but the policy, with the fixed one; 2 goes on from there and trains the policy too.
        learner: how stage 2 trains the policy: 'look-ahead' imitates the best of one trajectory a state, as the
            paper and its code do; 'reinforce' follows the gradient of the reward of sampled states.
        reward: of a turn: the 'gain' in similarity with the target, as in the released code, or the 'similarity'
            itself, as in the paper.
        discount: of later rewards.
        policy_weight: of the policy's loss beside the triplet loss.
        act: in stage 2 a query goes to a state drawn by the policy ('sample', eq. 2) or to its favourite ('best').
        warm_up: epochs of stage 1 with the triplet loss of all negatives, before `negatives` takes over. The paper has
            none; on small data sets the hardest ones need some, lest all scores become equal.
    Source:
        papers/drill-down.txt, sections 3.5 and 4 (implementation details).
    """

    turns: int = 10
    negatives: Literal["hardest", "all", "softmax"] = "hardest"
    margin: float = 0.2
    temperature: float = 0.05
    stage: Literal[1, 2] = 1
    learner: Literal["look-ahead", "reinforce"] = "look-ahead"
    reward: Literal["gain", "similarity"] = "gain"
    discount: float = 1.0
    policy_weight: float = 0.1
    act: Literal["sample", "best"] = "sample"
    warm_up: int = 0

    def __post_init__(self) -> None:
        at_least("turns", self.turns, 1)
        for name in ("margin", "warm_up", "policy_weight"):
            at_least(name, getattr(self, name), 0)
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount must lie between 0 and 1, not {self.discount}")
        if self.learner == "reinforce" and self.act == "best":
            raise ValueError("reinforce learns from states that are drawn; set loss.act to sample")
