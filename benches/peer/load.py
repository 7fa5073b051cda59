"""The work of `cargo xtask bench load`, in PyTorch: JPEG files to embeddings of the small network.

Usage: python load.py <folder with JPEG files>; prints one line of JSON. Two loader workers, two threads, float32, CPU.
"""

import json
import pathlib
import resource
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from train import TwoStream

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class Images(Dataset):
    def __init__(self, folder):
        self.paths = sorted(pathlib.Path(folder).rglob("*.jpg"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, position):
        image = Image.open(self.paths[position]).convert("RGB").resize((48, 96), Image.LANCZOS)
        return (torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float() / 255 - MEAN) / DEVIATION


def main():
    net, images, best = TwoStream("small").eval(), Images(sys.argv[1]), float("inf")
    for _ in range(3):
        clock = time.perf_counter()
        with torch.no_grad():
            for batch in DataLoader(images, batch_size=64, num_workers=2):
                F.normalize(net.pooled(net.visible(batch)))
        best = min(best, time.perf_counter() - clock)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    print(json.dumps({"seconds": best, "images": len(images), "peak_mib": peak}))


main()
