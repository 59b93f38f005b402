"""Faces: attribute feedback, attribute classifiers, attribute-to-image retrieval and reverse face search."""
