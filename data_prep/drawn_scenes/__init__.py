"""The embedded default data set for text: drawn scenes of several objects with region captions; no download."""

from data_prep.drawn_scenes.dataset import VERSION, load

__all__ = ["VERSION", "load"]
