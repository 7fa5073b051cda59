"""Associations of the clusters of two modalities, and the transport and assignment under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, TypeVar

import numpy as np

from . import _arrays, _vireid
from ._error import VireidError, out_of_range
from ._progress import reporter

Each = TypeVar("Each")


def bilateral_match(infrared: Any, visible: Any, *, orientation: str = "released") -> np.ndarray:
    """MBCCM's association of clusters from their centroids: every cluster of either side gets a partner.

    Args:
        infrared: ``(I, D)`` centroids.
        visible: ``(V, D)`` centroids.
        orientation: ``released``, as the authors' code, or ``mirrored``, where swapping the modalities transposes the result.

    Returns:
        ``(I, V)`` bool.

    >>> bilateral_match([[0.1, 0.9], [0.9, 0.1]], [[1.0, 0.0], [0.0, 1.0]])
    array([[False,  True],
           [ True, False]])
    """
    rows, others = _arrays.rows(infrared, "infrared"), _arrays.rows(visible, "visible")
    mirrored = _arrays.one_of(orientation, "orientation", ("released", "mirrored")) == "mirrored"
    return _vireid.bilateral(rows, others, mirrored)


def multi_memory_match(
    visible: Sequence[Any],
    infrared: Sequence[Any],
    *,
    direction: str = "infrared",
    matching: str = "nearest",
    return_costs: bool = False,
    threads: int | None = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """MMM's association of clusters that have several memories each.

    Args:
        visible: A ``(memories, D)`` array per cluster.
        infrared: The same.
        direction: Whose memories look for their nearest counterpart: ``infrared`` (the authors' code), ``visible`` (the paper)
            or ``symmetric``.
        matching: ``nearest``, each visible cluster the cheapest infrared one (the code), or ``hungarian`` (the paper).
        return_costs: Return the ``(V, I)`` costs of all pairs as well.

    Returns:
        ``(V,)`` int64, the infrared cluster of every visible one, -1 where there is none.

    >>> multi_memory_match([[[0.0, 1.0]], [[1.0, 0.0]]], [[[0.9, 0.1], [1.0, 0.2]], [[0.1, 0.9]]])
    array([1, 0])
    """
    own = [_arrays.rows(memories, f"visible[{number}]") for number, memories in enumerate(visible)]
    others = [_arrays.rows(memories, f"infrared[{number}]") for number, memories in enumerate(infrared)]
    _arrays.one_of(direction, "direction", ("infrared", "visible", "symmetric"))
    hungarian = _arrays.one_of(matching, "matching", ("nearest", "hungarian")) == "hungarian"
    matched, costs = _vireid.multi_memory(own, others, direction, hungarian, _arrays.thread_count(threads))
    return (matched, costs) if return_costs else matched


class LabelTransfer(NamedTuple):
    """Soft labels of both modalities in both label spaces, float32 with rows that sum to 1."""

    #: Visible images over visible clusters.
    visible_to_visible: np.ndarray
    #: Infrared images over visible clusters.
    infrared_to_visible: np.ndarray
    #: Visible images over infrared clusters.
    visible_to_infrared: np.ndarray
    #: Infrared images over infrared clusters.
    infrared_to_infrared: np.ndarray
    #: Rounds taken in the visible and in the infrared label space.
    rounds: tuple[int, int]


def label_transfer(
    visible: Any,
    infrared: Any,
    visible_labels: Any,
    infrared_labels: Any,
    *,
    k1: int = 30,
    k2: int = 6,
    centroids: tuple[Any, Any] | None = None,
    distances: tuple[Any, Any] | None = None,
    alpha: float = 0.2,
    temperature: float = 0.05,
    tolerance: float = 0.01,
    max_rounds: int = 20,
    threads: int | None = None,
    progress: bool = False,
) -> LabelTransfer:
    """MULT's modality-unified label transfer: soft labels that agree within and across the modalities.

    Args:
        visible: ``(V, D)`` rows of length 1.
        infrared: ``(I, D)`` rows of length 1.
        visible_labels: ``(V,)`` clusters from 0 on, -1 for noise.
        infrared_labels: ``(I,)`` likewise.
        k1, k2: Of the Jaccard distances within each modality.
        centroids: Those of the visible and of the infrared clusters, where they are not the means.
        distances: Jaccard distances of the visible and of the infrared images, where they are known already:
            ``compute_jaccard_distance`` gives them.

    >>> rows = [[1.0, 0.0], [0.995, 0.0999], [0.0, 1.0], [0.0999, 0.995]]
    >>> moved = label_transfer(rows, rows, [0, 0, 1, 1], [1, 1, 0, 0], k1=2, k2=1)
    >>> moved.visible_to_infrared.argmax(1)
    array([1, 1, 0, 0])
    """
    rows = (_arrays.rows(visible, "visible"), _arrays.rows(infrared, "infrared"))
    found = (
        _arrays.labels(visible_labels, "visible_labels", len(rows[0])),
        _arrays.labels(infrared_labels, "infrared_labels", len(rows[1])),
    )
    if not 0 <= tolerance < np.inf:
        raise out_of_range("tolerance", tolerance, "at least 0")
    settings = (
        _arrays.count(k1, "k1"),
        _arrays.count(k2, "k2"),
        float(alpha),
        float(temperature),
        float(tolerance),
        _arrays.count(max_rounds, "max_rounds"),
    )
    means = None if centroids is None else _pair(centroids, lambda each: _arrays.rows(each, "centroids"))
    known = None if distances is None else _pair(distances, lambda each: _arrays.below_one(each, "distances"))
    with reporter(progress) as report:
        threads = _arrays.thread_count(threads)
        spaces, rounds = _vireid.label_transfer(rows, found, (means, known), settings, threads, report)
    return LabelTransfer(*spaces[0], *spaces[1], rounds)


def _pair(pair: tuple[Any, Any], of: Callable[[Any], Each]) -> tuple[Each, Each]:
    """Does the same to what is of the visible and of the infrared images."""
    visible, infrared = pair
    return of(visible), of(infrared)


class SinkhornWarning(UserWarning):
    """The iteration ended before its stopping rule was met."""


def sinkhorn(
    cost: Any,
    *,
    lam: float = 25.0,
    tolerance: float = 0.1,
    max_steps: int = 500,
    logarithmic: bool = False,
    threads: int | None = None,
) -> np.ndarray:
    """The transport plan between uniform marginals with kernel ``exp(-lam * cost)``. Defaults are those of MULT's code.

    Args:
        cost: ``(R, C)``.
        logarithmic: Iterate on logarithms, slower, for costs whose kernel underflows.

    Returns:
        ``(R, C)`` float32, which sums to 1.

    >>> sinkhorn([[0.0, 1.0], [1.0, 0.0]]).round(2)
    array([[0.5, 0. ],
           [0. , 0.5]], dtype=float32)
    """
    costs = _arrays.matrix(cost, "cost", np.float32)
    if not np.isfinite(costs).all():
        row = int(np.argwhere(~np.isfinite(costs))[0][0])
        raise VireidError("VR0002", f"row {row} of the costs holds a value that is not finite")
    settings = (float(lam), float(tolerance), _arrays.count(max_steps, "max_steps"))
    plan, steps, converged = _vireid.sinkhorn(costs, settings, bool(logarithmic), _arrays.thread_count(threads))
    if not converged:
        import warnings

        warnings.warn(f"the transport did not settle in {steps} steps", SinkhornWarning, stacklevel=2)
    return plan


def linear_assignment(cost: Any) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest assignment of a rectangular matrix, with SciPy's ties.

    Args:
        cost: ``(R, C)``.

    Returns:
        Rows, ascending, and their columns: ``min(R, C)`` of each, int64.

    >>> linear_assignment([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0]])
    (array([0, 1]), array([1, 0]))
    """
    return _vireid.linear_assignment(_arrays.matrix(cost, "cost", np.float64))
