"""Draws the golden cases of the operation `vit`: a vision transformer in plain PyTorch, in double precision.

    python vit.py FOLDER

It needs torch and safetensors, and shares no code with this project. Weights carry timm's names.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F


def weights(dim, depth, patch, grid, neck):
    def normal(*shape, mean=0.0, std=1.0):
        return (mean + std * torch.randn(*shape)).float()

    named = {
        "cls_token": normal(1, 1, dim),
        "pos_embed": normal(1, 1 + grid[0] * grid[1], dim),
        "patch_embed.proj.weight": normal(dim, 3, patch, patch, std=0.08),
        "patch_embed.proj.bias": normal(dim, std=0.1),
        "norm.weight": normal(dim, mean=1.0, std=0.2),
        "norm.bias": normal(dim, std=0.1),
        "head.weight": normal(7, dim),
        "head.bias": normal(7),
    }
    for block in range(depth):
        for norm in ("norm1", "norm2"):
            named[f"blocks.{block}.{norm}.weight"] = normal(dim, mean=1.0, std=0.2)
            named[f"blocks.{block}.{norm}.bias"] = normal(dim, std=0.1)
        for layer, rows, columns in [
            ("attn.qkv", 3 * dim, dim),
            ("attn.proj", dim, dim),
            ("mlp.fc1", 4 * dim, dim),
            ("mlp.fc2", dim, 4 * dim),
        ]:
            named[f"blocks.{block}.{layer}.weight"] = normal(rows, columns, std=columns**-0.5)
            named[f"blocks.{block}.{layer}.bias"] = normal(rows, std=0.1)
    if neck:
        named["neck.weight"] = normal(dim, mean=1.0, std=0.2)
        named["neck.bias"] = normal(dim, std=0.1)
        named["neck.running_mean"] = torch.zeros(dim)
        named["neck.running_var"] = torch.ones(dim)
    return named


def vit(images, w, proj, pos, depth, heads, stride):
    tokens = F.conv2d(images, w[f"{proj}.weight"], w[f"{proj}.bias"], stride=stride).flatten(2).transpose(1, 2)
    batch, _, dim = tokens.shape
    x = torch.cat([w["cls_token"].expand(batch, 1, dim), tokens], 1) + pos
    for block in range(depth):
        of = lambda name: (w[f"blocks.{block}.{name}.weight"], w[f"blocks.{block}.{name}.bias"])
        normed = F.layer_norm(x, (dim,), *of("norm1"), eps=1e-6)
        q, k, v = F.linear(normed, *of("attn.qkv")).split(dim, dim=2)
        mixed = []
        for head in range(heads):
            part = slice(head * dim // heads, (head + 1) * dim // heads)
            scores = q[..., part] @ k[..., part].transpose(1, 2) / (dim // heads) ** 0.5
            mixed.append(scores.softmax(-1) @ v[..., part])
        x = x + F.linear(torch.cat(mixed, 2), *of("attn.proj"))
        normed = F.layer_norm(x, (dim,), *of("norm2"), eps=1e-6)
        x = x + F.linear(F.gelu(F.linear(normed, *of("mlp.fc1"))), *of("mlp.fc2"))
    return F.layer_norm(x, (dim,), w["norm.weight"], w["norm.bias"], eps=1e-6)[:, 0]


def case(path, seed, dim, depth, heads, image, patch, stride, file_grid, neck):
    torch.manual_seed(seed)
    file = weights(dim, depth, patch, file_grid, neck)
    grid = [(side - patch) // stride + 1 for side in image]
    w = {name: value.double() for name, value in file.items()}
    # The file's one patch embedding goes to both modalities.
    for leaf in ("weight", "bias"):
        w[f"patch_embed_infrared.proj.{leaf}"] = w[f"patch_embed.proj.{leaf}"].clone()
    pos = w["pos_embed"]
    if list(file_grid) != grid:
        square = pos[:, 1:].reshape(1, *file_grid, dim).permute(0, 3, 1, 2)
        square = F.interpolate(square, size=grid, mode="bicubic", align_corners=False, antialias=False)
        pos = torch.cat([pos[:, :1], square.permute(0, 2, 3, 1).reshape(1, -1, dim)], 1)
    w["pos_embed"] = pos.detach().clone()
    for name in w:
        w[name].requires_grad_()
    batch = {"visible": torch.randn(3, 3, *image).float(), "infrared": torch.randn(2, 3, *image).float()}
    projections = {"visible": "patch_embed.proj", "infrared": "patch_embed_infrared.proj"}
    of = [vit(batch[m].double(), w, projections[m], w["pos_embed"], depth, heads, stride) for m in batch]
    pooled = torch.cat(of)
    factors = torch.randn(2, 5, dim).float()
    loss = (pooled * factors[0].double()).sum() / 5
    out = {"pooled": pooled}
    if neck:
        embedding = F.batch_norm(pooled, None, None, w["neck.weight"], w["neck.bias"], training=True)
        out["embedding"] = embedding
        loss = loss + (embedding * factors[1].double()).sum() / 5
    loss.backward()
    out["loss"] = loss.reshape(1)
    for name in [
        "cls_token",
        "pos_embed",
        "patch_embed.proj.bias",
        "patch_embed_infrared.proj.weight",
        "blocks.0.norm1.weight",
        "blocks.0.attn.qkv.weight",
        "blocks.0.attn.qkv.bias",
        "blocks.1.attn.proj.weight",
        "blocks.0.mlp.fc1.bias",
        "blocks.1.mlp.fc2.weight",
        "norm.bias",
    ]:
        out[f"gradient.{name}"] = w[name].grad
    if neck:
        out["gradient.neck.weight"] = w["neck.weight"].grad
    out["pos_embed"] = w["pos_embed"]
    tensors = {f"in.weights.{name}": value for name, value in file.items()}
    tensors |= {f"in.{name}": value for name, value in batch.items()}
    tensors["in.factors"] = factors
    tensors |= {f"out.{name}": value.detach().float() for name, value in out.items()}
    parameters = dict(dim=dim, depth=depth, heads=heads, height=image[0], width=image[1], patch=patch, stride=stride)
    metadata = {"op": "vit", "source": "plain PyTorch, vit.py"} | {key: str(value) for key, value in parameters.items()}
    metadata |= {f"tol.{name}": "1e-5" for name in out}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata=metadata)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    plain = dict(dim=24, depth=2, heads=3, image=(64, 32), patch=16, stride=16, file_grid=(4, 2), neck=True)
    case(folder / "vit__timm_names.safetensors", 1, **plain)
    resized = dict(dim=24, depth=2, heads=3, image=(32, 16), patch=8, stride=6, file_grid=(3, 3), neck=False)
    case(folder / "vit__resized_positions.safetensors", 2, **resized)
