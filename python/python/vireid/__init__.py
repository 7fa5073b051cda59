"""Clustering, evaluation and trained networks of unsupervised visible-infrared person re-identification.

Arrays are NumPy's or torch's (or anything that NumPy takes), of one row per image. Long calls let other Python threads run,
use all cores (or ``threads=``), show a ``tqdm`` bar with ``progress=True`` and end at Ctrl-C. What is wrong with an argument is a
:class:`VireidError` with a ``code``; ``vireid.explain(code)`` says more.
"""

from ._clustering import (
    KMeans,
    cluster,
    compute_jaccard_distance,
    dbscan,
    k_reciprocal_re_ranking,
    kmeans,
    nearest_neighbours,
)
from ._error import VireidError, explain
from ._evaluation import evaluate, evaluate_llcm, evaluate_regdb, evaluate_sysu
from ._matching import (
    LabelTransfer,
    bilateral_match,
    label_transfer,
    linear_assignment,
    multi_memory_match,
    sinkhorn,
)
from ._network import Calibration, Found, Network

__all__ = [
    "Calibration",
    "Found",
    "KMeans",
    "LabelTransfer",
    "Network",
    "VireidError",
    "bilateral_match",
    "cluster",
    "compute_jaccard_distance",
    "dbscan",
    "evaluate",
    "evaluate_llcm",
    "evaluate_regdb",
    "evaluate_sysu",
    "explain",
    "k_reciprocal_re_ranking",
    "kmeans",
    "label_transfer",
    "linear_assignment",
    "multi_memory_match",
    "nearest_neighbours",
    "sinkhorn",
]
