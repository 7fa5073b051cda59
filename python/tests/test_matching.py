import numpy as np
import pytest
import vireid
from conftest import cases, people
from vireid import VireidError


@pytest.mark.parametrize("case", cases("mbccm_match"))
def test_golden_bilateral_match(case):
    found = vireid.bilateral_match(case["in.centroids_infrared"], case["in.centroids_visible"])
    np.testing.assert_array_equal(found.astype(np.int64), case["out.match"])


@pytest.mark.parametrize("case", cases("mmm_match"))
def test_golden_multi_memory_match(case):
    found = vireid.multi_memory_match(list(case["in.memories_visible"]), list(case["in.memories_infrared"]))
    np.testing.assert_array_equal(found, case["out.infrared_of_visible"])


@pytest.mark.parametrize("case", cases("mult_label_transfer"))
def test_golden_label_transfer(case):
    sides = ("visible", "infrared")
    moved = vireid.label_transfer(
        *(case[f"in.features_{side}"] for side in sides),
        *(np.zeros(len(case[f"in.features_{side}"]), int) for side in sides),
        centroids=tuple(case[f"in.centroids_{side}"] for side in sides),
        distances=tuple(case[f"in.distance_{side}"] for side in sides),
        alpha=float(case.settings["alpha"]),
        temperature=float(case.settings["temperature"]),
    )
    for name, soft in (
        ("visible", moved.visible_to_visible),
        ("infrared", moved.infrared_to_infrared),
        ("cross_visible", moved.visible_to_infrared),
        ("cross_infrared", moved.infrared_to_visible),
    ):
        np.testing.assert_allclose(soft, case[f"out.soft_{name}"], atol=float(case.settings[f"tol.soft_{name}"]))


def test_label_transfer_makes_its_own_centroids_and_distances():
    rows = people(60, identities=4, spread=0.05)
    labels = vireid.cluster(rows, k1=8, k2=2, min_samples=3)
    moved = vireid.label_transfer(rows, rows, labels, labels, k1=8, k2=2)
    for soft in moved[:4]:
        np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-4)
    assert (moved.visible_to_infrared.argmax(axis=1)[labels >= 0] == labels[labels >= 0]).all()
    with pytest.raises(VireidError) as refused:
        vireid.label_transfer(rows, rows, np.full(60, -1), labels)
    assert refused.value.code == "VR0205"


def test_sinkhorn_marginals():
    cost = np.random.default_rng(0).random((7, 4))
    for logarithmic in (False, True):
        plan = vireid.sinkhorn(cost, lam=5.0, tolerance=1e-6, max_steps=5000, logarithmic=logarithmic)
        np.testing.assert_allclose(plan.sum(axis=0), 1 / 4, atol=1e-5)
        np.testing.assert_allclose(plan.sum(axis=1), 1 / 7, atol=1e-5)
    with pytest.raises(VireidError) as refused:
        vireid.sinkhorn(1000 * cost + 1000)
    assert refused.value.code == "VR0204"
    with pytest.warns(UserWarning, match="did not settle"):
        vireid.sinkhorn(cost, tolerance=1e-9, max_steps=1)


def test_wrong_arguments():
    with pytest.raises(VireidError):
        vireid.linear_assignment([[0.0, float("nan")]])
    with pytest.raises(VireidError):
        vireid.bilateral_match(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(VireidError):
        vireid.bilateral_match(np.ones((2, 3)), np.ones((2, 3)), orientation="both")
    with pytest.raises(VireidError):
        vireid.multi_memory_match([np.ones((0, 3))], [np.ones((1, 3))])
    assert vireid.multi_memory_match([np.ones((1, 3))], []).tolist() == [-1]
    assert vireid.multi_memory_match([], []).shape == (0,)
    assert vireid.bilateral_match(np.ones((2, 3)), np.ones((0, 3))).shape == (2, 0)
