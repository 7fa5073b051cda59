"""The extension module: arguments are checked and arrays made contiguous before."""

from os import PathLike
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
#: Values, columns and row starts.
Sparse = Tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]
SparseIn = Tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]
#: Name, k2, k3, cameras, modalities.
Expansion = Tuple[str, int, int, NDArray[np.uint16], NDArray[np.uint8]]
Report = Optional[Callable[[str, int, int], None]]
People = Tuple[NDArray[np.uint32], NDArray[np.uint16]]

def jaccard(features: Rows, k1: int, expansion: Expansion, limit: float, threads: int, report: Report) -> Sparse: ...
def cluster(
    features: Rows, k1: int, eps: float, min_samples: int, expansion: Expansion, threads: int, report: Report
) -> Tuple[Labels, Sparse]: ...
def dbscan(
    values: NDArray[np.float32], columns: NDArray[np.int64], starts: NDArray[np.int64], eps: float, min_samples: int
) -> Labels: ...
def nearest(
    features: Rows, gallery: Optional[Rows], k: int, threads: int, report: Report
) -> Tuple[Labels, NDArray[np.float32]]: ...
def re_rank(
    query: Rows, gallery: Rows, k1: int, k2: int, lambda_: float, ranked: bool, threads: int, report: Report
) -> NDArray[Any]: ...
def kmeans(
    features: Rows, settings: Tuple[int, int, int, float], seed: int, threads: int, report: Report
) -> Tuple[Labels, Rows, float]: ...
def bilateral(infrared: Rows, visible: Rows, mirrored: bool) -> NDArray[np.bool_]: ...
def multi_memory(
    visible: List[Rows], infrared: List[Rows], direction: str, hungarian: bool, threads: int
) -> Tuple[Labels, NDArray[np.float64]]: ...
def label_transfer(
    features: Tuple[Rows, Rows],
    clusters: Tuple[Labels, Labels],
    centroids: Optional[Tuple[Rows, Rows]],
    distances: Optional[Tuple[SparseIn, SparseIn]],
    neighbours: Tuple[int, int],
    settings: Tuple[float, float, float, int],
    threads: int,
    report: Report,
) -> Tuple[List[Tuple[Rows, Rows]], Tuple[int, int]]: ...
def sinkhorn(
    cost: Rows, settings: Tuple[float, float, int], logarithmic: bool, threads: int
) -> Tuple[Rows, int, bool]: ...
def linear_assignment(cost: NDArray[np.float64]) -> Tuple[Labels, Labels]: ...
def evaluate(
    rows: Tuple[Rows, Rows], query_people: People, gallery_people: People, protocol: str, trials: int, threads: int
) -> Dict[str, float]: ...
def program(arguments: List[str]) -> int: ...
def explain(code: str) -> Optional[str]: ...

class Network:
    @staticmethod
    def open(run: "PathLike[str]", best: bool) -> "Network": ...
    def facts(self) -> Tuple[int, int, int, str, str]: ...
    def embed(
        self, images: List[Union[str, NDArray[np.uint8]]], infrared: bool, threads: int, report: Report
    ) -> Rows: ...
    def calibration(self) -> Tuple[Optional[Tuple[float, float, float, int, int, List[Tuple[float, float]]]], Optional[str]]: ...
    def index(self, path: "PathLike[str]") -> Tuple[Rows, List[str]]: ...
    @staticmethod
    def nearest(queries: Rows, gallery: Rows, top: int) -> Tuple[Labels, NDArray[np.float32]]: ...
