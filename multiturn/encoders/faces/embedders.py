"""Face networks of PyTorch as embedders: their weights, input and mirror images; the networks live beside this file."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import normalize

from multiturn.encoders.faces.inception_resnet import InceptionResnetV1
from multiturn.encoders.faces.mobilefacenet import MobileFaceNet
from multiturn.encoders.state_dicts import fit, read_tensors
from multiturn.encoders.tf32 import without_tf32
from multiturn.encoders.weights import existing_file, weights_digest


class TorchEmbedder:
    """A face network on pixels less 127.5, divided by 128.

    Args:
        name: of the network, for the fingerprint.
        network: makes embeddings of any length.
        height: of its input in pixels.
        width: likewise.
        mirror: add the embedding of the mirror image, which makes the vector the same for both.
        device: where to compute.
    """

    def __init__(
        self, name: str, network: nn.Module, height: int, width: int, mirror: bool, device: torch.device | str = "cpu"
    ) -> None:
        self.height, self.width, self._mirror = height, width, mirror
        self._network, self._device = network.eval().to(device), torch.device(device)
        with torch.no_grad():
            self._dim = self._network(torch.zeros(1, 3, height, width, device=device)).shape[1]
        digest = weights_digest(network.state_dict(), [height, width, mirror])
        self.fingerprint = f"{name}-{height}x{width}{'-mirror' if mirror else ''}-{digest}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @torch.no_grad()
    @without_tf32()
    def embed(self, faces: UInt8[Tensor, "face 3 height width"]) -> Float[Tensor, "face dim"]:
        """See `multiturn.encoders.faces.FaceEmbedder.embed`; vectors have length 1."""
        inputs = (faces.to(self._device).float() - 127.5) / 128
        vectors = self._network(inputs)
        if self._mirror:
            vectors = vectors + self._network(inputs.flip(3))
        return normalize(vectors.float(), dim=1).cpu()


def mobilefacenet(
    weights: str, height: int = 112, width: int = 96, mirror: bool = True, device: torch.device | str = "cpu"
) -> TorchEmbedder:
    """MobileFaceNet from a state dict, by itself or as `net_state_dict` of a checkpoint.

    Raises:
        FileNotFoundError: no file at `weights`.
        ValueError: it is of another network, or for another size of input; each mismatch is named.
    """
    file = existing_file(weights, "a state dict of MobileFaceNet", "whoever trained it")
    state = read_tensors(file, "MobileFaceNet", "net_state_dict")
    last = state.get("linear1.bn.weight", torch.empty(128))
    network = MobileFaceNet(height, width, len(last))
    fit(network, state, file, "MobileFaceNet")
    return TorchEmbedder("mobilefacenet", network, height, width, mirror, device)


def inception_resnet_v1(
    weights: str, side: int = 160, mirror: bool = False, device: torch.device | str = "cpu"
) -> TorchEmbedder:
    """Inception-ResNet v1 from a state dict as facenet-pytorch publishes it; its classifier, `logits`, is left out.

    It was trained on boxes of MTCNN, not on aligned faces: use `FaceEncoder(..., align="box")`.

    Raises:
        FileNotFoundError: no file at `weights`.
        ValueError: it is of another network; each mismatch is named.
    """
    file = existing_file(weights, "20180402-114759-vggface2.pt or another", "facenet-pytorch's releases")
    state = read_tensors(file, "InceptionResnetV1")
    network = InceptionResnetV1()
    wanted = {key: value for key, value in state.items() if not key.startswith("logits.")}
    fit(network, wanted, file, "InceptionResnetV1")
    return TorchEmbedder("inception-resnet-v1", network, side, side, mirror, device)
