"""The protocols of the field, with CPython's gallery draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _arrays, _vireid
from ._error import VireidError, out_of_range

PROTOCOLS = ("sysu", "regdb", "llcm", "own")


def evaluate(
    query: Any,
    gallery: Any,
    ids: tuple[Any, Any],
    cams: tuple[Any, Any] | None = None,
    *,
    protocol: str = "own",
    mode: str = "all",
    trials: int = 10,
    normalize: bool = True,
    threads: int | None = None,
) -> dict[str, float]:
    """Rank-k, mAP and mINP of queries in a gallery, in percent.

    Args:
        query: ``(Q, D)`` embeddings.
        gallery: ``(G, D)`` embeddings of all images that galleries are drawn from, in the order of their file names: draws
            depend on it.
        ids: Who is on each query and on each gallery image: a pair of ``(Q,)`` and ``(G,)``.
        cams: Which camera took each, likewise; by SYSU-MM01's numbers 1 to 6 for ``sysu``.
        protocol: ``sysu``, ``regdb``, ``llcm``, or ``own``: every query against all of the gallery.
        mode: ``all`` or ``indoor``, for ``sysu``.
        trials: Galleries drawn, for ``sysu`` and ``llcm``.
        normalize: Scale rows to length 1 first. Without it they are compared by their inner products.

    Returns:
        ``rank1``, ``rank5``, ``rank10``, ``rank20``, ``mAP`` and ``mINP``, means over trials; each with ``_std``, the sample
        deviation; ``trials``, ``queries`` and ``queries_counted``, those with a match in the gallery.

    >>> found = evaluate([[1.0, 0.0]], [[0.9, 0.1], [0.1, 0.9]], ([7], [7, 9]))
    >>> found["rank1"], found["mAP"]
    (100.0, 100.0)
    """
    _arrays.one_of(protocol, "protocol", PROTOCOLS)
    rows = (_arrays.rows(query, "query"), _arrays.rows(gallery, "gallery"))
    if normalize:
        rows = (_unit(rows[0]), _unit(rows[1]))
    counts = (len(rows[0]), len(rows[1]))
    people = _people(ids, counts)
    if protocol == "sysu":
        protocol = "sysu-" + _arrays.one_of(mode, "mode", ("all", "indoor"))
        cameras = _cameras(cams, counts, protocol)
    elif protocol == "llcm":
        cameras = _cameras(cams, counts, protocol)
    else:
        cameras = np.zeros(counts[0], np.uint16), np.zeros(counts[1], np.uint16)
    queries, pool = (people[0], cameras[0]), (people[1], cameras[1])
    trials = _arrays.count(trials, "trials")
    if trials > 1000:
        raise out_of_range("trials", trials, "from 1 to 1000")
    return _vireid.evaluate(rows, queries, pool, protocol, trials, _arrays.thread_count(threads))


def evaluate_sysu(
    query: Any,
    gallery: Any,
    ids: tuple[Any, Any],
    cams: tuple[Any, Any],
    *,
    mode: str = "all",
    trials: int = 10,
    normalize: bool = True,
    threads: int | None = None,
) -> dict[str, float]:
    """SYSU-MM01: infrared queries, single-shot visible galleries that are drawn. See :func:`evaluate`.

    >>> people, cameras = ([7, 9], [7, 9]), ([3, 6], [1, 4])
    >>> evaluate_sysu([[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.2, 0.8]], people, cameras)["rank1"]
    100.0
    """
    return evaluate(query, gallery, ids, cams, protocol="sysu", mode=mode, trials=trials, normalize=normalize, threads=threads)


def evaluate_regdb(
    query: Any, gallery: Any, ids: tuple[Any, Any], *, normalize: bool = True, threads: int | None = None
) -> dict[str, float]:
    """RegDB, one direction of one split: all images query all. See :func:`evaluate`.

    >>> evaluate_regdb([[1.0, 0.0]], [[0.9, 0.1], [0.1, 0.9]], ([7], [9, 7]))["mAP"]
    50.0
    """
    return evaluate(query, gallery, ids, protocol="regdb", normalize=normalize, threads=threads)


def evaluate_llcm(
    query: Any,
    gallery: Any,
    ids: tuple[Any, Any],
    cams: tuple[Any, Any],
    *,
    trials: int = 10,
    normalize: bool = True,
    threads: int | None = None,
) -> dict[str, float]:
    """LLCM, one direction: single-shot galleries that are drawn; an image of the query's person and camera is not looked at.
    See :func:`evaluate`.

    >>> people, cameras = ([7, 9], [7, 9]), ([1, 1], [2, 2])
    >>> evaluate_llcm([[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.2, 0.8]], people, cameras)["rank1"]
    100.0
    """
    return evaluate(query, gallery, ids, cams, protocol="llcm", trials=trials, normalize=normalize, threads=threads)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    unit: np.ndarray = rows / np.maximum(lengths, 1e-12)[:, None]
    return unit.astype(np.float32)


def _pair(value: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} must be a pair: those of the queries and those of the gallery")
    return value[0], value[1]


def _people(ids: Any, counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """People of any names as numbers in their order, which gallery draws depend on."""
    of_queries, of_gallery = (_arrays.as_numpy(of) for of in _pair(ids, "ids"))
    _arrays.of_length(of_queries, "ids of queries", counts[0])
    _arrays.of_length(of_gallery, "ids of the gallery", counts[1])
    if (of_queries.dtype.kind in "US") != (of_gallery.dtype.kind in "US"):
        raise TypeError("ids of queries and gallery must be of one kind, numbers or names")
    numbers = _arrays.numbered(np.concatenate([of_queries, of_gallery]), "ids", sum(counts)).astype(np.uint32)
    return numbers[: counts[0]], numbers[counts[0] :]


def _cameras(cams: Any, counts: tuple[int, int], protocol: str) -> tuple[np.ndarray, np.ndarray]:
    if cams is None:
        raise VireidError("VR0201", f"the protocol {protocol} needs cams=, the cameras of queries and gallery")
    found = []
    for of, count in zip(_pair(cams, "cams"), counts):
        numbers = _arrays.labels(of, "cams", count)
        outside = numbers[(numbers < 0) | (numbers > np.iinfo(np.uint16).max)]
        if outside.size:
            raise out_of_range("cams", outside[0], "a camera's number from 0 to 65535")
        found.append(numbers.astype(np.uint16))
    return found[0], found[1]
