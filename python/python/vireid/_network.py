"""Trained networks: embeddings of images, and a search with them."""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import _arrays, _vireid
from ._error import VireidError, out_of_range, unequal
from ._progress import reporter


@dataclass(frozen=True)
class Calibration:
    """What similarities of a visible and an infrared image mean, learned from labelled pairs by ``vireid calibrate``.

    >>> learned = Calibration(0.01, 0.6, 0.2, 40, 900, ((0.5, 0.1), (2.0, 0.9)))
    >>> learned.probability([0.4, 0.7]).tolist(), learned.same_person([0.4, 0.7]).tolist()
    ([0.1, 0.9], [False, True])
    """

    #: Share of different people that the threshold takes for one person, at most.
    far: float
    #: Least similarity of "the same person".
    threshold: float
    #: Share of pairs of one person below the threshold, on the calibration data.
    frr: float
    #: Pairs of one person.
    same: int
    #: Pairs of different people.
    different: int
    #: Right ends of bins of similarity, ascending, with their probabilities.
    probabilities: tuple[tuple[float, float], ...]

    def probability(self, similarity: Any) -> Any:
        """The probability that pairs of these similarities show one person, if as many pairs do as do not."""
        ends = np.array([end for end, _ in self.probabilities[:-1]])
        values = np.array([probability for _, probability in self.probabilities])
        return values[np.searchsorted(ends, similarity)]

    def same_person(self, similarity: Any) -> Any:
        """Whether pairs of these similarities are taken for one person."""
        return np.asarray(similarity) >= self.threshold


class Found(NamedTuple):
    """What :meth:`Network.search` found."""

    #: ``(Q, top)`` int64, rows of the gallery, the most similar first.
    rows: np.ndarray
    #: ``(Q, top)`` float32, inner products: cosines of rows of length 1, which :meth:`Network.embed` gives.
    similarities: np.ndarray
    #: Paths of the gallery's images by row, where it is a file.
    paths: list[Path] | None


class Network:
    """A trained network, on the CPU. :meth:`load` makes one.

    >>> import subprocess, sys, tempfile
    >>> folder = tempfile.mkdtemp() + "/model"
    >>> command = [sys.executable, "-m", "vireid", "import", "--weights", "builtin:small", "--out", folder]
    >>> _ = subprocess.run(command, check=True, capture_output=True)
    >>> network = Network.load(folder)
    >>> crops = np.random.default_rng(0).integers(0, 256, size=(3, 128, 64, 3), dtype=np.uint8)
    >>> rows = network.embed(crops, "visible")
    >>> network.search(rows, rows, top=1).rows.tolist()
    [[0], [1], [2]]
    """

    def __init__(self, inner: Any, folder: Path):
        self._inner = inner
        self._folder = folder
        self.dim, height, width, self.method, self.hash = inner.facts()
        #: Height and width that images are resized to.
        self.size = (height, width)

    def __repr__(self) -> str:
        return f"Network({str(self._folder)!r}, method={self.method!r}, dim={self.dim}, size={self.size})"

    @classmethod
    def load(cls, run_dir: str | os.PathLike[str], *, which: str = "last") -> Network:
        """The network of a run directory, as ``vireid train`` writes it.

        Args:
            which: ``last``, or ``best`` for the one that scored best in a test while it was trained.
        """
        best = _arrays.one_of(which, "which", ("last", "best")) == "best"
        folder = Path(run_dir)
        return cls(_vireid.Network.open(folder, best), folder)

    def embed(
        self,
        images: Any,
        modality: str,
        *,
        threads: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        """Embeddings of images, each row of length 1.

        Args:
            images: A list of arrays (height x width x 3 bytes, or height x width grey ones; any sizes), of paths and of
                images of PIL, mixed as you like; or one array of ``(N, height, width, 3)``. Colours in the order red, green,
                blue.
            modality: ``visible`` or ``infrared``: which camera took them.

        Returns:
            ``(N, dim)`` float32.
        """
        infrared = bool(_arrays.modalities([modality], 1)[0])
        if isinstance(images, (str, os.PathLike)) or hasattr(images, "convert"):
            raise TypeError("images must be a list of images, not a single one")
        items = [_image(image, number) for number, image in enumerate(images)]
        with reporter(progress) as report:
            rows: np.ndarray = self._inner.embed(items, infrared, _arrays.thread_count(threads), report)
            return rows

    def search(
        self,
        queries: Any,
        gallery: Any,
        *,
        modality: str | None = None,
        top: int = 10,
    ) -> Found:
        """The rows of a gallery that are most similar to each query; exact.

        Args:
            queries: ``(Q, dim)`` embeddings; or images as :meth:`embed` takes them, with their ``modality``.
            gallery: ``(G, dim)`` embeddings, or a file of ``vireid extract``.
            top: With fewer rows in the gallery, all of them.
        """
        rows = _arrays.rows(queries, "queries") if modality is None else self.embed(queries, modality)
        paths = None
        if isinstance(gallery, (str, os.PathLike)):
            others, paths = self._inner.index(Path(gallery))
        else:
            others = _arrays.rows(gallery, "gallery")
        for name, each in (("queries", rows), ("the gallery", others)):
            if each.shape[1] != self.dim:
                raise unequal(f"numbers of an embedding of {name} and of this network", each.shape[1], self.dim)
        found, similarities = _vireid.Network.nearest(rows, others, _arrays.count(top, "top"))
        return Found(found, similarities, None if paths is None else [Path(path) for path in paths])

    @property
    def calibration(self) -> Calibration | None:
        """What similarities mean, if ``vireid calibrate`` was run with this network."""
        parts, unfit = self._inner.calibration()
        if unfit is not None:
            warnings.warn(unfit, stacklevel=2)
        if parts is None:
            return None
        far, threshold, frr, same, different, probabilities = parts
        return Calibration(far, threshold, frr, same, different, tuple(probabilities))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Copies the network's run directory, which :meth:`load` and the command line read, to a new or empty folder."""
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise out_of_range("folder", target, "a new or empty folder")
        shutil.copytree(self._folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock", "lock"))


def _image(image: Any, number: int) -> str | np.ndarray:
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    # An image of PIL, which is not imported here.
    if hasattr(image, "convert"):
        image = image.convert("RGB")
    array = _arrays.as_numpy(image)
    if array.dtype != np.uint8:
        raise TypeError(f"image {number} must be of bytes (uint8), not of {array.dtype}")
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3:
        raise VireidError("VR0001", f"image {number} must be of height x width x 3 bytes, not of shape {array.shape}")
    return np.ascontiguousarray(array)
