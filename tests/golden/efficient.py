"""Draws the golden cases of the operation `efficient`: a small EfficientNet-Lite in plain PyTorch, in double precision.

    python efficient.py FOLDER

It needs torch and safetensors, and shares no code with this project. Weights carry the names of efficientnet_pytorch.
"""

import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

STEM, LAST = 8, 12
# Blocks, kernel, stride, expansion, output channels.
STAGES = [(1, 3, 1, 1, 4), (2, 5, 2, 6, 6), (1, 3, 2, 6, 8), (2, 5, 1, 6, 8)]
EPSILON = 1e-3


def blocks(stages, width):
    for count, kernel, stride, expansion, output in stages:
        for number in range(count):
            yield kernel, stride if number == 0 else 1, expansion, width, output
            width = output


def weights():
    named = {}

    def conv(name, output, inputs, kernel):
        named[f"{name}.weight"] = (torch.randn(output, inputs, kernel, kernel) * (2 / (inputs * kernel**2)) ** 0.5).float()

    def norm(name, channels):
        # Wide enough for some values to be above 6.
        named[f"{name}.weight"] = (1.5 + 0.5 * torch.randn(channels)).float()
        named[f"{name}.bias"] = (1 + torch.randn(channels)).float()
        named[f"{name}.running_mean"] = torch.zeros(channels)
        named[f"{name}.running_var"] = torch.ones(channels)

    conv("_conv_stem", STEM, 3, 3)
    norm("_bn0", STEM)
    for number, (kernel, _, expansion, width, output) in enumerate(blocks(STAGES, STEM)):
        block, inside = f"_blocks.{number}", width * expansion
        if expansion > 1:
            conv(f"{block}._expand_conv", inside, width, 1)
            norm(f"{block}._bn0", inside)
        conv(f"{block}._depthwise_conv", inside, 1, kernel)
        norm(f"{block}._bn1", inside)
        conv(f"{block}._project_conv", output, inside, 1)
        norm(f"{block}._bn2", output)
    conv("_conv_head", LAST, STAGES[-1][-1], 1)
    norm("_bn1", LAST)
    named["_fc.weight"] = torch.randn(7, LAST).float()
    named["_fc.bias"] = torch.randn(7).float()
    return named


def same(x, weight, stride, groups=1):
    kernel, zeros = weight.shape[-1], []
    for side in reversed(x.shape[-2:]):
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        zeros += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, zeros), weight, stride=stride, groups=groups)


def stem(images, w, norm, prefix=""):
    """The first layer, of images that ImageNet's mean and deviation have normalised."""
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=images.dtype).reshape(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], dtype=images.dtype).reshape(1, 3, 1, 1)
    scaled = ((images * deviation + mean) * 255 - 127) / 128
    return F.relu6(norm(same(scaled, w[f"{prefix}_conv_stem.weight"], 2), f"{prefix}_bn0"))


def pooled(x, w, norm, stages, width):
    """Everything from the first layer's output to the neck."""
    for number, (_, stride, expansion, width, output) in enumerate(blocks(stages, width)):
        block, before = f"_blocks.{number}", x
        if expansion > 1:
            x = F.relu6(norm(F.conv2d(x, w[f"{block}._expand_conv.weight"]), f"{block}._bn0"))
        x = same(x, w[f"{block}._depthwise_conv.weight"], stride, x.shape[1])
        x = F.relu6(norm(x, f"{block}._bn1"))
        x = norm(F.conv2d(x, w[f"{block}._project_conv.weight"]), f"{block}._bn2")
        if stride == 1 and width == output:
            x = x + before
    x = F.relu6(norm(F.conv2d(x, w["_conv_head.weight"]), "_bn1"))
    return (x**3).mean((2, 3)).add(1e-12).pow(1 / 3)


def network(visible, infrared, w):
    def norm(x, name):
        return F.batch_norm(x, None, None, w[f"{name}.weight"], w[f"{name}.bias"], training=True, eps=EPSILON)

    # Both modalities have the same first layer in the file, and each its own in the network.
    x = torch.cat([stem(visible, w, norm), stem(infrared, w, norm, "infrared")])
    features = pooled(x, w, norm, STAGES, STEM)
    return features, F.batch_norm(features, None, None, training=True)


def case(path, seed, image):
    torch.manual_seed(seed)
    file = weights()
    w = {name: value.double() for name, value in file.items()}
    for name in ("_conv_stem.weight", "_bn0.weight", "_bn0.bias"):
        w[f"infrared{name}"] = w[name].clone()
    for value in w.values():
        value.requires_grad_()
    batch = {"visible": torch.randn(4, 3, *image).float(), "infrared": torch.randn(3, 3, *image).float()}
    features, embedding = network(batch["visible"].double(), batch["infrared"].double(), w)
    factors = torch.randn(2, 7, LAST).float()
    loss = ((features * factors[0].double()).sum() + (embedding * factors[1].double()).sum()) / 5
    loss.backward()
    out = {"pooled": features, "embedding": embedding, "loss": loss.reshape(1)}
    for ours, theirs in [
        ("stem_visible.weight", "_conv_stem.weight"),
        ("stem_infrared.bn.bias", "infrared_bn0.bias"),
        ("blocks.0.depthwise.weight", "_blocks.0._depthwise_conv.weight"),
        ("blocks.1.expand.conv.weight", "_blocks.1._expand_conv.weight"),
        ("blocks.1.depthwise.weight", "_blocks.1._depthwise_conv.weight"),
        ("blocks.2.project.bn.weight", "_blocks.2._bn2.weight"),
        ("blocks.3.depthwise.bn.bias", "_blocks.3._bn1.bias"),
        ("blocks.5.depthwise.weight", "_blocks.5._depthwise_conv.weight"),
        ("last.conv.weight", "_conv_head.weight"),
    ]:
        out[f"gradient.{ours}"] = w[theirs].grad
    tensors = {f"in.weights.{name}": value for name, value in file.items()}
    tensors |= {f"in.{name}": value for name, value in batch.items()}
    tensors["in.factors"] = factors
    tensors |= {f"out.{name}": value.detach().float() for name, value in out.items()}
    metadata = {"op": "efficient", "source": "plain PyTorch, efficient.py", "stem": str(STEM), "last": str(LAST)}
    metadata["stages"] = " ".join(",".join(map(str, stage)) for stage in STAGES)
    # Gradients of batch norms over few images are small differences of large numbers.
    metadata |= {f"tol.{name}": "1e-5" if not name.startswith("gradient") else "1e-4" for name in out}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata=metadata)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    case(folder / "efficient__even.safetensors", 1, (64, 32))
    case(folder / "efficient__odd.safetensors", 2, (37, 22))
