"""Arrays of every kind give the same labels, and what is wrong with an argument is said."""

import numpy as np
import pytest
import vireid
from conftest import people
from vireid import VireidError

FEATURES = people(90)
LABELS = vireid.cluster(FEATURES, k1=10, k2=3)


def read_only(features):
    features = features.copy()
    features.setflags(write=False)
    return features


@pytest.mark.parametrize(
    "same",
    [
        np.asfortranarray,
        read_only,
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1][::-1],
        lambda x: x.tolist(),
        np.matrix,
    ],
    ids=[
        "fortran",
        "read-only",
        "float64",
        "big-endian",
        "every other row",
        "every other column",
        "reversed",
        "list",
        "matrix",
    ],
)
def test_equal_numbers_give_equal_labels(same):
    np.testing.assert_array_equal(vireid.cluster(same(FEATURES), k1=10, k2=3), LABELS)


def test_other_numbers_are_taken():
    half = FEATURES.astype(np.float16)
    np.testing.assert_array_equal(vireid.cluster(half, k1=10, k2=3), vireid.cluster(half.astype(np.float32), k1=10, k2=3))
    whole = (100 * FEATURES).astype(np.int16)
    assert vireid.cluster(whole, k1=10).shape == (90,)


def test_the_argument_is_left_as_it_is():
    before = FEATURES.copy()
    vireid.cluster(FEATURES)
    vireid.evaluate(FEATURES, FEATURES, (np.arange(90), np.arange(90)))
    np.testing.assert_array_equal(FEATURES, before)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_rows(rows):
    few = FEATURES[:rows]
    labels = vireid.cluster(few, k1=30, min_samples=1)
    assert labels.shape == (rows,) and (labels >= 0).all()
    assert vireid.compute_jaccard_distance(few, print_flag=False, dense=True).shape == (rows, rows)
    assert vireid.nearest_neighbours(few, 5).shape == (rows, rows)
    assert vireid.k_reciprocal_re_ranking(few, FEATURES).shape == (rows, 90)
    assert vireid.k_reciprocal_re_ranking(FEATURES, few).shape == (90, rows)


def test_duplicates():
    labels = vireid.cluster(np.repeat(FEATURES[:3], 20, axis=0), k1=8)
    assert len(labels) == 60
    assert (vireid.cluster(np.zeros((20, 4)), k1=30) == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_named_by_its_row(value):
    features = FEATURES.astype(np.float64)
    features[17, 3] = value
    dense = lambda x: vireid.compute_jaccard_distance(x, dense=True)  # noqa: E731
    for call in (vireid.cluster, dense, lambda x: vireid.nearest_neighbours(x, 3)):
        with pytest.raises(VireidError, match="17") as refused:
            call(features)
        assert refused.value.code == "VR0002"


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"k1": 0}, "VR0201"),
        ({"k2": 0}, "VR0201"),
        ({"eps": 0.0}, "VR0201"),
        ({"eps": 1.0}, "VR0201"),
        ({"eps": float("nan")}, "VR0201"),
        ({"min_samples": 0}, "VR0201"),
        ({"min_samples": -3}, "VR0201"),
        ({"threads": 0}, "VR0201"),
        ({"expansion": "camera"}, "VR0201"),
        ({"expansion": "modality"}, "VR0201"),
        ({"expansion": "capped"}, "VR0201"),
        ({"cameras": [1, 2]}, "VR0202"),
        ({"modalities": [0] * 89 + [7]}, "VR0201"),
        ({"modalities": ["visible"] * 89 + ["sonar"]}, "VR0201"),
    ],
)
def test_settings_out_of_range(settings, code):
    with pytest.raises(ValueError) as refused:
        vireid.cluster(FEATURES, **settings)
    assert refused.value.code == code, refused.value
    assert str(refused.value).startswith(code)


@pytest.mark.parametrize(
    "features", ["rows", b"rows", None, object(), [["a", "b"]], np.zeros((3, 2), complex), np.zeros((3, 2), bool)]
)
def test_what_is_no_number(features):
    with pytest.raises((TypeError, ValueError)):
        vireid.cluster(features)


@pytest.mark.parametrize("features", [3.0, np.zeros(5), np.zeros((2, 3, 4)), np.zeros((4, 0))])
def test_what_is_no_matrix(features):
    with pytest.raises(VireidError) as refused:
        vireid.cluster(features)
    assert refused.value.code == "VR0001"


@pytest.mark.parametrize("settings", [{"k1": 2.5}, {"k1": "30"}, {"min_samples": None}, {"cameras": [0.5] * 90}])
def test_settings_of_another_type(settings):
    with pytest.raises(TypeError):
        vireid.cluster(FEATURES, **settings)


def test_huge_numbers_of_neighbours_are_all_of_them():
    np.testing.assert_array_equal(vireid.cluster(FEATURES, k1=2**70), vireid.cluster(FEATURES, k1=90))


def test_a_label_beyond_all_samples_is_a_gap_and_no_memory():
    with pytest.raises(VireidError) as refused:
        vireid.label_transfer(FEATURES, FEATURES, [2**62] + [0] * 89, [0] * 90)
    assert refused.value.code == "VR0003"


def test_lengths_beyond_all_numbers_are_refused_with_their_row():
    features = FEATURES.copy()
    features[11] *= 1e20
    for call in (vireid.cluster, lambda x: vireid.nearest_neighbours(x, 3), lambda x: vireid.k_reciprocal_re_ranking(x, x)):
        with pytest.raises(VireidError, match="11") as refused:
            call(features)
        assert refused.value.code == "VR0006"
    ids = (np.arange(90), np.arange(90))
    assert vireid.evaluate(1e20 * FEATURES, 1e20 * FEATURES, ids)["rank1"] == 100.0


def test_seeds_are_all_different():
    found = {vireid.kmeans(FEATURES, 30, seed=seed, restarts=1).inertia for seed in (2**32 - 1, 2**32, 2**40, 2**63)}
    assert len(found) == 4
    with pytest.raises(VireidError):
        vireid.kmeans(FEATURES, 3, seed=-1)


@pytest.mark.parametrize("eps", [0, -1.0, float("-inf"), float("nan")])
def test_a_radius_that_is_none(eps):
    with pytest.raises(VireidError):
        vireid.dbscan(np.zeros((3, 3)), eps=eps)


def test_no_labels_at_all():
    with pytest.raises(VireidError) as refused:
        vireid.label_transfer(np.zeros((0, 16)), FEATURES, [], [0] * 90)
    assert refused.value.code == "VR0205"
    assert vireid.cluster(np.zeros((0, 4)), modalities=[], cameras=[], expansion="modality_camera").shape == (0,)


def test_masked_values():
    masked = np.ma.masked_array(FEATURES, mask=np.zeros_like(FEATURES, bool))
    np.testing.assert_array_equal(vireid.cluster(masked, k1=10, k2=3), LABELS)
    masked[3, 4] = np.ma.masked
    with pytest.raises(VireidError):
        vireid.cluster(masked)


def test_dimensions_that_differ():
    with pytest.raises(VireidError) as refused:
        vireid.k_reciprocal_re_ranking(np.ones((2, 3)), np.ones((2, 4)))
    assert refused.value.code == "VR0202"


def test_an_error_can_be_pickled_and_explained():
    import pickle

    error = pickle.loads(pickle.dumps(VireidError("VR0201", "k = 0")))
    assert (error.code, str(error)) == ("VR0201", "VR0201: k = 0")
    assert "VR0201" in vireid.explain(error.code)
    with pytest.raises(ValueError):
        vireid.explain("VR9999")


def test_a_damaged_sparse_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    graph = sparse.csr_matrix(np.eye(4, dtype=np.float32))
    graph.indices[2] = 900
    with pytest.raises(VireidError):
        vireid.dbscan(graph)
    with pytest.raises(VireidError):
        vireid.dbscan(sparse.csr_matrix(np.ones((2, 3))))
    with pytest.raises(VireidError):
        vireid.dbscan([[0.0, float("nan")], [0.1, 0.0]])
