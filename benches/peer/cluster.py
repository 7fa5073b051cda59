"""Clustering and re-ranking as the scripts of the field do them, against the wheel.

Usage: python cluster.py [--rounds 3] [--only visible,infrared,rerank] [--out FILE.json]
       python cluster.py page (writes the figures on record into docs/python.md and README.md)

The usual way is written here from the published algorithm (Zhong et al., CVPR 2017): Python loops over samples, matrices of
N x N, faiss for the neighbours, scikit-learn's DBSCAN on the dense distances. Both sides get the same embeddings, drawn over
the structure of SYSU-MM01 in the manner of `cargo xtask bench clustering` (other random numbers), and run in processes of
their own, in turn; the fastest round counts. Seconds of the CPU, of all threads, are told too: on a busy machine they are steadier.
Needs numpy, faiss-cpu, scikit-learn, scipy and vireid.
"""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np

COUNTS = pathlib.Path(__file__).parents[2] / "crates/vireid-data/src/synthetic/sysu_counts.csv"
SEED, DIM, LOOKS = 7, 2048, 24
MODALITY, CAMERA, VIEW, IMAGE, TAIL = 0.5, 0.3, 0.5, 0.6, 0.5
CLUSTERING = {"k1": 30, "k2": 6}
DBSCAN = {"eps": 0.6, "min_samples": 4}
RE_RANKING = {"k1": 20, "k2": 6, "lambda_value": 0.3}
GOALS = {"after_neighbours": 50, "in_all": 5, "memory": 10}


def draw(cameras, splits):
    """Rows of length 1: of an identity, a modality, a camera, an identity under a camera, and an image."""
    rng = np.random.default_rng(SEED)
    with open(COUNTS, newline="") as lines:
        people = [[int(row[f"cam{camera}"]) for camera in range(1, 7)] for row in csv.DictReader(lines) if row["split"] in splits]

    def directions(count, within):
        found = np.zeros((count, DIM), np.float32)
        found[:, :within] = rng.normal(0, within**-0.5, (count, within))
        return found

    identities, of_cameras = directions(len(people), LOOKS), directions(6, DIM)
    modalities, rows = directions(2, DIM), []
    for person, counts in enumerate(people):
        for camera in cameras:
            common = identities[person] + MODALITY * modalities[int(camera in (3, 6))]
            common = common + CAMERA * of_cameras[camera - 1] + VIEW * directions(1, LOOKS)[0]
            images = counts[camera - 1]
            weights = IMAGE * rng.lognormal(0, TAIL, (images, 1)).astype(np.float32)
            rows.append(common + weights * directions(images, LOOKS))
    rows = np.concatenate(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def mutual(ranking, sample, k):
    near = ranking[sample, : k + 1]
    return near[np.nonzero(ranking[near, : k + 1] == sample)[0]]


def encode(ranking, k1, k2, weigh):
    """The N x N matrix of k-reciprocal weights, a row per sample, and the mean over the k2 nearest."""
    count = len(ranking)
    whole = [mutual(ranking, sample, k1) for sample in range(count)]
    half = [mutual(ranking, sample, int(np.around(k1 / 2))) for sample in range(count)]
    weights = np.zeros((count, count), np.float32)
    for sample in range(count):
        members = whole[sample]
        for other in whole[sample]:
            if len(np.intersect1d(half[other], whole[sample])) > 2 / 3 * len(half[other]):
                members = np.append(members, half[other])
        members = np.unique(members)
        values = np.exp(-weigh(sample, members))
        weights[sample, members] = values / values.sum()
    if k2 == 1:
        return weights
    mean = np.zeros_like(weights)
    for sample in range(count):
        mean[sample] = weights[ranking[sample, :k2]].mean(axis=0)
    return mean


def jaccard(weights, rows):
    """1 - intersection / union of the first rows with all."""
    count = len(weights)
    holders = [np.nonzero(weights[:, column])[0] for column in range(count)]
    distances = np.zeros((rows, count), np.float32)
    for row in range(rows):
        shared = np.zeros(count, np.float32)
        for column in np.nonzero(weights[row])[0]:
            found = holders[column]
            shared[found] += np.minimum(weights[row, column], weights[found, column])
        distances[row] = 1 - shared / (2 - shared)
    return np.maximum(distances, 0, out=distances)


def usual_clusters(features):
    import faiss
    from sklearn.cluster import DBSCAN as Dbscan

    clock, cpu = time.perf_counter(), time.process_time()
    index = faiss.IndexFlatL2(features.shape[1])
    index.add(features)
    ranking = index.search(features, CLUSTERING["k1"])[1]
    neighbours, neighbours_cpu = time.perf_counter() - clock, time.process_time() - cpu
    weights = encode(ranking, **CLUSTERING, weigh=lambda i, members: 2 - 2 * features[members] @ features[i])
    distances = jaccard(weights, len(features))
    del weights
    encoded = time.perf_counter() - clock
    labels = Dbscan(**DBSCAN, metric="precomputed", n_jobs=-1).fit_predict(distances)
    whole = time.perf_counter() - clock
    return labels, {
        "seconds": whole,
        "neighbours": neighbours,
        "distances": encoded - neighbours,
        "dbscan": whole - encoded,
        "neighbours_cpu_seconds": neighbours_cpu,
    }


def wheel_clusters(features):
    import vireid

    told = []

    @contextlib.contextmanager
    def reporter(_):
        yield lambda part, done, total: told.append((part, time.perf_counter(), time.process_time()))

    # What the bars of `progress=True` are told, ten or more times a second: when the neighbours were done, or a little before.
    vireid._clustering.reporter = reporter
    clock, cpu = time.perf_counter(), time.process_time()
    labels = vireid.cluster(features, **CLUSTERING, **DBSCAN)
    whole = time.perf_counter() - clock
    last = [each for each in told if each[0] == "neighbours"][-1]
    return labels, {"seconds": whole, "neighbours": last[1] - clock, "neighbours_cpu_seconds": last[2] - cpu}


def wheel_neighbours(features):
    import vireid

    clock = time.perf_counter()
    found = vireid.nearest_neighbours(features, CLUSTERING["k1"])
    return found[:, 0], {"seconds": time.perf_counter() - clock}


def usual_re_ranking(query, gallery):
    k1, k2, share = RE_RANKING.values()
    clock = time.perf_counter()
    both = np.concatenate([query, gallery])
    plain = 2 - 2 * (both @ both.T)
    plain = np.ascontiguousarray((plain / plain.max(axis=0)).T)
    ranking = np.argsort(plain).astype(np.int32)
    neighbours = time.perf_counter() - clock
    weights = encode(ranking, k1, k2, lambda i, members: plain[i, members])
    count = len(query)
    distances = (1 - share) * jaccard(weights, count)[:, count:] + share * plain[:count, count:]
    return distances, {"seconds": time.perf_counter() - clock, "neighbours": neighbours}


def wheel_re_ranking(query, gallery):
    import vireid

    clock = time.perf_counter()
    distances = vireid.k_reciprocal_re_ranking(query, gallery, **RE_RANKING)
    return distances, {"seconds": time.perf_counter() - clock}


INPUTS = {
    "infrared": [([3, 6], ("train", "val"))],
    "visible": [([1, 2, 4, 5], ("train", "val"))],
    "rerank": [([3, 6], ("test",)), ([1, 2, 4, 5], ("test",))],
}
SIDES = {
    "usual": {"infrared": usual_clusters, "visible": usual_clusters, "rerank": usual_re_ranking},
    "wheel": {"infrared": wheel_clusters, "visible": wheel_clusters, "rerank": wheel_re_ranking},
    "wheel-neighbours": {"infrared": wheel_neighbours, "visible": wheel_neighbours},
}


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(side, work, folder):
    """A process's measurement: its peak counts from after the libraries and the embeddings are loaded."""
    if side == "usual":
        import faiss  # noqa: F401
        import sklearn.cluster  # noqa: F401
    else:
        import vireid  # noqa: F401
    inputs = [np.load(folder / f"{work}{part}.npy") for part in range(len(INPUTS[work]))]
    loaded = peak_mib()
    before = time.process_time()
    result, seconds = SIDES[side][work](*inputs)
    spent, above = time.process_time() - before, peak_mib() - loaded
    np.save(folder / f"{work}-{side}.npy", result)
    print(json.dumps({**seconds, "cpu_seconds": spent, "mib_above_input": above}))


def child(*words):
    answer = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(answer) if answer else None


def compared(work, folder):
    usual, wheel = (np.load(folder / f"{work}-{side}.npy", mmap_mode="r") for side in ("usual", "wheel"))
    if work != "rerank":
        found = {"labels_equal": bool(np.array_equal(usual, wheel)), "labels_that_differ": int((usual != wheel).sum())}
        return {**found, "clusters": int(wheel.max()) + 1, "noise": int((wheel == -1).sum())}
    orders = [np.argsort(each, axis=1, kind="stable") for each in (usual, wheel)]
    return {
        "largest_difference": float(np.abs(usual - wheel).max()),
        "first_places_that_differ": int((orders[0][:, 0] != orders[1][:, 0]).sum()),
        "places_that_differ": int((orders[0] != orders[1]).sum()),
        "places": usual.size,
    }


def measure(work, folder, rounds):
    child("draw", work, str(folder))
    best = {}
    for number in range(rounds):
        for side in (side for side in SIDES if work in SIDES[side]):
            found = child("one", side, work, str(folder))
            print(f"{work} {side} {number}: {found}", file=sys.stderr)
            if side not in best or found["seconds"] < best[side]["seconds"]:
                best[side] = found
    usual, wheel = best["usual"], best["wheel"]

    def times(key, less=None):
        after = [side[key] - (side[less] if less else 0) for side in (usual, wheel)]
        return after[0] / after[1]

    ratios = {"in_all": times("seconds"), "in_all_cpu": times("cpu_seconds"), "memory": times("mib_above_input")}
    if "neighbours" in wheel:
        ratios["neighbours"] = times("neighbours")
        ratios["after_neighbours"] = times("seconds", "neighbours")
        ratios["after_neighbours_cpu"] = times("cpu_seconds", "neighbours_cpu_seconds")
        wheel["nearest_neighbours_alone"] = best["wheel-neighbours"]["seconds"]
    rows = [int(np.load(folder / f"{work}{part}.npy", mmap_mode="r").shape[0]) for part in range(len(INPUTS[work]))]
    reached = {name: ratios[name] >= goal for name, goal in GOALS.items() if name in ratios}
    return {
        "work": work,
        "rows": rows,
        "usual": usual,
        "wheel": wheel,
        "times": ratios,
        "reached": reached,
        **compared(work, folder),
    }


#: Between these two lines a page has the table.
MARKS = "<!-- table: python benches/peer/cluster.py page -->\n", "<!-- end of table -->\n"
NAMES = {
    "infrared": "clustering of {:,} images",
    "visible": "clustering of {:,} images",
    "rerank": "re-ranking of {:,} queries in {:,} images",
}


def page(root):
    """Writes the figures on record into the tables of the pages."""
    report = json.loads((root / "docs/results/bench_python.json").read_text())
    lines = ["| | usual script | `vireid` | times |", "|---|---|---|---|"]
    for row in report["rows"]:
        usual, wheel, times = row["usual"], row["wheel"], row["times"]
        name = NAMES[row["work"]].format(*row["rows"])
        lines.append(f"| {name} | {usual['seconds']:.1f} s | {wheel['seconds']:.1f} s | {times['in_all']:.1f} |")
        if "after_neighbours" in times:
            usual_rest, wheel_rest = (side["seconds"] - side["neighbours"] for side in (usual, wheel))
            rest = f"{usual_rest:.1f} s | {wheel_rest:.2f} s | {times['after_neighbours']:.0f}"
            lines.append(f"| of that, after the neighbours | {rest} |")
        memory = f"{usual['mib_above_input']:,.0f} MiB | {wheel['mib_above_input']:,.0f} MiB | {times['memory']:.1f}"
        lines.append(f"| memory above the input | {memory} |")
    for path in (root / "docs/python.md", root / "README.md"):
        before, _, rest = path.read_text().partition(MARKS[0])
        path.write_text(before + MARKS[0] + "\n".join(lines) + "\n" + MARKS[1] + rest.partition(MARKS[1])[2])


def main():
    if sys.argv[1:2] == ["page"]:
        page(pathlib.Path(__file__).parents[2])
        return
    if sys.argv[1:2] == ["draw"]:
        folder = pathlib.Path(sys.argv[3])
        for part, (cameras, splits) in enumerate(INPUTS[sys.argv[2]]):
            np.save(folder / f"{sys.argv[2]}{part}.npy", draw(cameras, splits))
        return
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4]))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="infrared,visible,rerank")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(work, pathlib.Path(folder), arguments.rounds) for work in arguments.only.split(",")]
    packages = ("vireid", "numpy", "scipy", "scikit-learn", "faiss-cpu")
    report = {
        "title": "Clustering and re-ranking from Python: the usual script against the wheel",
        "command": f"python benches/peer/cluster.py --rounds {arguments.rounds} --out docs/results/bench_python.json",
        "data": f"synthetic embeddings over the structure of SYSU-MM01, {DIM} numbers, seed {SEED}; no real image or identity",
        "note": f"{platform.system().lower()} {platform.machine()}, {os.cpu_count()} threads, the fastest of {arguments.rounds}; "
        f"mean load of the minute before {before:.1f}, at the end {os.getloadavg()[0]:.1f}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "settings": {"clustering": {**CLUSTERING, **DBSCAN}, "re-ranking": RE_RANKING},
        "goals": GOALS,
        "rows": rows,
    }
    text = json.dumps(report, indent=2) + "\n"
    if arguments.out:
        arguments.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
