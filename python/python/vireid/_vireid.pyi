"""The extension module: arguments are checked and arrays made contiguous before."""

from os import PathLike
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
#: Values, columns and row starts.
Sparse = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]
SparseIn = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]
#: Name, k2, k3, cameras, modalities.
Expansion = tuple[str, int, int, NDArray[np.uint16], NDArray[np.uint8]]
Report = Optional[Callable[[str, int, int], None]]
People = tuple[NDArray[np.uint32], NDArray[np.uint16]]

def jaccard(features: Rows, k1: int, expansion: Expansion, limit: float, threads: int, report: Report) -> Sparse: ...
def cluster(
    features: Rows, k1: int, eps: float, min_samples: int, expansion: Expansion, threads: int, report: Report
) -> tuple[Labels, Sparse]: ...
def dbscan(
    values: NDArray[np.float32], columns: NDArray[np.int64], starts: NDArray[np.int64], eps: float, min_samples: int
) -> Labels: ...
def nearest(
    features: Rows, gallery: Rows | None, k: int, threads: int, report: Report
) -> tuple[Labels, NDArray[np.float32]]: ...
def re_rank(
    query: Rows, gallery: Rows, k1: int, k2: int, lambda_: float, ranked: bool, threads: int, report: Report
) -> NDArray[Any]: ...
def kmeans(
    features: Rows, settings: tuple[int, int, int, float], seed: int, threads: int, report: Report
) -> tuple[Labels, Rows, float]: ...
def bilateral(infrared: Rows, visible: Rows, mirrored: bool) -> NDArray[np.bool_]: ...
def multi_memory(
    visible: list[Rows], infrared: list[Rows], direction: str, hungarian: bool, threads: int
) -> tuple[Labels, NDArray[np.float64]]: ...
def label_transfer(
    features: tuple[Rows, Rows],
    clusters: tuple[Labels, Labels],
    centroids: tuple[Rows, Rows] | None,
    distances: tuple[SparseIn, SparseIn] | None,
    neighbours: tuple[int, int],
    settings: tuple[float, float, float, int],
    threads: int,
    report: Report,
) -> tuple[list[tuple[Rows, Rows]], tuple[int, int]]: ...
def sinkhorn(
    cost: Rows, settings: tuple[float, float, int], logarithmic: bool, threads: int
) -> tuple[Rows, int, bool]: ...
def linear_assignment(cost: NDArray[np.float64]) -> tuple[Labels, Labels]: ...
def evaluate(
    rows: tuple[Rows, Rows], query_people: People, gallery_people: People, protocol: str, trials: int, threads: int
) -> dict[str, float]: ...
def program(arguments: list[str]) -> int: ...
def explain(code: str) -> str | None: ...

class Network:
    @staticmethod
    def open(run: PathLike[str], best: bool) -> Network: ...
    def facts(self) -> tuple[int, int, int, str, str]: ...
    def embed(self, images: list[str | NDArray[np.uint8]], infrared: bool, threads: int, report: Report) -> Rows: ...
    def calibration(
        self,
    ) -> tuple[tuple[float, float, float, int, int, list[tuple[float, float]]] | None, str | None]: ...
    def index(self, path: PathLike[str]) -> tuple[Rows, list[str]]: ...
    @staticmethod
    def nearest(queries: Rows, gallery: Rows, top: int) -> tuple[Labels, NDArray[np.float32]]: ...
