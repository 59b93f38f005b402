"""Vision and text networks of transformers as encoders, loaded by AutoModel; no code from the Hub is ever run."""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from multiturn.encoders.towers import PROBE, ImageTower, Precision, TextTower
from multiturn.encoders.weights import fitting, found, short_name, weights_digest

ImagePooling = Literal["projected", "first", "mean"]
TextPooling = Literal["projected", "first", "mean", "last"]


class TransformersImages(ImageTower):
    """Image vectors of a vision network (DINOv2, ViT, ResNet) or of an image-text one (CLIP, SigLIP).

    Args:
        name: of the model on the Hub, or a folder with config.json, weights and preprocessor_config.json.
        pooling: 'projected': the vector that image-text networks compare with texts; 'first': the first token
            (of DINOv2 the paper's class token); 'mean': over patches or cells. None: 'projected' if the network
            has it, else 'first' of tokens and 'mean' of maps.
        device: where to encode.
        dtype: precision of the computation.
        workers: processes that decode images; see `ImageTower`.
        normalise: scale each vector to length 1.
    Raises:
        FileNotFoundError: no such folder, and no such model in the Hub's cache.
        ValueError: weights that do not fit the configuration, or lack parts of it; a pooling that the network lacks.
    """

    def __init__(
        self,
        name: str,
        pooling: ImagePooling | None = None,
        device: torch.device | str = "cpu",
        dtype: Precision = "float32",
        workers: int | None = None,
        normalise: bool = False,
    ) -> None:
        model, weights = load_transformer(name, "text_")
        with found(name, "image processor"):
            self._processor: Any = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
        self._projects = callable(getattr(model, "get_image_features", None))
        self._network: Any = model if self._projects else getattr(model, "vision_model", model)
        self._network.to(device)
        blank = self._prepare(Image.new("RGB", (64, 64)))[None].to(device)
        with torch.no_grad():
            last = self._last(blank)
        has_first = last.ndim == 3 and last.shape[1] > math.prod(self._grid(last, blank))
        self._pooling = pooling or ("projected" if self._projects else "first" if has_first else "mean")
        if (self._pooling == "projected" and not self._projects) or (self._pooling == "first" and not has_first):
            raise ValueError(f"{name} has no {self._pooling!r} vector of an image; leave pooling out, or choose 'mean'")
        with torch.no_grad():
            dim = int(self.vectors(blank).shape[1])
        digest = weights_digest(weights, [self._processor.to_dict(), self._pooling])
        fingerprint = f"transformers-{short_name(name)}-image-{self._pooling}-{digest}"
        super().__init__(fingerprint, dim, self._prepare, device, dtype, workers, normalise)

    def vectors(self, inputs: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image dim"]:
        """Vectors of prepared pictures."""
        if self._pooling == "projected":
            return _tensor(self._network.get_image_features(pixel_values=inputs))
        last = self._last(inputs)
        if last.ndim == 4:
            return last.mean((2, 3))
        return last[:, 0] if self._pooling == "first" else last[:, -math.prod(self._grid(last, inputs)) :].mean(1)

    @torch.no_grad()
    def feature_map(self, pixels: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """The last layer's patches or cells of pictures as `prepare` makes them."""
        with self._precision():
            last = self._last(pixels.to(self.device)).float()
        if last.ndim == 4:
            return last
        rows, columns = self._grid(last, pixels)
        return last[:, -rows * columns :].transpose(1, 2).unflatten(2, (rows, columns))

    def _last(self, inputs: Tensor) -> Tensor:
        network = self._network.vision_model if self._projects else self._network
        return network(pixel_values=inputs).last_hidden_state

    def _grid(self, last: Tensor, inputs: Tensor) -> tuple[int, int]:
        """Rows and columns of patches; they are the last tokens, after those of the class and the registers."""
        patch = int(getattr(self._network.config, "vision_config", self._network.config).patch_size)
        rows, columns = inputs.shape[2] // patch, inputs.shape[3] // patch
        while rows * columns > last.shape[1]:  # Hierarchical networks (Swin) merge four patches in each stage.
            rows, columns = rows // 2, columns // 2
        return rows, columns

    def _prepare(self, image: Image.Image) -> Tensor:
        return self._processor(images=image, return_tensors="pt")["pixel_values"][0]


class TransformersTexts(TextTower):
    """Text vectors of a text network (BERT and its kin) or of an image-text one (CLIP, SigLIP).

    A text is cut at the length that the tokeniser states, or else the configuration.

    Args:
        name: of the model on the Hub, or a folder with config.json, weights and the tokeniser's files.
        pooling: 'projected': the vector that image-text networks compare with images; 'first', 'mean' or 'last': of
            the tokens, padding left out. None: 'projected' if the network has it, else 'mean'.
        device: where to encode.
        dtype: precision of the computation.
        normalise: scale each vector to length 1.
    Raises:
        FileNotFoundError: no such folder, and no such model in the Hub's cache.
        ValueError: weights that do not fit the configuration, or lack parts of it; a pooling that the network lacks.
    """

    def __init__(
        self,
        name: str,
        pooling: TextPooling | None = None,
        device: torch.device | str = "cpu",
        dtype: Precision = "float32",
        normalise: bool = False,
    ) -> None:
        model, weights = load_transformer(name, "vision_", "visual_")
        with found(name, "tokeniser"):
            self._tokeniser: Any = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        # Else the tokens of a text on the left would change their positions with its neighbours in the batch.
        self._tokeniser.padding_side = "right"
        self._projects = callable(getattr(model, "get_text_features", None))
        self._network: Any = model if self._projects else getattr(model, "text_model", model)
        self._network.to(device)
        self._pooling = pooling or ("projected" if self._projects else "mean")
        if self._pooling == "projected" and not self._projects:
            raise ValueError(f"{name} has no projected vector of a text; leave pooling out, or choose 'mean'")
        config = getattr(self._network.config, "text_config", self._network.config)
        self._length = min(int(self._tokeniser.model_max_length), _positions(config))
        self._on = torch.device(device)
        with torch.no_grad():
            dim = int(self.vectors([PROBE]).shape[1])
        probe = self._tokeniser([PROBE, ""])["input_ids"]
        digest = weights_digest(weights, [self._pooling, self._length, probe])
        fingerprint = f"transformers-{short_name(name)}-text-{self._pooling}-{digest}"
        super().__init__(fingerprint, dim, device, dtype, normalise)

    def vectors(self, texts: list[str]) -> Float[Tensor, "text dim"]:
        """Vectors of a batch of texts.

        Raises:
            ValueError: a text has no token at all.
        """
        # Image-text networks were trained on texts padded to one length; SigLIP has no mask and needs it.
        padding = "max_length" if self._projects else "longest"
        tokens = self._tokeniser(
            texts, padding=padding, truncation=True, max_length=self._length, return_tensors="pt"
        ).to(self._on)
        if self._pooling == "projected":
            return _tensor(self._network.get_text_features(**tokens))
        network = self._network.text_model if self._projects else self._network
        mask = tokens.get("attention_mask", torch.ones_like(tokens["input_ids"])).bool()
        if not bool(mask.any(1).all()):
            empty = texts[int((~mask.any(1)).nonzero()[0])]
            raise ValueError(f"the text {empty!r:.80} has no token for {self._network.name_or_path}; leave it out")
        last = network(**tokens).last_hidden_state
        if self._pooling == "first":
            return last[:, 0]
        if self._pooling == "last":
            return last[torch.arange(len(last), device=self._on), mask.sum(1) - 1]
        return (last * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def load_transformer(name: str, *without: str) -> tuple[Any, dict[str, Tensor]]:
    """A network in evaluation mode, and those of its weights that shape the vectors.

    Args:
        name: folder or Hub name.
        without: beginnings of the names of weights that belong to the other tower.
    Raises:
        FileNotFoundError: no such folder, and no such model in the Hub's cache.
        ValueError: weights do not fit the configuration (shapes are named), or lack parts of it: those would be
            random.
    """
    with fitting(name, "their configuration"), found(name, "model"):
        model, loading = AutoModel.from_pretrained(
            name, output_loading_info=True, ignore_mismatched_sizes=True, trust_remote_code=False
        )
    if wrong := loading["mismatched_keys"]:
        listed = "; ".join(f"{key} is {tuple(have)}, not {tuple(want)}" for key, have, want in sorted(wrong)[:8])
        raise ValueError(f"the weights of {name} do not fit its configuration: {listed}")
    # Checkpoints trained without a pooling layer lack it; it is not used here.
    missing = {key for key in loading["missing_keys"] if not key.startswith(without)}
    if lacking := sorted(key for key in missing if not key.startswith("pooler.")):
        raise ValueError(f"the weights of {name} lack {', '.join(lacking[:8])}, which its configuration asks for")
    weights = {
        key: value for key, value in model.state_dict().items() if key not in missing and not key.startswith(without)
    }
    return model.eval(), weights


def _tensor(made: Any) -> Tensor:
    """Features as a tensor: transformers 4 returns one, 5 an output that holds it."""
    return made if isinstance(made, Tensor) else made.pooler_output


def _positions(config: Any) -> int:
    """Positions that the network has; some (RoBERTa) count from the padding's number on."""
    positions = int(getattr(config, "max_position_embeddings", 512))
    return positions - (config.pad_token_id + 1 if config.model_type in {"roberta", "xlm-roberta", "camembert"} else 0)
