"""Beside SciPy, scikit-learn and torch, where they are."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import vireid
from conftest import people


def random_input(seed):
    random = np.random.default_rng(seed)
    rows = int(random.integers(1, 160))
    features = people(rows, dim=int(random.integers(2, 40)), seed=seed, spread=float(random.uniform(0.05, 1.0)))
    if seed % 3 == 0:
        features = features[random.integers(rows, size=rows)]
    settings = {
        "k1": int(random.integers(1, 40)),
        "k2": int(random.integers(1, 8)),
        "eps": float(random.uniform(0.2, 0.8)),
        "min_samples": int(random.integers(1, 6)),
    }
    return features, settings


@pytest.mark.parametrize("seed", range(200))
def test_labels_are_those_of_scikit_learn(seed):
    cluster = pytest.importorskip("sklearn.cluster")
    pytest.importorskip("scipy")
    features, settings = random_input(seed)
    labels, graph = vireid.cluster(features, **settings, return_graph=True)
    peer = cluster.DBSCAN(eps=settings["eps"], min_samples=settings["min_samples"], metric="precomputed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(labels, peer.fit_predict(graph))
        dense = vireid.compute_jaccard_distance(features, settings["k1"], settings["k2"], False, dense=True)
        np.testing.assert_array_equal(labels, peer.fit_predict(dense))


def test_what_a_sparse_matrix_does_not_hold_is_far():
    """In a sparse matrix that scikit-learn is given, a missing pair is not at distance 0."""
    cluster = pytest.importorskip("sklearn.cluster")
    sparse = pytest.importorskip("scipy.sparse")
    pair = sparse.csr_matrix(([0.1, 0.1], ([0, 1], [1, 0])), shape=(3, 3))
    peer = cluster.DBSCAN(eps=0.5, min_samples=2, metric="precomputed").fit_predict(pair)
    np.testing.assert_array_equal(peer, [0, 0, -1])
    np.testing.assert_array_equal(vireid.dbscan(pair, eps=0.5, min_samples=2), peer)


def test_more_duplicates_than_neighbours_are_labelled_as_from_the_dense_matrix():
    """The last of many duplicates is none of its own neighbours: at distance 1 from itself, as in the usual script."""
    cluster = pytest.importorskip("sklearn.cluster")
    pytest.importorskip("scipy")
    features = np.repeat(people(6, seed=3), 12, axis=0)
    for min_samples in (1, 2, 4):
        labels, graph = vireid.cluster(features, k1=5, k2=1, min_samples=min_samples, return_graph=True)
        dense = vireid.compute_jaccard_distance(features, 5, 1, False, dense=True)
        peer = cluster.DBSCAN(eps=0.6, min_samples=min_samples, metric="precomputed")
        np.testing.assert_array_equal(labels, peer.fit_predict(dense))
        np.testing.assert_array_equal(labels, peer.fit_predict(graph))
        np.testing.assert_array_equal(labels, vireid.dbscan(graph, min_samples=min_samples))


def test_distances_are_compared_in_their_own_type():
    cluster = pytest.importorskip("sklearn.cluster")
    sparse = pytest.importorskip("scipy.sparse")
    # 0.1 + 0.2 is above 0.3 in 64 bits and equal to it in 32.
    distances = np.array([[0, 0.1 + 0.2, 0.9], [0.1 + 0.2, 0, 0.9], [0.9, 0.9, 0]])
    peer = cluster.DBSCAN(eps=0.3, min_samples=2, metric="precomputed").fit_predict(distances)
    np.testing.assert_array_equal(vireid.dbscan(distances, eps=0.3, min_samples=2), peer)
    np.testing.assert_array_equal(vireid.dbscan(sparse.csr_matrix(distances), eps=0.3, min_samples=2), peer)
    np.testing.assert_array_equal(vireid.dbscan(np.ones((2, 2)), eps=0.5, min_samples=1), [-1, -1])
    twice = sparse.csr_matrix((np.array([0.3, 0.3]), np.array([1, 1]), np.array([0, 2, 2])), shape=(2, 2))
    np.testing.assert_array_equal(vireid.dbscan(twice, eps=0.5, min_samples=2), [-1, -1])


def test_the_sparse_distances_are_the_dense_ones():
    pytest.importorskip("scipy")
    features = people(150)
    sparse = vireid.compute_jaccard_distance(features, 12, 4, False)
    dense = vireid.compute_jaccard_distance(features, 12, 4, False, dense=True)
    assert sparse.dtype == np.float32 and sparse.shape == (150, 150)
    structure = sparse.copy()
    structure.data[:] = 1
    is_stored = structure.toarray() == 1
    np.testing.assert_array_equal(sparse.toarray()[is_stored], dense[is_stored])
    assert (dense[~is_stored] == 1).all() and is_stored.diagonal().all()
    near = vireid.compute_jaccard_distance(features, 12, 4, False, eps=0.5)
    assert near.nnz < sparse.nnz and near.data.max() <= 0.5


def test_scikit_learn_takes_the_sparse_distances_without_a_word():
    neighbors = pytest.importorskip("sklearn.neighbors")
    features = people(150)
    _, graph = vireid.cluster(features, return_graph=True)
    for distances in (vireid.compute_jaccard_distance(features, 12, 4, False), graph):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            neighbors.NearestNeighbors(metric="precomputed", n_neighbors=1).fit(distances)


def test_assignment_is_scipys():
    optimize = pytest.importorskip("scipy.optimize")
    random = np.random.default_rng(5)
    for _ in range(50):
        cost = random.integers(0, 6, size=random.integers(1, 12, size=2)).astype(float)
        for found, expected in zip(vireid.linear_assignment(cost), optimize.linear_sum_assignment(cost)):
            np.testing.assert_array_equal(found, expected)


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    features = people(60)
    expected = vireid.cluster(features, k1=10)
    tensor = torch.from_numpy(features)
    np.testing.assert_array_equal(vireid.cluster(tensor, k1=10), expected)
    np.testing.assert_array_equal(vireid.cluster(tensor.clone().requires_grad_(), k1=10), expected)
    np.testing.assert_array_equal(vireid.cluster(tensor.T.contiguous().T, k1=10), expected)
    np.testing.assert_array_equal(vireid.cluster(tensor.double(), k1=10), expected)
    assert vireid.cluster(tensor.bfloat16(), k1=10).shape == (60,)
    cameras = torch.arange(60) % 3
    vireid.cluster(tensor, cameras=cameras, expansion="modality_camera")


def test_torch_and_scipy_are_not_imported_unasked():
    code = "import vireid, sys; vireid.cluster([[0.0, 1.0]] * 9); print('torch' in sys.modules, 'scipy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]
