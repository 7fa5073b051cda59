"""Networks that leave give in onnxruntime and PyTorch what they give here; those of PyTorch give here what they gave there."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PEER = Path(__file__).parents[2] / "benches" / "peer" / "export.py"
# The largest difference of any number of an embedding of length 1. Measured are 7e-7, and of ResNet-50 2e-5: fifty layers of drawn
# weights make much of rounding, and PyTorch's own f32 is as far from its f64.
MOST = 1e-4
# More than the largest batch.
CROPS = 34


def run(*arguments):
    command = [sys.executable, "-m", "vireid", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def peer():
    """`benches/peer/export.py`, which runs exported files and knows the modules that weights are loaded into."""
    for package in ("onnx", "onnxruntime", "PIL", "safetensors", "torch"):
        pytest.importorskip(package)
    spec = importlib.util.spec_from_file_location("export", PEER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def crops(peer, tmp_path_factory):
    """Drawn images of both modalities: blocks around a colour, those of infrared grey."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("crops")
    random = np.random.default_rng(3)
    for modality, channels in (("visible", 3), ("infrared", 1)):
        (folder / modality / "camera1").mkdir(parents=True)
        for number in range(CROPS):
            blocks = random.uniform(0, 256, size=(8, 4, channels)).repeat(16, 0).repeat(16, 1)
            pixels = np.clip(blocks + random.normal(0, 12, size=blocks.shape), 0, 255).astype(np.uint8).squeeze()
            Image.fromarray(pixels).save(folder / modality / "camera1" / f"{number:02}.png")
    return folder


def stirred(tensors, seed=0):
    """Values that leave nothing at 0 or 1, nor equal in both modalities, so that no part of a network can be forgotten."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def value(name, old):
        if not old.is_floating_point():
            return old
        random = torch.randn(old.shape, generator=generator)
        if old.dim() == 1:
            is_scale = name.endswith(("running_var", ".weight"))
            return 1 + 0.5 * random.clamp(-1, 1) if is_scale else 0.1 * random
        return random / old[0].numel() ** 0.5

    return {name: value(name, old) for name, old in tensors.items()}


def shapes_of(folder, backbone, names):
    """The tensors of an untrained network as an exported file has them."""
    from safetensors.torch import load_file

    run("import", "--weights", "none", "--backbone", backbone, "--out", folder / "untrained")
    run("export", "--model", folder / "untrained", "--names", names, "--out", folder / "untrained.safetensors")
    return load_file(folder / "untrained.safetensors")


def settled(peer, tensors, backbone, crops, size):
    """With the statistics of the crops in the batch norms, without which deep networks of drawn weights answer alike to all."""
    import torch

    network = peer.modules()["cls_token" in tensors](tensors, backbone)
    network.load_state_dict(tensors)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        for modality in ("visible", "infrared"):
            paths = sorted((crops / modality).rglob("*.png"))
            network.train()(torch.from_numpy(peer.normalised(peer.images_of(paths, *size, "bilinear"))), modality)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def extracted(model, crops, out):
    run("extract", "--model", model, "--data", crops, "--out", out)
    rows = np.load(out)
    # Nothing is shown by a network that answers the same to everything.
    assert len(rows) == 2 * CROPS and rows.var(axis=0).sum() > 0.03


@pytest.mark.parametrize(
    "backbone, names, size, mirrored",
    [
        ("small", "published", "96x48", "true"),
        ("resnet50", "published", "128x64", "false"),
        ("vit_small_16", "own", "128x64", "false"),
    ],
)
def test_exported_files_give_what_extract_gives(peer, crops, tmp_path, backbone, names, size, mirrored):
    import torch

    tensors = stirred(shapes_of(tmp_path, backbone, names))
    height, width = map(int, size.split("x"))
    if backbone.startswith("vit"):
        # As many places as the images below have patches, and one.
        tensors["pos_embed"] = tensors["pos_embed"][:, : 1 + 8 * 4].clone()
    tensors = settled(peer, tensors, backbone, crops, (height, width))
    torch.save(tensors, tmp_path / "weights.pth")
    model, out = tmp_path / "model", tmp_path / "net.onnx"
    given = {"published": "usl-vi-reid", "own": "own"}[names]
    settings = ["--size", size, "--set", f"evaluation.flip_average={mirrored}"]
    run("import", "--weights", tmp_path / "weights.pth", "--backbone", backbone, "--as", given, "--out", model, *settings)
    extracted(model, crops, tmp_path / "gallery.npy")
    run("export", "--model", model, "--out", out)
    run("export", "--model", model, "--out", tmp_path / "raw.onnx", "--raw")
    run("export", "--model", model, "--out", tmp_path / "net.safetensors")
    for modality in ("visible", "infrared"):
        files = [tmp_path / f"net-{modality}.onnx", tmp_path / f"raw-{modality}.onnx", tmp_path / "net.safetensors"]
        lines = list(peer.comparisons(tmp_path / "gallery.npy", modality, files, CROPS, calls=2))
        assert [(line["file"], line["batch"]) for line in lines] == [
            (file, batch) for file in ("onnx", "raw onnx", "safetensors") for batch in (1, 3, 32)
        ]
        for line in lines:
            assert (
                line["images"] == min(2 * line["batch"], CROPS)
                and line["network"] == backbone
                and line["largest_difference"] < MOST
            ), line


def test_a_file_of_the_other_modality_is_told_apart(peer, crops, tmp_path):
    """The comparison itself can fail."""
    import torch

    tensors = settled(peer, stirred(shapes_of(tmp_path, "small", "published")), "small", crops, (96, 48))
    torch.save(tensors, tmp_path / "weights.pth")
    run("import", "--weights", tmp_path / "weights.pth", "--backbone", "small", "--as", "usl-vi-reid", "--out", tmp_path / "m")
    extracted(tmp_path / "m", crops, tmp_path / "gallery.npy")
    run("export", "--model", tmp_path / "m", "--out", tmp_path / "net.onnx")
    lines = list(peer.comparisons(tmp_path / "gallery.npy", "visible", [tmp_path / "net-infrared.onnx"], calls=2))
    assert all(line["largest_difference"] > 100 * MOST for line in lines), lines


@pytest.fixture(scope="module")
def resnet18(peer, crops, tmp_path_factory):
    """The tensors of a two-stream ResNet-18 under the published code's names."""
    folder = tmp_path_factory.mktemp("resnet18")
    return settled(peer, stirred(shapes_of(folder, "resnet18", "published"), seed=1), "resnet18", crops, (96, 48))


def with_all(state):
    """As people save a training: `module.` before names, in half precision, beside the optimiser's state."""
    import torch

    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    parameter.grad = torch.ones(3)
    optimizer.step()
    half = {f"module.{name}": t.half() if t.is_floating_point() else t for name, t in state.items()}
    return {"state_dict": half, "optimizer": optimizer.state_dict(), "epoch": 3, "mAP": 0.5}


@pytest.mark.parametrize("names", ["torchvision", "usl-vi-reid"])
@pytest.mark.parametrize("is_new", [False, True], ids=["legacy", "zip"])
@pytest.mark.parametrize("is_whole", [False, True], ids=["plain", "training"])
def test_networks_of_pytorch_give_what_they_gave(peer, crops, resnet18, tmp_path, names, is_new, is_whole):
    import torch

    two_stream = dict(resnet18)
    if names == "torchvision":
        stem, trunk = "visible_module.visible.", "base_resnet.base."
        prefixed = [(name.removeprefix(stem).removeprefix(trunk), name) for name in two_stream]
        state = {name: two_stream[old] for name, old in prefixed if old.startswith((stem, trunk))}
        state |= {"fc.weight": torch.ones(5, 512), "fc.bias": torch.ones(5)}
        # Its one stem is that of both modalities, and there is no neck.
        for name in [name for name in two_stream if name.startswith("thermal_module")]:
            two_stream[name] = two_stream[name.replace("thermal", "visible")]
        for leaf, number in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            two_stream[f"bottleneck.{leaf}"] = torch.full((512,), float(number))
    else:
        # The published classes hold whole networks, of which they use a part.
        unused = ["visible_module.visible.layer1.0.conv1.weight", "thermal_module.thermal.fc.bias", "base_resnet.base.conv1.weight"]
        state = two_stream | {name: torch.ones(2, 2) for name in [*unused, "classifier.weight"]}
    saved = with_all(state) if is_whole else state
    torch.save(saved, tmp_path / "weights.pth", _use_new_zipfile_serialization=is_new)
    assert (tmp_path / "weights.pth").read_bytes().startswith(b"PK") == is_new

    model = tmp_path / "model"
    said = run("import", "--weights", tmp_path / "weights.pth", "--backbone", "resnet18", "--size", "96x48", "--out", model)
    assert f"read as {names}" in said, said
    extracted(model, crops, tmp_path / "gallery.npy")

    if is_whole:
        two_stream = {name: t.half().float() if t.is_floating_point() else t for name, t in two_stream.items()}
    network = peer.modules()[0](two_stream, "resnet18").eval()
    network.load_state_dict(two_stream)
    settings, _, _ = peer.read_index(tmp_path / "gallery.npy", "visible", 1)
    resample = settings["settings"]["input.filter"].strip('"')
    run("export", "--model", model, "--out", tmp_path / "net.onnx")
    for modality in ("visible", "infrared"):
        _, paths, expected = peer.read_index(tmp_path / "gallery.npy", modality, CROPS)
        images = peer.normalised(peer.images_of(paths, 96, 48, resample))
        with torch.no_grad():
            given = torch.nn.functional.normalize(network(torch.from_numpy(images), modality)).numpy()
        np.testing.assert_allclose(expected, given, rtol=0, atol=MOST)
        for line in peer.comparisons(tmp_path / "gallery.npy", modality, [tmp_path / f"net-{modality}.onnx"], calls=2):
            assert line["largest_difference"] < MOST, line
