"""k-reciprocal Jaccard distances, DBSCAN on them, re-ranking and what they are made of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _arrays, _vireid
from ._error import VireidError, out_of_range
from ._progress import reporter

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

EXPANSIONS = ("plain", "modality", "modality_camera", "capped")


def compute_jaccard_distance(
    features: Any,
    k1: int = 20,
    k2: int = 6,
    print_flag: bool = True,
    search_option: int = 0,
    use_float16: bool = False,
    dense: bool = False,
    eps: float | None = None,
    *,
    cameras: Any | None = None,
    modalities: Any | None = None,
    expansion: str = "plain",
    k3: int = 1,
    threads: int | None = None,
    progress: bool = False,
) -> csr_matrix | np.ndarray:
    """Jaccard distances of k-reciprocal encodings, in place of the function of this name that scripts of the field share.

    Args:
        features: ``(N, D)``, a NumPy array or a torch tensor; rows of length 1 as a rule.
        k1: Neighbours of the k-reciprocal sets, the sample included.
        k2: Neighbours whose encodings are averaged, the sample included; 1 for none.
        print_flag: Print what is done and how long it took.
        search_option: Taken and not looked at: the search is exact, on the CPU.
        use_float16: Of a dense result.
        dense: Return the ``(N, N)`` array, with 1 for what is not kept.
        eps: Keep distances of at most this; all that are below 1, those of samples that share a neighbour, otherwise.
        cameras: ``(N,)`` names or numbers, for ``expansion``.
        modalities: ``(N,)`` of 0 (visible) and 1 (infrared), or these words.
        expansion: ``plain``, the mean of the ``k2`` nearest; ``modality``, each modality counting equally;
            ``modality_camera``, each camera of each modality (DMIC); ``capped``, with at most ``k3`` of a camera (ECUL).
        k3: Samples of one camera that count at most, for ``capped``.
        threads: All cores if not given.
        progress: Show bars of tqdm.

    Returns:
        A ``scipy.sparse.csr_matrix`` of float32, nearest first in each row, in which what is missing is far: scikit-learn's
        ``DBSCAN(metric="precomputed")`` and ``NearestNeighbors`` take it as it is. With ``dense=True`` an array.

    >>> import numpy as np
    >>> angles = np.array([0.0, 0.02, 0.04, 1.5, 1.52, 1.54])
    >>> faces = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> distances = compute_jaccard_distance(faces, k1=3, k2=1, print_flag=False, dense=True)
    >>> distances.shape, bool(distances[0, 1] < 0.3), float(distances[0, 5])
    ((6, 6), True, 1.0)
    """
    rows = _arrays.rows(features)
    if eps is not None and not 0 < eps <= 1:
        raise out_of_range("eps", eps, "above 0 and at most 1 (a Jaccard distance)")
    options = _expansion(expansion, k2, k3, cameras, modalities, len(rows))
    if not dense:
        _scipy()
    start = time.perf_counter()
    if print_flag:
        print("Computing jaccard distance...")
    with reporter(progress) as report:
        k1 = _arrays.count(k1, "k1")
        limit = _arrays.BELOW_ONE if eps is None else min(float(eps), _arrays.BELOW_ONE)
        parts = _vireid.jaccard(rows, k1, options, limit, _arrays.thread_count(threads), report)
    if dense:
        distances = _dense(parts, len(rows), np.float16 if use_float16 else np.float32)
    else:
        distances = _csr(parts, len(rows))
    if print_flag:
        print(f"Jaccard distance computing time cost: {time.perf_counter() - start}")
    return distances


def cluster(
    features: Any,
    *,
    k1: int = 30,
    k2: int = 6,
    eps: float = 0.6,
    min_samples: int = 4,
    cameras: Any | None = None,
    modalities: Any | None = None,
    expansion: str = "plain",
    k3: int = 1,
    return_graph: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> np.ndarray | tuple[np.ndarray, csr_matrix]:
    """Pseudo-labels: Jaccard distances of k-reciprocal encodings, and DBSCAN on them with scikit-learn's labels.

    Args:
        features: ``(N, D)``, a NumPy array or a torch tensor; rows of length 1 as a rule.
        eps: Largest distance of two neighbours, above 0 and below 1.
        min_samples: Neighbours, the sample included, that make a core sample.
        return_graph: Return the distances of at most ``eps`` as well, as a ``scipy.sparse.csr_matrix``.

        All others are those of :func:`compute_jaccard_distance`.

    Returns:
        ``(N,)`` int64, clusters from 0 on and -1 for noise; with ``return_graph`` a pair.

    >>> import numpy as np
    >>> angles = np.array([0.0, 0.02, 0.04, 0.06, 1.5, 1.52, 1.54, 1.56, 3.0])
    >>> faces = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> cluster(faces, k1=4, k2=2, eps=0.6, min_samples=3)
    array([ 0,  0,  0,  0,  1,  1,  1,  1, -1])
    """
    rows = _arrays.rows(features)
    options = _expansion(expansion, k2, k3, cameras, modalities, len(rows))
    k1, min_samples = _arrays.count(k1, "k1"), _arrays.count(min_samples, "min_samples")
    if return_graph:
        _scipy()
    with reporter(progress) as report:
        threads = _arrays.thread_count(threads)
        labels, parts = _vireid.cluster(rows, (k1, float(eps), min_samples), options, threads, report)
    return (labels, _csr(parts, len(rows))) if return_graph else labels


def dbscan(graph: Any, *, eps: float = 0.6, min_samples: int = 4) -> np.ndarray:
    """DBSCAN on distances, with scikit-learn's labels.

    Args:
        graph: ``(N, N)``: a sparse matrix in which what is missing is far, such as that of :func:`compute_jaccard_distance`, or
            an array.
        eps: Largest distance of two neighbours.
        min_samples: Neighbours, the sample included, that make a core sample.

    Returns:
        ``(N,)`` int64, clusters from 0 on and -1 for noise.

    >>> import numpy as np
    >>> dbscan(np.array([[0, 0.1, 0.9], [0.1, 0, 0.8], [0.9, 0.8, 0]]), eps=0.5, min_samples=2)
    array([ 0,  0, -1])
    """
    if not eps > 0:
        raise out_of_range("eps", eps, "above 0")
    return _vireid.dbscan(*_arrays.near(graph, "graph", eps), _arrays.count(min_samples, "min_samples"))


def nearest_neighbours(
    features: Any,
    k: int,
    *,
    gallery: Any | None = None,
    return_distances: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest rows of every row in Euclidean distance, exact; ties go to the smaller index.

    Args:
        features: ``(N, D)``.
        k: With fewer rows to find, all of them are ranked.
        gallery: ``(M, D)`` rows to find; ``features`` itself if not given, each row among its own neighbours.
        return_distances: Return the squared distances as well.

    Returns:
        ``(N, k)`` int64, nearest first; with ``return_distances`` a pair, the second ``(N, k)`` float32.

    >>> nearest_neighbours([[0.0], [1.0], [5.0]], 2)
    array([[0, 1],
           [1, 0],
           [2, 1]])
    """
    rows = _arrays.rows(features)
    others = None if gallery is None else _arrays.rows(gallery, "gallery")
    with reporter(progress) as report:
        threads = _arrays.thread_count(threads)
        k = _arrays.count(k, "k")
        found, distances = _vireid.nearest(rows, others, k, bool(return_distances), threads, report)
    return found if distances is None else (found, distances)


def k_reciprocal_re_ranking(
    query: Any,
    gallery: Any,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    *,
    return_ranking: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Distances after k-reciprocal re-ranking (Zhong et al., CVPR 2017), without the matrix of all pairs.

    Args:
        query: ``(Q, D)``.
        gallery: ``(G, D)``.
        k1: Neighbours of the k-reciprocal sets, the sample not counted.
        k2: Neighbours whose encodings are averaged.
        lambda_value: Share of the plain distance in the result.
        return_ranking: Return the gallery's rows, nearest first, instead.

    Returns:
        ``(Q, G)`` float32 distances, or int64 rows.

    >>> k_reciprocal_re_ranking([[1.0, 0.0]], [[0.0, 1.0], [0.8, 0.6]], k1=1, k2=1, return_ranking=True)
    array([[1, 0]])
    """
    rows, others = _arrays.rows(query, "query"), _arrays.rows(gallery, "gallery")
    k1, k2 = _arrays.count(k1, "k1"), _arrays.count(k2, "k2")
    with reporter(progress) as report:
        threads = _arrays.thread_count(threads)
        return _vireid.re_rank(rows, others, (k1, k2, float(lambda_value)), bool(return_ranking), threads, report)


class KMeans(NamedTuple):
    """What :func:`kmeans` found."""

    #: ``(N,)`` int64.
    labels: np.ndarray
    #: ``(k, D)`` float32.
    centroids: np.ndarray
    #: Sum of the squared distances of samples to their centroids.
    inertia: float


def kmeans(
    features: Any,
    k: int,
    *,
    seed: int = 0,
    restarts: int = 10,
    max_iterations: int = 300,
    tolerance: float = 1e-4,
    threads: int | None = None,
    progress: bool = False,
) -> KMeans:
    """Lloyd's k-means with greedy k-means++ starts, as scikit-learn's; equal seeds give equal clusters.

    Args:
        features: ``(N, D)``.
        k: From 1 to N.
        restarts: Starts, of which the best is kept.

    >>> kmeans([[0.0], [0.1], [5.0], [5.2]], 2).inertia < 0.03
    True
    """
    rows = _arrays.rows(features)
    if not 0 <= tolerance < np.inf:
        raise out_of_range("tolerance", tolerance, "at least 0")
    settings = (
        _arrays.count(k, "k"),
        _arrays.count(restarts, "restarts"),
        _arrays.count(max_iterations, "max_iterations"),
        float(tolerance),
    )
    with reporter(progress) as report:
        threads = _arrays.thread_count(threads)
        return KMeans(*_vireid.kmeans(rows, settings, _arrays.seed(seed), threads, report))


def _expansion(
    name: str, k2: int, k3: int, cameras: Any, modalities: Any, rows: int
) -> tuple[str, int, int, np.ndarray, np.ndarray]:
    _arrays.one_of(name, "expansion", EXPANSIONS)
    if name == "modality" and modalities is None:
        raise VireidError("VR0201", "expansion = modality needs modalities=")
    if name in ("modality_camera", "capped") and cameras is None:
        raise VireidError("VR0201", f"expansion = {name} needs cameras=")
    of_cameras, of_modalities = _arrays.cameras(cameras, rows), _arrays.modalities(modalities, rows)
    return name, _arrays.count(k2, "k2"), _arrays.count(k3, "k3"), of_cameras, of_modalities


def _scipy() -> Any:
    try:
        from scipy import sparse
    except ImportError:
        raise ImportError("a sparse result needs SciPy: pip install scipy, or ask for dense=True") from None
    return sparse


def _csr(parts: _arrays.Sparse, rows: int) -> csr_matrix:
    values, columns, starts = parts
    return _scipy().csr_matrix((values, columns, starts), shape=(rows, rows))


def _dense(parts: _arrays.Sparse, rows: int, dtype: type) -> np.ndarray:
    values, columns, starts = parts
    distances: np.ndarray = np.ones((rows, rows), dtype)
    for row in range(rows):
        stored = slice(starts[row], starts[row + 1])
        distances[row, columns[stored]] = values[stored]
    return distances
