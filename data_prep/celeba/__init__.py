"""CelebA: 202,599 face images with 40 attributes each, from the official files or from the Hub.

Models and encoders that use the faces live elsewhere; the attribute names are in `data_prep.attributes`.
"""

from data_prep.celeba.annotations import Annotations, read_annotations
from data_prep.celeba.images import check_images
from data_prep.celeba.loading import HUB_ID, HUB_REVISION, FaceSplits, load, save
from data_prep.celeba.release import OFFICIAL, Release, measure

__all__ = [
    "HUB_ID",
    "HUB_REVISION",
    "OFFICIAL",
    "Annotations",
    "FaceSplits",
    "Release",
    "check_images",
    "load",
    "measure",
    "read_annotations",
    "save",
]
