"""The work of `cargo xtask bench train`, in PyTorch: same networks, batches, losses, memory rule and optimiser.

Usage: python train.py <network>-<kind>[,..] [device] [images] [f32|bf16]; prints a line of JSON each. Float32 (TF32
products on CUDA), or bf16 by autocast over the network; two threads on the CPU.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(2)
torch.manual_seed(0)
VISIBLE_CLUSTERS, INFRARED_CLUSTERS, TAU = 100, 60, 0.05


class Block(nn.Module):
    def __init__(self, inputs, width, output, stride, bottleneck, project):
        super().__init__()
        conv = lambda i, o, k, s: nn.Conv2d(i, o, k, s, k // 2, bias=False)
        if bottleneck:
            sizes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, output, 1, 1)]
        else:
            sizes = [(inputs, width, 3, stride), (width, output, 3, 1)]
        self.convs = nn.ModuleList(conv(*s) for s in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(s[1]) for s in sizes)
        self.project = nn.Sequential(conv(inputs, output, 1, stride), nn.BatchNorm2d(output)) if project else None

    def forward(self, x):
        y = x
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            y = norm(conv(y))
            if number + 1 < len(self.convs):
                y = F.relu(y)
        return F.relu(y + (x if self.project is None else self.project(x)))


class TwoStream(nn.Module):
    def __init__(self, name):
        super().__init__()
        small = name == "small"
        channels, kernel = (24, 5) if small else (64, 7)
        stem = lambda: nn.Sequential(
            nn.Conv2d(3, channels, kernel, 2, kernel // 2, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Identity() if small else nn.MaxPool2d(3, 2, 1))
        self.visible, self.infrared = stem(), stem()
        stages = [(1, 32, 32, 2), (1, 64, 64, 2), (1, 128, 128, 1)] if small else \
            [(3, 64, 256, 1), (4, 128, 512, 2), (6, 256, 1024, 2), (3, 512, 2048, 1)]
        blocks = []
        for count, width, output, stride in stages:
            for number in range(count):
                blocks.append(Block(channels, width, output, stride if number == 0 else 1, not small, number == 0))
                channels = output
        self.trunk = nn.Sequential(*blocks)
        self.neck = nn.BatchNorm1d(channels)
        self.neck.bias.requires_grad_(False)
        self.dim = channels

    def pooled(self, x):
        x = self.trunk(x).flatten(2)
        return self.neck(((x * x * x).mean(2) + 1e-12) ** (1 / 3))

    def forward(self, visible, infrared):
        return self.pooled(torch.cat([self.visible(visible), self.infrared(infrared)]))


class Lite0(TwoStream):
    """EfficientNet-Lite0. Zeros on one side alone, as its convolutions of stride 2 want them, are put there first."""

    def __init__(self):
        nn.Module.__init__(self)

        def conv(inputs, outputs, kernel, stride, groups=1, relu=True):
            both = (kernel - 1) // 2 if stride == 1 else 0
            one = (kernel - 2) // 2, (kernel - 1) // 2
            layers = [] if stride == 1 else [nn.ZeroPad2d((*one, *one))]
            layers += [nn.Conv2d(inputs, outputs, kernel, stride, both, groups=groups, bias=False)]
            layers += [nn.BatchNorm2d(outputs, eps=1e-3)]
            return nn.Sequential(*layers, *([nn.ReLU6()] if relu else []))

        class Inverted(nn.Module):
            def __init__(self, inputs, outputs, kernel, stride, expansion):
                super().__init__()
                inside = inputs * expansion
                self.layers = nn.Sequential(
                    conv(inputs, inside, 1, 1) if expansion > 1 else nn.Identity(),
                    conv(inside, inside, kernel, stride, groups=inside), conv(inside, outputs, 1, 1, relu=False))
                self.adds = stride == 1 and inputs == outputs

            def forward(self, x):
                return self.layers(x) + x if self.adds else self.layers(x)

        self.visible, self.infrared = conv(3, 32, 3, 2), conv(3, 32, 3, 2)
        blocks, channels = [], 32
        for count, kernel, stride, expansion, outputs in [
                (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
                (4, 5, 1, 6, 192), (1, 3, 1, 6, 320)]:
            for number in range(count):
                blocks.append(Inverted(channels, outputs, kernel, stride if number == 0 else 1, expansion))
                channels = outputs
        self.trunk = nn.Sequential(*blocks, conv(320, 1280, 1, 1))
        self.neck = nn.BatchNorm1d(1280)
        self.neck.bias.requires_grad_(False)
        self.dim = 1280


def update(bank, rows, labels):
    for row, label in zip(rows, labels):
        moved = 0.1 * bank[label] + 0.9 * row
        bank[label] = moved / moved.norm()


class Lookup(torch.autograd.Function):
    """Logits of a memory that moves when its gradient is computed."""

    @staticmethod
    def forward(ctx, rows, labels, bank):
        ctx.bank, ctx.labels = bank, labels
        ctx.save_for_backward(rows)
        return rows @ bank.T

    @staticmethod
    def backward(ctx, gradient):
        (rows,) = ctx.saved_tensors
        result = gradient @ ctx.bank
        update(ctx.bank, rows, ctx.labels)
        return result, None, None


def divergence(a, b):
    p, q = F.softmax(a, 1).clamp_min(1e-12), F.softmax(b, 1).clamp_min(1e-12)
    return 0.5 * ((q - p) * (q.log() - p.log())).sum(1).mean()


def stage2_loss(f0, f1, fr, visible, infrared, banks):
    v, r, va, ra = banks
    n0, n1, nr = (F.normalize(f) for f in (f0, f1, fr))
    look = lambda rows, labels, bank: Lookup.apply(rows, labels, bank) / TAU
    z1, z2, z3 = look(n0, visible, v), look(n1, visible, v), look(nr, infrared, r)
    x0, x1, xr = f0 @ r.clone().T / TAU, f1 @ r.clone().T / TAU, fr @ v.clone().T / TAU
    z4, z5, z6 = look(n0, visible, va), look(n1, visible, va), look(nr, visible, va)
    z7, z8, z9 = look(n0, infrared, ra), look(n1, infrared, ra), look(nr, infrared, ra)
    ce = F.cross_entropy
    own = ce(z1, visible) + ce(z2, visible) + ce(z3, infrared)
    shared = ce(z4, visible) + ce(z5, visible) + ce(z6, visible) + ce(z7, infrared) + ce(z8, infrared) + ce(z9, infrared)
    consistency = divergence(z1, z4) + divergence(z2, z5) + divergence(z7, x0) + divergence(z8, x1) \
        + divergence(z6, xr) + divergence(z3, z9)
    return own + 0.9 * shared + 0.5 * consistency


def best_seconds(run):
    def work():
        run()
        if torch.get_default_device().type == "cuda":
            torch.cuda.synchronize()

    clock = time.perf_counter()
    work()
    first = time.perf_counter() - clock
    start, best, runs = time.perf_counter(), float("inf"), 0
    while runs < 3 or time.perf_counter() - start < 4.0:
        clock = time.perf_counter()
        work()
        best, runs = min(best, time.perf_counter() - clock), runs + 1
    return first, best


def main(works, device="cpu", images=None, precision="f32"):
    for work in works.split(","):
        one(work, device, images and int(images), precision)


def one(work, device, wanted, precision):
    torch.set_default_device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    if torch.get_default_device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    name, kind = work.split("-")
    sizes = {"small": (64, 40, (96, 48)), "lite0": (64, 32, (128, 64)), "resnet50": (8, 3, (288, 144))}
    batch, slots, size = sizes[name]
    batch, slots = (wanted or batch), (wanted // 3 if wanted else slots)
    net = Lite0() if name == "lite0" else TwoStream(name)
    network = lambda: torch.autocast(torch.get_default_device().type, torch.bfloat16, enabled=precision == "bf16")
    noise = lambda count: torch.rand(count, 3, *size) - 0.5
    if kind == "forward":
        net.eval()
        x = noise(batch)

        def run():
            with torch.no_grad(), network():
                F.normalize(net.pooled(net.visible(x)))
        images = batch
    elif kind == "backward":
        x = noise(batch)

        def run():
            net.zero_grad(set_to_none=True)
            with network():
                features = net.pooled(net.visible(x))
            features.float().pow(2).mean().backward()
        images = batch
    else:
        optimizer = torch.optim.Adam(net.parameters(), lr=3.5e-4, weight_decay=5e-4)
        rows = lambda count: F.normalize(torch.randn(count, net.dim))
        v, r = rows(VISIBLE_CLUSTERS), rows(INFRARED_CLUSTERS)
        banks = (v, r, v.clone(), r.clone())
        visible = torch.arange(slots) // 5
        infrared = torch.arange(slots) // 5 + 3
        xv, xr = noise(2 * slots), noise(slots)

        def run():
            with network():
                f = net(xv, xr)
            f = f.float()
            loss = stage2_loss(f[:slots], f[slots:2 * slots], f[2 * slots:], visible, infrared, banks)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        images = 3 * slots
    first, seconds = best_seconds(run)
    on_gpu = torch.get_default_device().type == "cuda"
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "images": images, "peak_mib": peak, "first_seconds": first}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
