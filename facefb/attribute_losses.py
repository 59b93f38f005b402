"""The losses that bring faces and the queries that fit them together; what is drawn for them is elsewhere."""

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor, nn


def triplet_loss(
    faces: Float[Tensor, "face dim"],
    own: Float[Tensor, "face dim"],
    others: Float[Tensor, "query dim"],
    negative: Bool[Tensor, "face query"],
    margin: float,
) -> Float[Tensor, ""]:
    """Mean hinge over all pairs of a face and a query that is wrong of it.

    Args:
        faces: anchors.
        own: a query that is right of each face.
        others: queries.
        negative: which of `others` are wrong of which face; the rest are no negatives.
        margin: of cosine distance.
    Returns:
        0 where nothing is negative.
    Source:
        papers/face-attribute-retrieval.txt, "Training strategy": max(0, d_pos - d_neg + margin), with distances
        d = 1 - cosine. Equal attribute vectors of a batch are no negatives of each other.
    """
    faces, own, others = (nn.functional.normalize(one, dim=1) for one in (faces, own, others))
    near = 1 - (faces * own).sum(1, keepdim=True)
    far = 1 - faces @ others.T
    hinges = (near - far + margin).clamp(min=0)
    return torch.where(negative, hinges, 0.0).sum() / negative.sum().clamp(min=1)


def softmax_loss(
    cosines: Float[Tensor, "query face"], negative: Bool[Tensor, "query face"], temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy of each face that fits a query among itself and the faces that do not fit.

    Faces that fit do not compete with each other. It is least where logits are the log-odds that a face fits, up
    to a constant of the query, so that faces are ranked by the probability that they fit.

    Args:
        cosines: of queries, the anchors, and faces.
        negative: which faces do not fit which query; all others fit.
        temperature: what cosines are divided by first.
    Returns:
        the mean over queries of the mean over the faces that fit; 0 of a query that all faces fit, or none.
    Source:
        SINCERE of Feeney and Hughes, "Supervised Information Noise-Contrastive Estimation REvisited", 2023
        (arXiv 2309.14277): one positive and all negatives in the denominator. There all are images of a class; here
        the anchor is a query, as it is in a search. papers/face-attribute-retrieval.txt has the triplet loss alone.
    Example:
        >>> fits = torch.tensor([[True, True, False]])   # log 2 for each face that fits
        >>> softmax_loss(torch.zeros(1, 3), ~fits, 0.05)
        tensor(0.6931)
    """
    logits = cosines / temperature
    wrong = logits.masked_fill(~negative, -torch.inf).logsumexp(1, keepdim=True)
    costs = nn.functional.softplus(wrong - logits).masked_fill(negative, 0)
    return (costs.sum(1) / (~negative).sum(1).clamp(min=1)).mean()


def distilled_loss(
    cosines: Float[Tensor, "query face"],
    wanted: Int8[Tensor, "query attribute"],
    logits: Float[Tensor, "face attribute"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Cross-entropy between a classifier's order of the faces for a query and that by cosine.

    The classifier takes attributes as independent, which they are not, but it is sure of a face only where its pixels
    say so, while a label is 0 or 1. It is least where cosine / temperature is the log-odds that a face fits, as in
    `softmax_loss`.

    Args:
        cosines: of queries and faces.
        wanted: what each query wants: -1, 0 or +1.
        logits: of a classifier of the faces; no gradient passes.
        temperature: what cosines are divided by first.
    Source:
        Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007 (ListNet): the
        cross-entropy of the chances to be first. There the target comes of human scores; here of a classifier, as in
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015 (arXiv 1503.02531).
    Example:
        >>> wanted, logits = torch.tensor([[1]], dtype=torch.int8), torch.tensor([[0.0], [0.0]])
        >>> distilled_loss(torch.zeros(1, 2), wanted, logits, 0.05)   # two faces, either of which may be first
        tensor(0.6931)
    """
    fits = fitting_likelihood(wanted, logits.detach())
    odds = fits - torch.log1p(-fits.exp().clamp(max=1 - 1e-6))
    return nn.functional.cross_entropy(cosines / temperature, odds.softmax(1))


def fitting_likelihood(
    wanted: Int8[Tensor, "query attribute"], logits: Float[Tensor, "face attribute"]
) -> Float[Tensor, "query face"]:
    """Log-probability that a face fits a query, of independent attributes with these logits."""
    has, lacks = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    return (wanted > 0).float() @ has.T + (wanted < 0).float() @ lacks.T


def contradicts(
    wanted: Int8[Tensor, "query attribute"], attributes: Int8[Tensor, "face attribute"]
) -> Bool[Tensor, "face query"]:
    """Whether a query wants of a face what it has not, or does not want what it has; attributes are -1 or +1."""
    agreeing = attributes.float() @ wanted.float().T
    return agreeing < wanted.ne(0).sum(1).float()
