"""Any face network in an ONNX file, run by onnxruntime; needs the extra `faces`."""

from hashlib import sha256
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import normalize

from multiturn.encoders.weights import existing_file

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEmbedder:
    """A network from faces (face, 3, height, width) to vectors (face, dim).

    Nothing in the file says how the pixels should be scaled: take it from whoever published the network. ArcFace's
    releases take (x - 127.5) / 127.5 of RGB, OpenCV's SFace 0..255 of RGB.

    Args:
        path: the ONNX file.
        mean: subtracted from pixels of 0..255.
        std: then divided by.
        order: of the channels.
        mirror: add the embedding of the mirror image.
        height: of the input, where the file leaves it open.
        width: likewise.
        device: 'cpu' or 'cuda'; the latter needs onnxruntime-gpu.
    Raises:
        ImportError: onnxruntime is not installed.
        FileNotFoundError: no file at `path`.
        ValueError: damaged; other than one input and one output; an input of another shape, which is named; the
            installed onnxruntime has no such device.
    """

    def __init__(
        self,
        path: str,
        mean: float = 127.5,
        std: float = 127.5,
        order: Literal["RGB", "BGR"] = "RGB",
        mirror: bool = False,
        height: int | None = None,
        width: int | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> None:
        file = existing_file(path, "a face network in ONNX form", "whoever published it")
        self._session = _open(str(file), device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; one of each is needed")
        shape = inputs[0].shape
        if len(shape) != 4 or shape[1] != 3 or inputs[0].type != "tensor(float)":
            raise ValueError(f"{path} takes {inputs[0].type} of {shape}, not floats of (face, 3, height, width)")
        self._input, self._at_once = inputs[0].name, shape[0] if isinstance(shape[0], int) else None
        self.height = _side("height", shape[2], height)
        self.width = _side("width", shape[3], width)
        self._mean, self._std, self._order, self._mirror = mean, std, order, mirror
        options = f"{mean} {std} {order} {mirror} {self.height} {self.width}"
        self.fingerprint = f"onnx-{file.stem}-{sha256(file.read_bytes() + options.encode()).hexdigest()[:16]}"
        self._dim = self._run(np.zeros((1, 3, self.height, self.width), np.float32)).shape[1]

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    def embed(self, faces: UInt8[Tensor, "face 3 height width"]) -> Float[Tensor, "face dim"]:
        """See `multiturn.encoders.faces.FaceEmbedder.embed`; vectors have length 1."""
        pixels = faces.cpu().numpy().astype(np.float32)
        inputs = (pixels[:, ::-1] if self._order == "BGR" else pixels) - self._mean
        inputs = np.ascontiguousarray(inputs / self._std, np.float32)
        vectors = self._run(inputs)
        if self._mirror:
            vectors = vectors + self._run(np.ascontiguousarray(inputs[..., ::-1]))
        return normalize(torch.from_numpy(vectors), dim=1)

    def _run(self, inputs: Float[np.ndarray, "face 3 height width"]) -> Float[np.ndarray, "face dim"]:
        # Many files are fixed to so many faces at a time; the last batch is filled up with its own first face.
        step = self._at_once or max(1, len(inputs))
        vectors = []
        for first in range(0, len(inputs), step):
            batch = inputs[first : first + step]
            whole = np.concatenate([batch, np.repeat(batch[:1], step - len(batch), 0)])
            (output,) = self._session.run(None, {self._input: whole})
            vectors.append(output.reshape(step, -1)[: len(batch)].astype(np.float32))
        return np.concatenate(vectors) if vectors else np.empty((0, self.dim), np.float32)


def _open(path: str, device: str) -> Any:
    try:
        import onnxruntime  # type: ignore[import-not-found]
    except ImportError as reason:
        raise ImportError("ONNX files run in onnxruntime: pip install 'multiturn-retrieval[faces]'") from reason
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise ValueError(f"the installed onnxruntime cannot compute on {device!r}; pip install onnxruntime-gpu")
    try:
        return onnxruntime.InferenceSession(path, providers=[PROVIDERS[device]])
    # onnxruntime's exceptions share no base class.
    except Exception as reason:
        raise ValueError(f"onnxruntime cannot read {path} ({reason}); download it again") from reason


def _side(name: str, stated: int | str | None, wanted: int | None) -> int:
    if isinstance(stated, int):
        if wanted not in (None, stated):
            raise ValueError(f"the network takes faces of {name} {stated}, not {wanted}")
        return stated
    if wanted is None:
        raise ValueError(f"the file leaves the {name} of a face open; give it")
    return wanted
