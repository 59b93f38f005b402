"""The embedded default data set: drawn faces with CelebA's 40 attributes, so that nothing is downloaded."""

from data_prep.drawn_faces.dataset import VERSION, load

__all__ = ["VERSION", "load"]
