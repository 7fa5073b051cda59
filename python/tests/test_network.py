"""A network that the package's own command line makes, on a drawn world."""

import subprocess
import sys

import numpy as np
import pytest
import vireid
from vireid import VireidError


def run(*arguments, check=True):
    command = [sys.executable, "-m", "vireid", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vireid")
    run("data", "synth", "--out", folder / "world", "--like", "regdb")
    run("import", "--weights", "builtin:small", "--out", folder / "model")
    return folder


@pytest.fixture(scope="module")
def network(world):
    return vireid.Network.load(world / "model")


@pytest.fixture(scope="module")
def paths(world):
    found = sorted((world / "world").rglob("*.bmp")) or sorted((world / "world").rglob("*.png"))
    assert found
    return found[:6]


def pixels(path):
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(path).convert("RGB"))


def test_facts(network, world):
    assert network.method == "imported" and network.dim > 8 and len(network.size) == 2
    assert str(world / "model") in repr(network)


def test_rows_are_those_of_the_command_line(network, world):
    index = world / "index.npy"
    run(
        "extract",
        "--model",
        world / "model",
        "--data",
        world / "world",
        "--part",
        "test",
        "--modality",
        "visible",
        "--out",
        index,
    )
    with open(index.with_suffix(".csv")) as file:
        lines = [line.split(",")[0] for line in file.read().splitlines()[1:]]
    rows = network.embed(lines[:40], "visible")
    np.testing.assert_array_equal(rows, np.load(index)[:40])
    found = network.search(rows[:3], index, top=2)
    np.testing.assert_array_equal(found.rows[:, 0], [0, 1, 2])
    assert [str(path) for path in found.paths[:40]] == lines[:40]


def test_files_arrays_and_pictures_are_one(network, paths):
    rows = network.embed(paths, "infrared")
    assert rows.dtype == np.float32 and rows.shape == (6, network.dim)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    image = pytest.importorskip("PIL.Image")
    np.testing.assert_array_equal(network.embed([pixels(path) for path in paths], "infrared"), rows)
    np.testing.assert_array_equal(network.embed(np.stack([pixels(path) for path in paths]), "infrared"), rows)
    mixed = [str(paths[0]), pixels(paths[1]), image.open(paths[2]), *paths[3:]]
    np.testing.assert_array_equal(network.embed(mixed, "infrared", threads=1), rows)


def test_each_modality_has_its_own_part_of_a_trained_network(world, paths):
    """Before training, both parts are the same."""
    short = ["--set", "stage1.epochs=1", "--set", "stage2.epochs=0"]
    run("train", "--method", "mbccm", "--data", world / "world", "--out", world / "trained", *short)
    trained = vireid.Network.load(world / "trained")
    assert trained.method == "mbccm"
    assert (trained.embed(paths, "visible") != trained.embed(paths, "infrared")).any()


def test_any_size(network):
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, size=(h, w, 3), dtype=np.uint8) for h, w in ((9, 8), (128, 64), (300, 41))]
    assert network.embed(images, "visible").shape == (3, network.dim)
    grey = images[1][:, :, 0]
    np.testing.assert_array_equal(network.embed([grey], "infrared"), network.embed([np.repeat(grey[:, :, None], 3, 2)], "infrared"))
    assert network.embed([], "visible").shape == (0, network.dim)


def test_search_of_images(network, paths):
    gallery = network.embed(paths, "visible")
    found = network.search(paths[:2], gallery, modality="visible", top=99)
    np.testing.assert_array_equal(found.rows[:, 0], [0, 1])
    assert found.rows.shape == found.similarities.shape == (2, 6) and found.paths is None


def test_calibration(network, world):
    assert network.calibration is None
    run("calibrate", "--model", world / "model", "--data", world / "world", "--far", "0.1")
    calibration = network.calibration
    assert calibration.far == 0.1 and calibration.same > 0
    assert bool(calibration.same_person(calibration.threshold)) and not calibration.same_person(-1.0)
    rising = calibration.probability(np.linspace(-1, 1, 50))
    assert (np.diff(rising) >= 0).all() and rising[0] < rising[-1]


def test_save(network, world, paths, tmp_path):
    network.save(tmp_path / "copy")
    again = vireid.Network.load(tmp_path / "copy")
    assert again.hash == network.hash
    np.testing.assert_array_equal(again.embed(paths, "visible"), network.embed(paths, "visible"))
    with pytest.raises(VireidError):
        network.save(tmp_path / "copy")


def test_wrong_arguments(network, tmp_path, paths):
    with pytest.raises(VireidError) as refused:
        vireid.Network.load(tmp_path)
    assert refused.value.code == "VR0510"
    with pytest.raises(VireidError) as refused:
        network.embed([tmp_path / "none.png"], "visible")
    assert refused.value.code == "VR0105"
    with pytest.raises(VireidError) as refused:
        network.embed([np.zeros((4, 4, 3), np.uint8)], "visible")
    assert refused.value.code == "VR0105" and "image 0" in str(refused.value)
    with pytest.raises(VireidError):
        network.embed([np.zeros((40, 40, 4), np.uint8)], "visible")
    with pytest.raises(TypeError):
        network.embed([np.zeros((40, 40, 3), np.float32)], "visible")
    with pytest.raises(TypeError):
        network.embed(paths[0], "visible")
    with pytest.raises(VireidError):
        network.embed(paths, "sonar")
    with pytest.raises(VireidError):
        network.search(np.ones((1, 3)), np.ones((1, 3)))


def test_the_command_line_tells_wrong_arguments():
    said = run("cluster", "--nonsense", check=False)
    assert said.returncode == 2 and "nonsense" in said.stderr
    said = run("explain", "VR9999", check=False)
    assert said.returncode == 1
