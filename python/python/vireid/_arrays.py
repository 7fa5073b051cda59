"""Arguments of any kind as the contiguous arrays that the extension module takes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._error import VireidError, out_of_range, unequal


def as_numpy(value: Any) -> np.ndarray:
    """An array of NumPy. Tensors of torch, which is not imported here, come to the host; so do those of a GPU."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
        if hasattr(value, "resolve_neg"):
            value = value.resolve_neg().resolve_conj()
        # NumPy has no bfloat16.
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        value = value.numpy()
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise VireidError("VR0002", "a masked array holds values that are masked: fill them or leave their rows out")
    try:
        array: np.ndarray = np.asarray(value)
    except (RuntimeError, ValueError) as error:
        raise TypeError(f"a {type(value).__name__} can't be made an array: {error}") from None
    return array


def rows(value: Any, name: str = "features") -> np.ndarray:
    """A matrix of 32-bit floats, one row per sample."""
    array = as_numpy(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be numbers, not {array.dtype}")
    if array.ndim != 2:
        raise VireidError("VR0001", f"{name} must be a matrix with a row per sample, not of shape {array.shape}")
    if array.shape[1] == 0:
        raise VireidError("VR0001", f"{name} has rows of no numbers: its shape is {array.shape}")
    # What is too large for 32 bits becomes an infinity, which is refused with its row.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def matrix(value: Any, name: str, dtype: type) -> np.ndarray:
    """A matrix of numbers, such as costs."""
    array = as_numpy(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be numbers, not {array.dtype}")
    if array.ndim != 2:
        raise VireidError("VR0001", f"{name} must be a matrix, not of shape {array.shape}")
    return np.ascontiguousarray(array, dtype=dtype)


#: The largest distance below 1, that of samples that share nothing.
BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))

Sparse = tuple[np.ndarray, np.ndarray, np.ndarray]


def stored(value: Any, name: str) -> Sparse:
    """Values, columns and rows of what a square matrix holds: all of an array, what a sparse one stores."""
    if hasattr(value, "tocsr"):
        if len(value.shape) == 2:
            value = value.tocsr()
            if not value.has_canonical_format:
                value = value.copy()
                value.sum_duplicates()
        shape, values = value.shape, value.data
        if values.dtype.kind not in "fiub":
            raise TypeError(f"{name} must be numbers, not {values.dtype}")
    else:
        values = as_numpy(value)
        if values.dtype.kind not in "fiub":
            raise TypeError(f"{name} must be numbers, not {values.dtype}")
        shape = values.shape
    if len(shape) != 2:
        raise VireidError("VR0001", f"{name} must be a matrix, not of shape {shape}")
    if shape[0] != shape[1]:
        raise unequal(f"rows and columns of {name}", *shape)
    if np.isnan(values).any():
        raise VireidError("VR0002", f"{name} holds a distance that is not a number")
    if hasattr(value, "tocsr"):
        rows = np.repeat(np.arange(shape[0]), np.diff(value.indptr))
        columns = np.asarray(value.indices, np.int64)
        if columns.size and (columns.min() < 0 or columns.max() >= shape[1] or len(columns) != len(rows)):
            raise out_of_range(name, "a damaged sparse matrix", "columns that there are")
        return values, columns, rows
    rows, columns = np.indices(shape).reshape(2, -1)
    return values.reshape(-1), columns, rows


def starts(rows: np.ndarray, count: int) -> np.ndarray:
    """Where each row begins among entries in the order of their rows."""
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int64)


def near(value: Any, name: str, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns and row starts of the pairs at most ``eps`` apart, compared in the type that they have. A sample is near itself
    where a sparse matrix does not say, as for scikit-learn."""
    values, columns, rows = stored(value, name)
    count = value.shape[0] if hasattr(value, "shape") else len(value)
    silent = np.setdiff1d(np.arange(count), rows[rows == columns])
    kept = values <= eps
    columns, rows = np.concatenate([columns[kept], silent]), np.concatenate([rows[kept], silent])
    order = np.lexsort((columns, rows))
    return np.ascontiguousarray(columns[order], np.int64), starts(rows, count)


def below_one(value: Any, name: str) -> Sparse:
    """Values, columns and row starts of the distances below 1."""
    values, columns, rows = stored(value, name)
    count = value.shape[0] if hasattr(value, "shape") else len(value)
    kept = values <= BELOW_ONE
    return (
        np.ascontiguousarray(values[kept], np.float32),
        np.ascontiguousarray(columns[kept], np.int64),
        starts(rows[kept], count),
    )


def labels(value: Any, name: str, count: int) -> np.ndarray:
    """Cluster numbers, where -1 is noise."""
    array = as_numpy(value)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must be whole numbers, not {array.dtype}")
    array = of_length(array, name, count)
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise out_of_range(name, array.max(), "a number of 64 bits with a sign")
    return array.astype(np.int64)


def numbered(value: Any, name: str, count: int) -> np.ndarray:
    """Names of any kind as numbers from 0, in their order."""
    array = of_length(as_numpy(value), name, count)
    whole = array.dtype.kind in "iubUS" or not array.size
    if not whole and not (array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise TypeError(f"{name} must be whole numbers or names, not {array.dtype}")
    return np.unique(array, return_inverse=True)[1].reshape(-1)


def of_length(array: np.ndarray, name: str, count: int) -> np.ndarray:
    if array.ndim != 1:
        raise VireidError("VR0001", f"{name} must be a vector with an entry per sample, not of shape {array.shape}")
    if len(array) != count:
        raise unequal(f"{name} and samples", len(array), count)
    return array


def cameras(value: Any | None, count: int) -> np.ndarray:
    """Cameras of any names as numbers; one camera where none are given."""
    if value is None:
        return np.zeros(count, np.uint16)
    numbers = numbered(value, "cameras", count)
    if numbers.size and numbers.max() > np.iinfo(np.uint16).max:
        raise out_of_range("cameras", numbers.max() + 1, "at most 65536 different ones")
    return numbers.astype(np.uint16)


_MODALITIES = {"visible": 0, "rgb": 0, "infrared": 1, "ir": 1, "thermal": 1}


def modalities(value: Any | None, count: int) -> np.ndarray:
    """0 for visible and 1 for infrared, by these numbers or by name; visible where none are given."""
    if value is None:
        return np.zeros(count, np.uint8)
    array = of_length(as_numpy(value), "modalities", count)
    if array.dtype.kind in "US":
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in array.tolist()]
        unknown = sorted({name for name in names if name.lower() not in _MODALITIES})
        if unknown:
            raise out_of_range("modalities", unknown[0], "visible or infrared, or 0 and 1")
        return np.array([_MODALITIES[name.lower()] for name in names], np.uint8)
    if array.dtype.kind not in "iub" and array.size:
        raise TypeError(f"modalities must be names or whole numbers, not {array.dtype}")
    other = array[(array != 0) & (array != 1)]
    if other.size:
        raise out_of_range("modalities", other[0], "0 (visible) or 1 (infrared)")
    return array.astype(np.uint8)


def count(value: Any, name: str, least: int = 1) -> int:
    """A whole number of at least so much."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}") from None
    if number < least:
        raise out_of_range(name, number, f"at least {least}")
    # Nothing has more rows than 32 bits count; what is larger means all of them.
    return min(number, 2**32 - 1)


def seed(value: Any) -> int:
    """A number of 64 bits, as it is."""
    number = operator.index(value)
    if not 0 <= number < 2**64:
        raise out_of_range("seed", number, "from 0 to 2**64 - 1")
    return number


def one_of(value: Any, name: str, known: Sequence[str]) -> str:
    if value not in known:
        raise out_of_range(name, value, ", ".join(known[:-1]) + f" or {known[-1]}")
    return str(value)


def thread_count(threads: int | None) -> int:
    """0 for all cores."""
    return 0 if threads is None else count(threads, "threads")
