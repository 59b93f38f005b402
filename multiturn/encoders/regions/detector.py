"""Boxes that a detector finds, and the features it pooled from them, as regions; nothing trains one here."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from multiturn.encoders.opened import opened
from multiturn.encoders.state_dicts import fit, read_tensors
from multiturn.encoders.tf32 import without_tf32
from multiturn.encoders.weights import existing_file, torchvision_weights, weights_digest
from multiturn.regions import Regions


class DetectorEncoder:
    """The surest boxes of a torchvision Faster R-CNN, each with the vector that its box head makes of it.

    The box is the detected one, refined, and the features are pooled from it. A picture in which nothing is found
    has one region, the whole of it. Pictures go through one by one: torchvision pads a batch to its largest
    picture, which would change the vectors.

    Args:
        weights: file of the state dict; None lets torchvision fetch its default ones.
        name: of the detector.
        regions: rows a picture; pictures with fewer boxes are filled up and masked.
        least_score: boxes below are dropped.
        short_side: of the resized picture in pixels; the long side is at most 5/3 of it.
        device: where to encode.
        classes: outputs of the detector, the background among them.
        normalise: scale the vector of each box to length 1.
    Raises:
        ValueError: no such detector, or weights of another (each mismatch is named).
        FileNotFoundError: no file at `weights`.
    Source:
        Ren et al., "Faster R-CNN", 2015. 36 regions as in papers/drill-down.txt, whose own detector (trained on Visual
        Genome, 2048 numbers a box) torchvision does not have: its features come in through `convert`.
    """

    def __init__(
        self,
        weights: str | None,
        name: str = "fasterrcnn_resnet50_fpn",
        regions: int = 36,
        least_score: float = 0.05,  # torchvision's own
        short_side: int = 800,  # likewise
        device: torch.device | str = "cpu",
        classes: int = 91,  # COCO, with the background
        normalise: bool = False,
    ) -> None:
        self._network: Any = _load(
            name,
            weights,
            num_classes=classes,
            min_size=short_side,
            max_size=short_side * 5 // 3,
            box_score_thresh=least_score,
            box_detections_per_img=regions,
        )
        self._network.eval().to(device)
        self._regions, self._device, self._normalise = regions, torch.device(device), normalise
        self._dim = int(self._network.roi_heads.box_predictor.cls_score.in_features)
        digest = weights_digest(self._network.state_dict(), [least_score, short_side])
        self.fingerprint = f"torchvision-{name}-{regions}-regions-{digest}{'-unit' if normalise else ''}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @torch.no_grad()
    @without_tf32()
    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Regions:
        """See `multiturn.encoders.regions.RegionEncoder.encode`. Regions lie on the CPU, in float32, surest first."""
        vectors, boxes = [], []
        for _, image in tqdm(opened(items), total=len(items), desc="encoding", unit="image", disable=not show_progress):
            found, places = self._look_at(image)
            vectors.append(found)
            boxes.append(places)
        if not vectors:
            nothing = torch.empty(0, self._regions)
            return Regions(
                nothing[..., None].expand(-1, -1, self.dim), nothing[..., None].expand(-1, -1, 4), nothing > 0
            )
        return Regions.of(vectors, boxes, self._regions)

    def _look_at(self, image: Image.Image) -> tuple[Float[Tensor, "found dim"], Float[Tensor, "found 4"]]:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).to(self._device) / 255
        batch, _ = self._network.transform([pixels])
        maps = self._network.backbone(batch.tensors)
        proposals, _ = self._network.rpn(batch, maps)
        heads = self._network.roi_heads
        (detected,), _ = heads(maps, proposals, batch.image_sizes)
        height, width = batch.image_sizes[0]
        boxes = detected["boxes"]
        if not len(boxes):
            boxes = torch.tensor([[0.0, 0.0, width, height]], device=self._device)
        vectors = heads.box_head(heads.box_roi_pool(maps, [boxes], batch.image_sizes))
        shares = boxes / torch.tensor([width, height, width, height], device=self._device)
        vectors = normalize(vectors.float(), dim=1) if self._normalise else vectors.float()
        return vectors.cpu(), shares.clamp(0, 1).cpu()


def _load(name: str, weights: str | None, **options: Any) -> torch.nn.Module:
    from torchvision.models import detection, get_model, list_models

    names = list_models(module=detection, include="fasterrcnn*")
    if name not in names:
        raise ValueError(f"torchvision knows no detector {name!r}; choose one of {', '.join(names)}")
    if weights is None:
        with torchvision_weights(name):
            return get_model(name, weights="DEFAULT", **options)
    file = existing_file(weights, f"the state dict of {name}", "torchvision's table of detection weights")
    network = get_model(name, weights=None, weights_backbone=None, **options)
    fit(network, read_tensors(file, name), file, name)
    return network
