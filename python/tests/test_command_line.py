"""The command line and Python give the same bytes. That Rust gives them too, the tests of the program hold."""

import subprocess
import sys

import numpy as np
import pytest
import vireid
from conftest import people

FEATURES = people(300, dim=24, spread=0.4)
CAMERAS, MODALITIES = np.arange(300) % 5, np.arange(300) % 2


@pytest.mark.parametrize("expansion", ["plain", "modality", "modality_camera", "capped"])
def test_labels_and_graph_are_those_of_the_command_line(expansion, tmp_path):
    for name, array in (("e", FEATURES), ("c", CAMERAS), ("m", MODALITIES)):
        np.save(tmp_path / f"{name}.npy", array)
    arguments = ["--k1", "12", "--k2", "5", "--eps", "0.55", "--min-samples", "3", "--expansion", expansion, "--k3", "2"]
    files = [word for name in ("embeddings", "cameras", "modalities") for word in (f"--{name}", f"{name[0]}.npy")]
    arguments = [word for word in arguments if expansion == "capped" or word not in ("--k3", "2")]
    command = [sys.executable, "-m", "vireid", "cluster", *files, *arguments, "--labels", "l.npy", "--graph", "g.npz"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    settings = dict(k1=12, k2=5, eps=0.55, min_samples=3, expansion=expansion, k3=2)
    labels = vireid.cluster(FEATURES, cameras=CAMERAS, modalities=MODALITIES, **settings)
    found = np.load(tmp_path / "l.npy")
    assert found.dtype == labels.dtype and found.tobytes() == labels.tobytes()
    assert labels.max() > 3
    sparse = pytest.importorskip("scipy.sparse")
    _, graph = vireid.cluster(FEATURES, cameras=CAMERAS, modalities=MODALITIES, return_graph=True, **settings)
    written = sparse.load_npz(tmp_path / "g.npz")
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(written, part), getattr(graph, part))
