"""Detecting faces with OpenCV's YuNet, from an ONNX file that OpenCV publishes; needs the extra `faces`."""

from hashlib import sha256

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from multiturn.encoders.faces import LEAST_SIDE, FoundFaces
from multiturn.encoders.weights import existing_file

SOURCE = "OpenCV's model zoo (opencv_zoo, models/face_detection_yunet)"


class YuNet:
    """OpenCV's `FaceDetectorYN`.

    Args:
        weights: the ONNX file, such as face_detection_yunet_2023mar.onnx.
        least_score: faces below are dropped, in [0, 1].
        overlap: intersection over union from which the less sure of two faces is dropped.
    Raises:
        ImportError: OpenCV is not installed.
        FileNotFoundError: no file at `weights`.
        ValueError: OpenCV cannot read it.
    Source:
        Wu et al., "YuNet: a tiny millisecond-level face detector", 2023.
    """

    def __init__(self, weights: str, least_score: float = 0.6, overlap: float = 0.3) -> None:
        try:
            import cv2  # type: ignore[import-not-found]
        except ImportError as reason:
            raise ImportError("YuNet runs in OpenCV: pip install 'multiturn-retrieval[faces]'") from reason
        file = existing_file(weights, "face_detection_yunet_2023mar.onnx", SOURCE)
        try:
            self._network = cv2.FaceDetectorYN.create(str(file), "", (320, 320), least_score, overlap)
        except cv2.error as reason:
            raise ValueError(f"OpenCV cannot read {file} ({reason}); download it again from {SOURCE}") from reason
        digest = sha256(file.read_bytes() + f"{least_score} {overlap}".encode()).hexdigest()[:16]
        self.fingerprint = f"yunet-{digest}"

    def find(self, image: Image.Image) -> FoundFaces:
        """See `multiturn.encoders.faces.FaceDetector.find`."""
        if min(image.size) < LEAST_SIDE:
            return faces_of_rows(np.empty((0, 15), np.float32))
        self._network.setInputSize(image.size)
        # OpenCV wants blue first, and gives None where there is no face.
        _, rows = self._network.detect(np.ascontiguousarray(np.array(image)[:, :, ::-1]))
        return faces_of_rows(np.empty((0, 15), np.float32) if rows is None else rows)


def faces_of_rows(rows: Float[np.ndarray, "face 15"]) -> FoundFaces:
    """Read OpenCV's table: left, top, width, height, five landmarks as x and y, score.

    The eye that comes first is the person's right one, which is on the picture's left.
    """
    table = torch.from_numpy(np.asarray(rows, np.float32))
    corners = table[:, :2]
    return FoundFaces(torch.cat([corners, corners + table[:, 2:4]], 1), table[:, 4:14].reshape(-1, 5, 2), table[:, 14])
