"""One training step of the space of faces and attribute queries; the space and the losses are elsewhere."""

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

from facefb.attribute_losses import contradicts, softmax_loss, triplet_loss
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
        seed: of what queries leave out and of flipped attributes; a face's draws depend on its position and the
            epoch alone.
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
    ) -> None:
        super().__init__()
        self.space = space
        self._gallery, self._attributes, self._settings, self._seed = gallery, attributes, settings, seed

    def forward(self, target: Int[Tensor, " face"], epoch: int) -> Float[Tensor, ""]:
        """See `multiturn.task.Task.rollout`."""
        settings, target = self._settings, target.to(self._attributes.device)
        attributes = self._attributes[target]
        draws = uniform(self._seed, target, 2 * epoch, attributes.shape[1] + 1)
        wanted = leave_out(attributes, draws, settings.most_told) if settings.partial else attributes
        faces, own = self.space.images(self._gallery.vectors[target].float()), self.space.queries(wanted)
        wrong = contradicts(wanted, attributes)
        if settings.loss == "softmax":
            cosines = nn.functional.normalize(own, dim=1) @ nn.functional.normalize(faces, dim=1).T
            return softmax_loss(cosines, wrong.T, settings.temperature)
        loss = triplet_loss(faces, own, own, wrong, settings.margin)
        few = min(settings.hard_negatives, len(target))
        if few == 0:
            return loss
        flipped = flip(wanted[:few], uniform(self._seed, target[:few], 2 * epoch + 1, attributes.shape[1] + 1))
        itself = torch.eye(few, dtype=torch.bool, device=target.device)
        hard = triplet_loss(faces[:few], own[:few], self.space.queries(flipped), itself, settings.margin)
        return loss + settings.hard_weight * hard


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
