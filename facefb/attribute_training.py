"""One training step of the space of faces and attribute queries; the space and the losses are elsewhere."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64, Int, Int8
from torch import Tensor, nn

from facefb.attribute_losses import contradicts, distilled_loss, softmax_loss, triplet_loss
from facefb.attribute_settings import SpaceSettings
from facefb.attribute_space import AttributeSpace
from multiturn.draws import uniform
from multiturn.gallery import Gallery

MOST_FLIPPED = 3  # papers/face-attribute-retrieval.txt: 1 to 3 bits


class SpaceLoss(nn.Module):
    """The loss of a batch of faces, of each of which a query is made.

    Args:
        space: to be trained.
        gallery: training faces.
        attributes: of each of them, -1 or +1.
        settings: of the loss.
        seed: of what queries leave out, of flipped attributes and of views; a face's draws depend on its position and
            the epoch alone.
        views: the training faces in other views, in the order of the gallery; in an epoch a face is learned as it is in
            the gallery or as one of these shows it, each as likely as the others.
        teacher: gives the logits of a classifier of the gallery's features; not trained.
    Source:
        papers/face-attribute-retrieval.txt, "Training setup": triplet + 0.5 x the same loss on hard negatives.
        Queries of some of the attributes are ours: the source trains on all 40 and asks for 3. So is the softmax
        loss, with queries as anchors and all faces that fit as positives: the source ranks faces for a query, but
        learns to rank queries for a face.
    """

    def __init__(
        self,
        space: AttributeSpace,
        gallery: Gallery,
        attributes: Int8[Tensor, "candidate attribute"],
        settings: SpaceSettings,
        seed: int,
        views: Float[Tensor, "view candidate feature"] | None = None,
        teacher: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.space = space
        self._gallery, self._attributes, self._settings, self._seed = gallery, attributes, settings, seed
        self._views = gallery.vectors.new_empty(0, *gallery.vectors.shape) if views is None else views
        self._teacher = teacher

    def forward(self, target: Int[Tensor, " face"], epoch: int) -> Float[Tensor, ""]:
        """See `multiturn.task.Task.rollout`."""
        settings, target = self._settings, target.to(self._attributes.device)
        attributes, width = self._attributes[target], self._attributes.shape[1] + 1
        draws = uniform(self._seed, target, 2 * epoch, settings.queries * width + 1)
        features = self._seen(target, draws[:, -1])
        faces = self.space.images(features)
        told = [attributes] * settings.queries
        if settings.partial:
            told = [leave_out(attributes, some, settings.most_told) for some in draws[:, :-1].split(width, 1)]
        wanted = torch.cat(told)
        own = self.space.queries(wanted)
        if settings.loss == "softmax":
            cosines = nn.functional.normalize(own, dim=1) @ nn.functional.normalize(faces, dim=1).T
            loss = softmax_loss(cosines, contradicts(wanted, attributes).T, settings.temperature)
            if self._teacher is None or settings.teacher == 0:
                return loss
            taught = distilled_loss(cosines, wanted, self._teacher(features), settings.temperature)
            return torch.lerp(loss, taught, settings.teacher)
        wrong = contradicts(wanted, attributes.repeat(settings.queries, 1))
        loss = triplet_loss(faces.repeat(settings.queries, 1), own, own, wrong, settings.margin)
        few = min(settings.hard_negatives, len(target))
        if few == 0:
            return loss
        flipped = flip(wanted[:few], uniform(self._seed, target[:few], 2 * epoch + 1, width))
        itself = torch.eye(few, dtype=torch.bool, device=target.device)
        hard = triplet_loss(faces[:few], own[:few], self.space.queries(flipped), itself, settings.margin)
        return loss + settings.hard_weight * hard

    def _seen(self, target: Int[Tensor, " face"], draws: Float64[Tensor, " face"]) -> Float[Tensor, "face feature"]:
        """Features of each face as it is in the gallery or in one of the views."""
        plain = self._gallery.vectors[target].float()
        if len(self._views) == 0:
            return plain
        number = (draws * (1 + len(self._views))).long()
        return torch.where(number[:, None] == 0, plain, self._views[(number - 1).clamp(min=0), target])


def leave_out(
    attributes: Int8[Tensor, "face attribute"], draws: Float[Tensor, "face draw"], most: int
) -> Int8[Tensor, "face attribute"]:
    """Keep 1 to `most` of the attributes, or to all, each number as likely as the others, and set the rest to 0."""
    kept = 1 + (draws[:, :1] * min(most, attributes.shape[1])).long()
    place = draws[:, 1:].argsort(dim=1).argsort(dim=1)
    return torch.where(place < kept, attributes, 0)


def flip(wanted: Int8[Tensor, "face attribute"], draws: Float[Tensor, "face draw"]) -> Int8[Tensor, "face attribute"]:
    """Change the sign of 1 to 3 distinct ones of the wanted attributes, or of all where fewer are wanted."""
    count = 1 + (draws[:, :1] * MOST_FLIPPED).long()
    # Unsaid attributes come last, so that what is flipped was said.
    place = (draws[:, 1:] + (wanted == 0)).argsort(dim=1).argsort(dim=1)
    return torch.where(place < count, -wanted, wanted)
