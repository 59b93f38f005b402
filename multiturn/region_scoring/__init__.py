"""Exact scores of several state vectors a session against images of many regions; searching them is in search.py."""

from multiturn.region_scoring.states import StateScores
from multiturn.region_scoring.vectors import RegionFormula, RegionVectors

__all__ = ["RegionFormula", "RegionVectors", "StateScores"]
