import sys

import numpy as np
import pytest
import vireid
from conftest import cases, people
from reference import jaccard_distance, re_ranking


def settings(case, *names):
    return {name: int(case.settings[name]) for name in names}


@pytest.mark.parametrize("case", cases("jaccard_distance"))
def test_golden_distances(case):
    found = vireid.compute_jaccard_distance(case["in.features"], **settings(case, "k1", "k2"), print_flag=False, dense=True)
    np.testing.assert_allclose(found, case["out.distance"], atol=float(case.settings["tol.distance"]))


@pytest.mark.parametrize("case", cases("jaccard_distance_modality_camera"))
def test_golden_expansion(case):
    found = vireid.compute_jaccard_distance(
        case["in.features"],
        **settings(case, "k1", "k2"),
        print_flag=False,
        dense=True,
        cameras=case["in.camera"],
        modalities=case["in.modality"],
        expansion="modality_camera",
    )
    np.testing.assert_allclose(found, case["out.distance"], atol=float(case.settings["tol.distance"]))


@pytest.mark.parametrize("case", cases("dbscan_precomputed"))
def test_golden_labels(case):
    eps, min_samples = float(case.settings["eps"]), int(case.settings["min_samples"])
    found = vireid.dbscan(case["in.distance"], eps=eps, min_samples=min_samples)
    np.testing.assert_array_equal(found, case["out.labels"])


@pytest.mark.parametrize("rows, k1, k2", [(40, 8, 3), (7, 20, 6), (60, 5, 1), (33, 9, 4), (2, 2, 2)])
def test_distances_are_those_of_the_usual_script(rows, k1, k2):
    features = people(rows, seed=rows)
    found = vireid.compute_jaccard_distance(features, k1, k2, False, dense=True)
    np.testing.assert_allclose(found, jaccard_distance(features, k1, k2), atol=1e-5)


def test_arguments_by_position_are_those_of_the_usual_script(capsys):
    found = vireid.compute_jaccard_distance(people(12), 5, 2, True, 3, True, True)
    assert found.dtype == np.float16 and found.shape == (12, 12)
    assert "time cost" in capsys.readouterr().out


def test_labels_are_those_of_the_graph():
    features = people(200)
    graph = vireid.compute_jaccard_distance(features, 15, 4, False, dense=True)
    labels = vireid.cluster(features, k1=15, k2=4, eps=0.5, min_samples=3)
    assert labels.dtype == np.int64 and labels.shape == (200,)
    np.testing.assert_array_equal(labels, vireid.dbscan(graph, eps=0.5, min_samples=3))
    assert labels.max() > 3


def test_expansions_differ_and_names_of_cameras_do_not_matter():
    features = people(120, spread=0.5)
    cameras, modalities = np.arange(120) % 4, np.arange(120) % 2
    distances = {
        expansion: vireid.compute_jaccard_distance(
            features, 12, 6, False, dense=True, cameras=cameras, modalities=modalities, expansion=expansion, k3=2
        )
        for expansion in ("plain", "modality", "modality_camera", "capped")
    }
    assert len({each.tobytes() for each in distances.values()}) == 4
    names = np.array(["north", "south", "east", "west"])[cameras]
    words = np.array(["visible", "infrared"])[modalities]
    again = vireid.compute_jaccard_distance(
        features, 12, 6, False, dense=True, cameras=names, modalities=words, expansion="modality_camera"
    )
    np.testing.assert_array_equal(again, distances["modality_camera"])


@pytest.mark.parametrize("queries, gallery, k1, k2", [(5, 30, 6, 3), (1, 1, 20, 6), (8, 40, 20, 6), (3, 9, 2, 5)])
def test_re_ranking_is_that_of_the_paper(queries, gallery, k1, k2):
    query, others = people(queries, seed=1), people(gallery, seed=2)
    found = vireid.k_reciprocal_re_ranking(query, others, k1, k2, 0.3)
    np.testing.assert_allclose(found, re_ranking(query, others, k1, k2, 0.3), atol=1e-5)
    order = vireid.k_reciprocal_re_ranking(query, others, k1, k2, 0.3, return_ranking=True)
    np.testing.assert_array_equal(np.take_along_axis(found, order, 1), np.sort(found, axis=1))


def test_nearest_neighbours():
    features, others = people(50, seed=1), people(30, seed=2)
    exact = ((features[:, None].astype(np.float64) - others[None]) ** 2).sum(axis=2)
    found, distances = vireid.nearest_neighbours(features, 5, gallery=others, return_distances=True)
    np.testing.assert_array_equal(found, np.argsort(exact, axis=1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(exact, axis=1)[:, :5], atol=1e-5)
    assert (vireid.nearest_neighbours(features, 3)[:, 0] == np.arange(50)).all()
    assert vireid.nearest_neighbours(features, 99).shape == (50, 50)


def test_kmeans():
    features = people(200, identities=5, spread=0.05)
    found = vireid.kmeans(features, 5, seed=3)
    again = vireid.kmeans(features, 5, seed=3, threads=1)
    np.testing.assert_array_equal(found.labels, again.labels)
    means = np.stack([features[found.labels == label].mean(axis=0) for label in range(5)])
    np.testing.assert_allclose(found.centroids, means, atol=1e-5)
    assert abs(((features - means[found.labels]) ** 2).sum() - found.inertia) < 1e-3


def test_the_number_of_threads_changes_nothing():
    features = people(700, dim=32)
    one, all_of_them = (vireid.cluster(features, k1=20, threads=threads) for threads in (1, None))
    np.testing.assert_array_equal(one, all_of_them)


def test_progress_tells_the_parts_of_the_work(capsys):
    pytest.importorskip("tqdm")
    vireid.cluster(people(3000, dim=64), progress=True)
    assert "%" in capsys.readouterr().err


def test_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        vireid.cluster(people(10), progress=True)


def test_a_sparse_result_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match="dense=True"):
        vireid.compute_jaccard_distance(people(10), print_flag=False)
    with pytest.raises(ImportError, match="pip install scipy"):
        vireid.cluster(people(10), return_graph=True)
