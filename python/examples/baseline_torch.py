"""The field's baseline loop in PyTorch, with vireid's clustering, on a synthetic world: python baseline_torch.py [--quick]

Every epoch: embed all training images, cluster each modality, match the clusters across, then learn from memories of
clusters that move with their members. No identity is looked at, but to print how good the clusters and the search are.
Needs torch, pillow and scikit-learn (for one figure). The results are SYNTHETIC and say nothing about real data.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import vireid
from PIL import Image
from sklearn.metrics import adjusted_rand_score
from torch import nn

CAMERAS = (1, 2, 4, 5), (3, 6)  # of visible and of infrared images
HEIGHT, WIDTH, TEMPERATURE, MOMENTUM = 64, 32, 0.05, 0.1
CLUSTERS, IMAGES = 12, 4  # of a batch, for each modality


def layer(inputs, outputs, stride):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Network(nn.Module):
    """A stem for each modality, one trunk, and the means of six stripes from head to foot."""

    def __init__(self):
        super().__init__()
        self.visible, self.infrared = layer(3, 24, 2), layer(3, 24, 2)
        self.infrared.load_state_dict(self.visible.state_dict())
        self.trunk = nn.Sequential(layer(24, 48, 2), layer(48, 64, 1), layer(64, 64, 1))
        self.neck = nn.BatchNorm1d(6 * 64)

    def forward(self, visible, infrared):
        maps = self.trunk(torch.cat([self.visible(visible), self.infrared(infrared)]))
        features = F.normalize(self.neck(F.adaptive_avg_pool2d(maps, (6, 1)).flatten(1)))
        return features.split([len(visible), len(infrared)])


class Images:
    """Images of one modality, in memory, with who is on them, for the scores alone."""

    def __init__(self, world, people, cameras):
        paths = [p for c in cameras for i in people for p in sorted((world / f"cam{c}" / f"{i:04}").glob("*.jpg"))]
        self.pixels = torch.from_numpy(np.stack([np.asarray(Image.open(p).resize((WIDTH, HEIGHT))) for p in paths]))
        self.people, self.cameras = np.array([(int(p.parts[-2]), int(p.parts[-3][3:])) for p in paths]).T

    def batch(self, rows, augmented=False):
        images = self.pixels[rows].permute(0, 3, 1, 2).float() / 255
        if augmented:
            flipped, grey = torch.rand(2, len(images), 1, 1, 1) < 0.5
            images = torch.where(flipped, images.flip(3), images) * (0.8 + 0.4 * torch.rand(len(images), 1, 1, 1))
            # One channel in place of all three makes visible images nearer to infrared ones, which have but one.
            images = torch.where(grey, images[:, torch.randint(3, (1,))], images)
        return (images - 0.45) / 0.25


@torch.no_grad()
def embed(network, images, modality):
    network.eval()
    none = torch.empty(0, 3, HEIGHT, WIDTH)
    batches = [images.batch(rows) for rows in torch.arange(len(images.people)).split(256)]
    return torch.cat([network(*((none, batch) if modality else (batch, none)))[modality] for batch in batches])


class Memory:
    """A direction for each cluster: the mean of its members, moved by those in a batch."""

    def __init__(self, features, labels):
        self.members = [np.flatnonzero(labels == cluster) for cluster in range(labels.max() + 1)]
        self.rows = F.normalize(torch.stack([features[rows].mean(0) for rows in self.members]))

    def sample(self):
        clusters = np.random.choice(len(self.members), min(CLUSTERS, len(self.members)), replace=False)
        rows = [np.random.choice(self.members[cluster], IMAGES) for cluster in clusters]
        return np.concatenate(rows), torch.from_numpy(np.repeat(clusters, IMAGES))

    def loss(self, features, positive):
        """Minus the log of the share that the positive clusters of each feature get."""
        shares = (features @ self.rows.T / TEMPERATURE).log_softmax(1)
        return -shares.masked_fill(~positive, -torch.inf).logsumexp(1).mean()

    def move(self, features, clusters):
        for feature, cluster in zip(features.detach(), clusters):
            self.rows[cluster] = F.normalize(MOMENTUM * self.rows[cluster] + (1 - MOMENTUM) * feature, dim=0)


def train_epoch(network, optimizer, images, steps, matched):
    features = [embed(network, images[modality], modality) for modality in (0, 1)]
    # Here a Cluster Contrast style script calls compute_jaccard_distance and scikit-learn's DBSCAN.
    labels = [vireid.cluster(rows, k1=20, k2=6, eps=0.6, min_samples=4) for rows in features]
    counts = [found.max() + 1 for found in labels]
    assert min(counts) > 0, "no cluster to learn from"
    scores = [adjusted_rand_score(images[m].people, labels[m]) for m in (0, 1)]
    memories = [Memory(*pair) for pair in zip(features, labels)]
    # Infrared clusters x visible ones: which of them are partners.
    pairs = torch.from_numpy(vireid.bilateral_match(*(m.rows - m.rows.mean(0) for m in memories[::-1])))
    network.train()
    losses = []
    for _ in range(steps):
        rows, clusters = zip(*(memory.sample() for memory in memories))
        found = network(*(images[m].batch(rows[m], augmented=True) for m in (0, 1)))
        loss = sum(memories[m].loss(found[m], F.one_hot(clusters[m], counts[m]).bool()) for m in (0, 1))
        if matched:
            loss += 0.5 * memories[0].loss(found[1], pairs[clusters[1]])
            loss += 0.5 * memories[1].loss(found[0], pairs.T[clusters[0]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for memory, moved, members in zip(memories, found, clusters):
            memory.move(moved, members)
        losses.append(loss.item())
    told = " and ".join(f"{count} clusters (ARI {ari:.2f})" for count, ari in zip(counts, scores))
    return f"{told}; loss {np.mean(losses):.2f}{', across' if matched else ''}"


def score(network, gallery, query, when):
    people, cameras = (query.people, gallery.people), (query.cameras, gallery.cameras)
    found = vireid.evaluate_sysu(embed(network, query, 1), embed(network, gallery, 0), people, cameras)
    print(f"{when} (synthetic): mAP {found['mAP']:.1f}, Rank-1 {found['rank1']:.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", type=Path, default="synthetic-world", help="drawn if it is not there")
    parser.add_argument("--quick", action="store_true", help="half of the people, two epochs of eight steps")
    world, quick = vars(parser.parse_args()).values()
    epochs, steps, every = (2, 8, 2) if quick else (8, 30, 1)
    torch.manual_seed(0)
    np.random.seed(0)
    subprocess.run([sys.executable, "-m", "vireid", "data", "synth", "--out", str(world)], check=True)
    images = [Images(world, range(1, 81, every), cameras) for cameras in CAMERAS]
    gallery, query = (Images(world, range(81, 111, every), cameras) for cameras in CAMERAS)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=5e-4)
    score(network, gallery, query, "before")
    for epoch in range(epochs):
        print(f"epoch {epoch + 1}: {train_epoch(network, optimizer, images, steps, epoch >= epochs // 2)}", flush=True)
    score(network, gallery, query, "after")


if __name__ == "__main__":
    main()
