"""Exported files against the embeddings that `vireid extract` wrote: ONNX by onnxruntime, safetensors by PyTorch.

Usage: python export.py <index.npy> <modality> <file.onnx | raw.onnx | file.safetensors>.. [--images N] [--json]
Prints a line per file and batch size (1, 3, 32): the largest difference of any number of a unit-length embedding. Safetensors
are loaded with strict=True into the modules below, which are PyTorch's own layers under the file's names. Exit status 1 above 1e-4.
"""

import argparse
import csv
import json
import math
import pathlib
import sys

import numpy
from PIL import Image

BATCHES = (1, 3, 32)
MOST = 1e-4
MEAN = numpy.array([0.485, 0.456, 0.406], numpy.float32)
DEVIATION = numpy.array([0.229, 0.224, 0.225], numpy.float32)
FILTERS = {"lanczos": Image.LANCZOS, "bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}


def read_index(path, modality, count):
    settings = json.loads(path.with_suffix(".json").read_text())["fingerprint"]
    with path.with_suffix(".csv").open(newline="") as file:
        rows = [(number, row["path"]) for number, row in enumerate(csv.DictReader(file)) if row["modality"] == modality]
    rows = rows[:count]
    return settings, [path for _, path in rows], numpy.load(path)[[number for number, _ in rows]]


def images_of(paths, height, width, resample):
    resized = (Image.open(path).convert("RGB").resize((width, height), FILTERS[resample]) for path in paths)
    return numpy.stack([numpy.asarray(image) for image in resized])


def normalised(images):
    return ((images.astype(numpy.float32) / 255 - MEAN) / DEVIATION).transpose(0, 3, 1, 2)


def unit(rows):
    return rows / numpy.maximum(numpy.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def onnx_function(path):
    import onnx
    import onnxruntime

    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    is_raw = facts["vireid.raw"] == "true"

    def run(images):
        return session.run(["embedding"], {"images": normalised(images) if is_raw else images})[0]

    return run, facts


def torch_function(path, modality, mirrored):
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    torch.set_num_threads(2)
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    tensors = load_file(path)
    TwoStream, Vit = modules()
    net = (Vit if "cls_token" in tensors else TwoStream)(tensors, facts["vireid.network"]).eval()
    net.load_state_dict(tensors, strict=True)

    @torch.no_grad()
    def run(images):
        x = torch.from_numpy(normalised(images))
        rows = torch.nn.functional.normalize(net(x, modality))
        if mirrored:
            rows = (rows + torch.nn.functional.normalize(net(x.flip(3), modality))) / 2
        return rows.numpy()

    return run, facts


def modules():
    """PyTorch's layers under the names of the published two-stream code, of torchvision and of timm."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Block(nn.Module):
        def __init__(self, shapes, name, stride):
            super().__init__()
            shape = lambda part: shapes[f"{name}.{part}.weight"].shape
            self.deep = f"{name}.conv3.weight" in shapes
            numbers = (1, 2, 3) if self.deep else (1, 2)
            for number in numbers:
                out, inputs, kernel, _ = shape(f"conv{number}")
                step = stride if number == (2 if self.deep else 1) else 1
                setattr(self, f"conv{number}", nn.Conv2d(inputs, out, kernel, step, kernel // 2, bias=False))
                setattr(self, f"bn{number}", nn.BatchNorm2d(out))
            self.downsample = None
            if f"{name}.downsample.0.weight" in shapes:
                out, inputs = shape("downsample.0")[:2]
                self.downsample = nn.Sequential(nn.Conv2d(inputs, out, 1, stride, bias=False), nn.BatchNorm2d(out))

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if self.deep:
                y = self.bn3(self.conv3(F.relu(y)))
            return F.relu(y + (x if self.downsample is None else self.downsample(x)))

    class NonLocal(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.g = nn.Sequential(nn.Conv2d(channels, 1, 1))
            self.theta, self.phi = nn.Conv2d(channels, 1, 1), nn.Conv2d(channels, 1, 1)
            self.W = nn.Sequential(nn.Conv2d(1, channels, 1), nn.BatchNorm2d(channels))

        def forward(self, x):
            flat = lambda layer: layer(x).flatten(2)
            attention = flat(self.theta).transpose(1, 2) @ flat(self.phi) / x[0, 0].numel()
            y = (attention @ flat(self.g).transpose(1, 2)).transpose(1, 2)
            return self.W(y.reshape(x.shape[0], 1, *x.shape[2:])) + x

    class TwoStream(nn.Module):
        """`visible_module.visible`, `thermal_module.thermal`, `base_resnet.base`, `NL_n` and `bottleneck`."""

        def __init__(self, shapes, name):
            super().__init__()
            holder = lambda: nn.Module()
            out, _, kernel, _ = shapes["visible_module.visible.conv1.weight"].shape
            self.pool = kernel == 7
            for module, field in (("visible_module", "visible"), ("thermal_module", "thermal")):
                stem = holder()
                stem.conv1 = nn.Conv2d(3, out, kernel, 2, kernel // 2, bias=False)
                stem.bn1 = nn.BatchNorm2d(out)
                setattr(self, module, holder())
                setattr(getattr(self, module), field, stem)
            self.base_resnet = holder()
            base = self.base_resnet.base = holder()
            strides = (2, 2, 1) if name == "small" else (1, 2, 2, 1)
            self.stages = len(strides)
            for stage, stride in enumerate(strides, 1):
                prefix = f"base_resnet.base.layer{stage}"
                count = 1 + max(int(key.split(".")[3]) for key in shapes if key.startswith(prefix + "."))
                blocks = [Block(shapes, f"{prefix}.{number}", stride if number == 0 else 1) for number in range(count)]
                setattr(base, f"layer{stage}", nn.Sequential(*blocks))
                channels = blocks[-1].bn2.num_features if not blocks[-1].deep else blocks[-1].bn3.num_features
                attended = len({key.split(".")[1] for key in shapes if key.startswith(f"NL_{stage}.")})
                if attended:
                    setattr(self, f"NL_{stage}", nn.ModuleList(NonLocal(channels) for _ in range(attended)))
            self.bottleneck = nn.BatchNorm1d(channels)

        def forward(self, x, modality):
            stem = self.visible_module.visible if modality == "visible" else self.thermal_module.thermal
            x = F.relu(stem.bn1(stem.conv1(x)))
            if self.pool:
                x = F.max_pool2d(x, 3, 2, 1)
            for stage in range(1, self.stages + 1):
                blocks = getattr(self.base_resnet.base, f"layer{stage}")
                attention = getattr(self, f"NL_{stage}", [])
                for number, block in enumerate(blocks):
                    x = block(x)
                    place = number - (len(blocks) - len(attention))
                    if place >= 0:
                        x = attention[place](x)
            return self.bottleneck((x.pow(3).mean((2, 3)) + 1e-12).pow(1 / 3))

    class VitBlock(nn.Module):
        def __init__(self, dim, heads):
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
            self.attn, self.mlp = nn.Module(), nn.Module()
            self.attn.qkv, self.attn.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
            self.mlp.fc1, self.mlp.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

        def forward(self, x):
            parts = self.attn.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*parts)
            x = x + self.attn.proj(mixed.transpose(1, 2).flatten(2))
            return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))

    class Vit(nn.Module):
        """timm's names, with `patch_embed_infrared` and `neck` beside them."""

        def __init__(self, shapes, name):
            super().__init__()
            dim, _, patch, _ = shapes["patch_embed.proj.weight"].shape
            for field in ("patch_embed", "patch_embed_infrared"):
                if f"{field}.proj.weight" in shapes:
                    embedding = nn.Module()
                    embedding.proj = nn.Conv2d(3, dim, patch, patch)
                    setattr(self, field, embedding)
            self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
            self.pos_embed = nn.Parameter(torch.zeros(shapes["pos_embed"].shape))
            depth = 1 + max(int(key.split(".")[1]) for key in shapes if key.startswith("blocks."))
            self.blocks = nn.Sequential(*(VitBlock(dim, {384: 6, 768: 12}[dim]) for _ in range(depth)))
            self.norm, self.neck = nn.LayerNorm(dim, 1e-6), nn.BatchNorm1d(dim)

        def forward(self, x, modality):
            own = modality == "infrared" and hasattr(self, "patch_embed_infrared")
            x = (self.patch_embed_infrared if own else self.patch_embed).proj(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
            return self.neck(self.norm(self.blocks(x))[:, 0])

    return TwoStream, Vit


def comparisons(index, modality, files, count=64, calls=None):
    """A line per file and batch size: how far its embeddings of `count` images, in at most so many calls, are from an index's."""
    fingerprint, paths, expected = read_index(index, modality, count)
    settings = fingerprint["settings"]
    mirrored = settings.get("evaluation.flip_average") == "true"
    size = [int(settings[f"input.{side}"]) for side in ("height", "width")]
    images = images_of(paths, *size, json.loads(settings["input.filter"]))
    for path in files:
        if path.suffix == ".onnx":
            runtime, (run, facts) = "onnxruntime", onnx_function(path)
        else:
            runtime, (run, facts) = "pytorch", torch_function(path, modality, mirrored)
        # The network alone, whose embeddings are no mean over mirror images.
        is_raw = facts.get("vireid.raw") == "true"
        for batch in BATCHES:
            starts = range(0, len(images), batch)[:calls]
            rows = [run(images[start : start + batch]) for start in starts]
            if is_raw and mirrored:
                mirror = [run(images[start : start + batch, :, ::-1]) for start in starts]
                rows = [(unit(a) + unit(b)) / 2 for a, b in zip(rows, mirror)]
            rows = unit(numpy.concatenate(rows))
            difference = float(numpy.abs(rows - expected[: len(rows)]).max())
            yield {
                "network": facts["vireid.network"],
                "modality": modality,
                "file": "raw onnx" if is_raw else path.suffix[1:],
                "runtime": runtime,
                "batch": batch,
                "images": len(rows),
                "largest_difference": difference,
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=pathlib.Path)
    parser.add_argument("modality", choices=["visible", "infrared"])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    bad = False
    for line in comparisons(arguments.index, arguments.modality, arguments.files, arguments.images):
        difference = line["largest_difference"]
        bad |= math.isnan(difference) or difference > MOST
        print(json.dumps(line) if arguments.json else " ".join(f"{key}={value}" for key, value in line.items()))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
