"""Visual Genome: photographs with dozens of region captions each, for queries of several turns.

Region features and models live elsewhere.
"""

from data_prep.visual_genome.loading import ABOUT, load, visual_genome_features
from data_prep.visual_genome.reading import Image, Region, read, read_phrases
from data_prep.visual_genome.regions import Kept, keep
from data_prep.visual_genome.sides import RELEASED, read_sides, seeded_sides
from data_prep.visual_genome.vocabulary import count_words, vocabulary

__all__ = [
    "ABOUT",
    "RELEASED",
    "Image",
    "Kept",
    "Region",
    "count_words",
    "keep",
    "load",
    "read",
    "read_phrases",
    "read_sides",
    "seeded_sides",
    "visual_genome_features",
    "vocabulary",
]
