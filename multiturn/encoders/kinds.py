"""What can be said of an encoder in YAML and on command lines, and which kind takes what; nothing heavy is loaded."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import Literal

from multiturn.settings import at_least

ItemKind = Literal["image", "text"]

_TOWER = frozenset({"normalise", "dtype"})
_SIZE = frozenset({"height", "width"})
_GRID = frozenset({"regions", "rows", "columns"})
_IMAGES = _TOWER | _GRID | {"workers"}
# Of `faces`: what goes with each detector, and with each embedder.
_FOUND = frozenset({"detector_weights", "choose", "align", "margin"})
_CHOICES: dict[str, dict[str, frozenset[str]]] = {
    "detector": {"mtcnn": _FOUND | {"least_face"}, "yunet": _FOUND | {"least_score"}, "none": frozenset({"crop"})},
    "embedder": {
        "mobilefacenet": _SIZE | {"mirror"},
        "inception_resnet_v1": _SIZE | {"mirror"},
        "onnx": _SIZE | {"mirror", "pixel_mean", "pixel_std", "channels"},
    },
}
_FACES = frozenset({"weights", *_CHOICES}).union(*(taken for group in _CHOICES.values() for taken in group.values()))
# What each kind encodes, and the settings it takes.
KINDS: dict[str, tuple[ItemKind, frozenset[str]]] = {
    "open_clip": ("image", _IMAGES | {"name", "weights"}),
    "open_clip_text": ("text", _TOWER | {"name", "weights"}),
    "timm": ("image", _IMAGES | _SIZE | {"name", "weights"}),
    "torchvision": ("image", _GRID | _SIZE | {"name", "weights", "workers", "normalise"}),
    "transformers": ("image", _IMAGES | {"name", "pooling"}),
    "transformers_text": ("text", _TOWER | {"name", "pooling"}),
    "sentence_transformers": ("text", _TOWER | {"name"}),
    "squeezenet": ("image", _IMAGES | _SIZE | {"weights"}),
    "se_resnet": ("image", _IMAGES | {"name"}),
    "faster_rcnn": (
        "image",
        frozenset({"name", "weights", "boxes", "least_score", "short_side", "classes", "normalise"}),
    ),
    "faces": ("image", _FACES),
    "words": ("text", _TOWER | {"name"}),
}
_NEEDS = {
    "name": "a name",
    "embedder": "an embedder: mobilefacenet, inception_resnet_v1 or onnx",
    "detector": "a detector: mtcnn or yunet, or none where the pictures are faces already",
}
_ALIKE = {
    "clip": "open_clip",
    "siglip": "transformers",
    "dinov2": "transformers",
    "sbert": "sentence_transformers",
    "detector": "faster_rcnn",
    "mtcnn": "faces",
    "facenet": "faces",
}
_LEAST = {"height": 16, "width": 16, "workers": 0, "rows": 1, "columns": 1, "boxes": 1, "margin": 0, "classes": 2}


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder, on which weights.

    Args:
        kind: 'open_clip', 'timm', 'transformers', 'squeezenet' and 'se_resnet' (a classifier trained here) encode
            images, and their cells as well (see `regions`); 'torchvision' cells alone; 'faster_rcnn' the boxes that
            torchvision's detector finds; 'faces' a face of each image. 'open_clip_text', 'transformers_text',
            'sentence_transformers' and 'words' (a GRU trained here) encode texts.
        name: of the model in that library or on the Hub, or its folder; of faster_rcnn, fasterrcnn_resnet50_fpn if
            not given.
        weights: file of weights, or a tag of open_clip; of faces, the embedder's file. timm and torchvision fetch
            their own without one.
        regions: 'grid' makes a vector of each cell of the last feature map, or of each patch, with its box.
        rows: cells of the grid from top to bottom, averaged from those of the map; all of these if not given.
        columns: likewise from left to right.
        pooling: of transformers: 'projected', 'first', 'mean' or, for texts, 'last'.
        height: of the input in pixels, for timm and torchvision (224 if not given), squeezenet (227) and embedders of
            faces (112 x 96, 160 x 160, or what the ONNX file says).
        width: likewise.
        boxes: of faster_rcnn: the surest so many of each image (36 if not given).
        least_score: boxes of faster_rcnn and faces of yunet below are dropped (0.05 and 0.6 if not given).
        short_side: of the image that faster_rcnn looks at, in pixels (800 if not given).
        classes: outputs of faster_rcnn's weights with the background (91 if not given, as torchvision's own).
        detector: of faces: 'mtcnn', 'yunet' (needs OpenCV), or 'none' where the images are faces already.
        detector_weights: yunet's ONNX file; or a folder with mtcnn's pnet.pt, rnet.pt and onet.pt, maybe with a word
            before, as mtcnn_pnet.pt.
        choose: which of several faces: the most 'central' one (if not given) or the 'largest'.
        align: faces by their 'landmarks', or cut out their 'box'; the box for inception_resnet_v1 if not given.
        margin: around the box, in pixels of the embedder's input (0 if not given).
        least_face: side of the smallest face that mtcnn looks for, in pixels (20 if not given).
        crop: where the face is in every image, without a detector: left, top, right, bottom in pixels.
        embedder: of faces: 'mobilefacenet', 'inception_resnet_v1', or 'onnx' for any network of onnxruntime.
        mirror: add the embedding of the mirror image (as mobilefacenet does if not given).
        pixel_mean: of onnx: subtracted from pixels of 0..255 (127.5 if not given).
        pixel_std: of onnx: then divided by (127.5 if not given).
        channels: of onnx: their order (RGB if not given).
        normalise: scale each vector to length 1; those of faces always are.
        dtype: precision of the computation; vectors are float32 always.
        workers: processes that decode images; none beside a CPU and up to 8 beside a GPU if not given.
    Raises:
        ValueError: no such kind (the one that was probably meant is named), a setting that the kind or the choice of
            detector or embedder does not take, or one that is lacking.
    """

    kind: str = "open_clip"
    name: str | None = None
    weights: str | None = None
    regions: Literal["grid"] | None = None
    rows: int | None = None
    columns: int | None = None
    pooling: Literal["projected", "first", "mean", "last"] | None = None
    height: int | None = None
    width: int | None = None
    boxes: int | None = None
    least_score: float | None = None
    short_side: int | None = None
    classes: int | None = None
    detector: Literal["mtcnn", "yunet", "none"] | None = None
    detector_weights: str | None = None
    choose: Literal["central", "largest"] | None = None
    align: Literal["landmarks", "box"] | None = None
    margin: int | None = None
    least_face: int | None = None
    crop: tuple[int, int, int, int] | None = None
    embedder: Literal["mobilefacenet", "inception_resnet_v1", "onnx"] | None = None
    mirror: bool | None = None
    pixel_mean: float | None = None
    pixel_std: float | None = None
    channels: Literal["RGB", "BGR"] | None = None
    normalise: bool = False
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            close = difflib.get_close_matches(self.kind.lower().replace("-", "_"), [*KINDS, *_ALIKE], n=1, cutoff=0.5)
            hint = f"; did you mean {_ALIKE.get(close[0], close[0])}?" if close else ""
            raise ValueError(f"there is no encoder of kind {self.kind!r}; the kinds are {', '.join(KINDS)}{hint}")
        takes = KINDS[self.kind][1]
        for field in fields(self):
            if field.name not in takes | {"kind"} and getattr(self, field.name) != field.default:
                raise ValueError(f"an encoder of kind {self.kind} takes no {field.name}; leave it out")
        for name, wanted in _NEEDS.items():
            if name in takes and self.kind != "faster_rcnn" and getattr(self, name) is None:
                raise ValueError(f"an encoder of kind {self.kind} needs {wanted}")
        for name, least in _LEAST.items():
            if (value := getattr(self, name)) is not None:
                at_least(name, value, least)
        self._check_pictures()
        if self.kind == "faces":
            self._check_faces()

    def _check_pictures(self) -> None:
        """Raise ValueError where settings of images or texts contradict each other."""
        if self.pooling == "last" and self.items == "image":
            raise ValueError("pooling 'last' is for texts; images have 'projected', 'first' and 'mean'")
        if self.regions is None and (self.rows, self.columns) != (None, None):
            raise ValueError("rows and columns are those of a grid; add regions 'grid', or leave them out")
        if self.regions is None and self.kind == "torchvision":
            raise ValueError("an encoder of kind torchvision has no vector of a whole image; add regions 'grid'")
        if self.regions is not None and self.pooling is not None:
            raise ValueError(f"pooling {self.pooling!r} is of whole images, and a grid is not pooled; leave one out")
        if self.least_score is not None and not 0 <= self.least_score <= 1:
            raise ValueError(f"least_score is a probability in [0, 1], not {self.least_score}")

    def _check_faces(self) -> None:
        """Raise ValueError where settings of faces contradict each other, or one is lacking."""
        for group, choices in _CHOICES.items():
            chosen: str = getattr(self, group)
            if chosen not in choices:
                raise ValueError(f"{group} is one of {', '.join(choices)}, not {chosen!r}")
            for name in sorted(frozenset().union(*choices.values()) - choices[chosen]):
                if getattr(self, name) is not None:
                    raise ValueError(f"faces with {group} {chosen!r} take no {name}; leave it out")
        if self.weights is None:
            raise ValueError(f"faces need weights: the file of {self.embedder}")
        if self.detector != "none" and self.detector_weights is None:
            what = "the folder of pnet.pt, rnet.pt and onet.pt" if self.detector == "mtcnn" else "yunet's ONNX file"
            raise ValueError(f"faces with detector {self.detector!r} need detector_weights: {what}")
        if self.margin is not None and self.found_by != "box":
            raise ValueError("a margin goes around a box, not around landmarks; add align 'box', or leave it out")

    @property
    def found_by(self) -> Literal["landmarks", "box"]:
        """How faces are cut out: as `align` says, or else as the embedder was trained."""
        return self.align or ("box" if self.embedder == "inception_resnet_v1" else "landmarks")

    @property
    def items(self) -> ItemKind:
        """What it encodes."""
        return KINDS[self.kind][0]
