"""What is reported of ranks: metrics under the one name that every table uses, intervals, paired tests."""

from multiturn.metrics.intervals import Interval, interval
from multiturn.metrics.names import Metric, Named, described, known, metric_named
from multiturn.metrics.sessions import area, bri, carried_rank, carried_recall, first_hit, hits_at, rounds_to_hit
from multiturn.metrics.turns import percentile, percentile_of_n, rank, recall_at, reciprocal_rank

__all__ = [
    "Interval",
    "Metric",
    "Named",
    "area",
    "bri",
    "carried_rank",
    "carried_recall",
    "described",
    "first_hit",
    "hits_at",
    "interval",
    "known",
    "metric_named",
    "percentile",
    "percentile_of_n",
    "rank",
    "recall_at",
    "reciprocal_rank",
    "rounds_to_hit",
]
