import numpy as np
import pytest
import vireid
from conftest import people
from vireid import VireidError


def test_galleries_are_drawn_as_cpython_draws_them():
    import random

    query, pool = people(20, seed=1), people(120, seed=2)
    of_query, of_pool = np.arange(20) % 5, np.arange(120) % 5
    cameras = np.array([1, 2, 4, 5])[np.arange(120) // 5 % 4]
    ids, cams = (of_query, of_pool), (np.full(20, 6), cameras)
    ranks = []
    for trial in range(10):
        random.seed(trial)
        drawn = []
        for person in range(5):
            for camera in (1, 2, 4, 5):
                images = np.flatnonzero((of_pool == person) & (cameras == camera))
                drawn.append(random.choice(list(images)))
        nearest = of_pool[drawn][(query @ pool[drawn].T).argmax(axis=1)]
        ranks.append(100 * (nearest == of_query).mean())
    found = vireid.evaluate_sysu(query, pool, ids, cams, normalize=False)
    assert found["trials"] == 10
    np.testing.assert_allclose((found["rank1"], found["rank1_std"]), (np.mean(ranks), np.std(ranks, ddof=1)), atol=1e-6)


def test_a_worked_example():
    query, gallery = np.eye(3), np.array([[0.9, 0.4, 0], [0.2, 0.9, 0.1], [0.8, 0.1, 0.6], [0, 0.3, 0.9]])
    found = vireid.evaluate_regdb(query, gallery, (["a", "b", "c"], ["b", "b", "a", "c"]), normalize=False)
    # Ranks of the right image: 2 for a, 1 for b (and 2 for its other), 1 for c.
    np.testing.assert_allclose(found["rank1"], 200 / 3)
    np.testing.assert_allclose(found["mAP"], 100 * (1 / 2 + 1 + 1) / 3)
    assert (found["queries"], found["queries_counted"]) == (3, 3)
    assert vireid.evaluate(query, gallery, (["a", "b", "c"], ["b", "b", "a", "c"]), normalize=False) == found


def test_cameras_of_the_same_place_and_person():
    rows, ids = np.array([[1.0, 0], [0.9, 0.1], [0, 1.0]]), ([7], [7, 9, 7])
    # SYSU-MM01's camera 3 does not look at camera 2; LLCM's queries not at their own camera.
    sysu = vireid.evaluate_sysu(rows[:1], rows, ids, ([3], [2, 1, 4]))
    llcm = vireid.evaluate_llcm(rows[:1], rows, ids, ([3], [3, 1, 4]))
    assert sysu["rank1"] == llcm["rank1"] == 0.0
    assert vireid.evaluate_sysu(rows[:1], rows, ids, ([6], [2, 1, 4]))["rank1"] == 100.0
    assert vireid.evaluate_sysu(rows[:1], rows, ids, ([6], [2, 1, 4]), mode="indoor")["rank1"] == 100.0


def test_wrong_arguments():
    rows = np.eye(2)
    with pytest.raises(VireidError) as refused:
        vireid.evaluate(rows, rows, ([1, 2], [3, 4]))
    assert refused.value.code == "VR0401"
    with pytest.raises(VireidError):
        vireid.evaluate(rows, rows, ([1], [1, 2]))
    with pytest.raises(VireidError, match="cams"):
        vireid.evaluate(rows, rows, ([1, 2], [1, 2]), protocol="sysu")
    with pytest.raises(VireidError):
        vireid.evaluate(rows, rows, ([1, 2], [1, 2]), ([1, 2], [1, -2]), protocol="llcm")
    with pytest.raises(VireidError):
        vireid.evaluate(rows, rows, ([1, 2], [1, 2]), protocol="market")
    with pytest.raises(TypeError):
        vireid.evaluate(rows, rows, [1, 2, 3])
    with pytest.raises(TypeError):
        vireid.evaluate(rows, rows, (["a", "b"], [1, 2]))
