"""What all tests share: golden cases and embeddings that look like people."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}


class Case:
    """A golden case: named arrays and what was asked of the authors' code."""

    def __init__(self, path):
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        self.settings = header.pop("__metadata__")
        self.arrays = {
            name: np.frombuffer(data[8 + length :][slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()
        }

    def __getitem__(self, name):
        return self.arrays[name]


def cases(operation):
    """All golden cases of an operation, by name."""
    found = sorted(GOLDEN.glob(f"{operation}__*.safetensors"))
    assert found, f"no golden case of {operation}"
    return [pytest.param(Case(path), id=path.stem) for path in found]


def people(count, dim=16, identities=None, seed=0, spread=0.3):
    """Rows of length 1 around a few directions."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(identities or max(count // 8, 1), dim))
    rows = centres[random.integers(len(centres), size=count)] + spread * random.normal(size=(count, dim))
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows.astype(np.float32)


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="fail where something is missing, instead of skipping")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome, report.longrepr = "failed", f"skipped: {report.longrepr}"
