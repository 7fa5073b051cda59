"""Crops of your own without people: patches of photographs, seen by colour and infrared cameras that do not exist.

    python patches.py PHOTOGRAPHS OUT [SEED]

PHOTOGRAPHS is a folder of JPEG or PNG files, one of each photograph, such as the desktop backgrounds of a Linux distribution. An identity is a place in a
photograph; each camera sees it shifted, scaled, brighter or darker and noisy, an infrared one in grey with another curve. OUT is a
folder with a manifest that `vireid train --data OUT` takes, half of the places for training and half for testing. It needs NumPy and
Pillow. Textures are those of photographs, and everything else is made up: no score here is one of people.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH, PLACES, IMAGES = 160, 80, 18, 5
CAMERAS = {"visible": ["a", "b"], "infrared": ["c", "d"]}


def view(pixels, top, left, modality, camera, draw):
    """One image of the place at a corner."""
    scale = draw.uniform(0.9, 1.1)
    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    y = int(np.clip(top + draw.integers(-12, 13), 0, pixels.shape[0] - height))
    x = int(np.clip(left + draw.integers(-8, 9), 0, pixels.shape[1] - width))
    patch = Image.fromarray(pixels[y : y + height, x : x + width]).resize((64, 128), Image.LANCZOS)
    values = np.asarray(patch, np.float32) / 255
    if draw.random() < 0.5:
        values = values[:, ::-1]
    if modality == "infrared":
        # Foliage and skin are bright in near infrared and colour is gone: red counts most, and the curve is another one.
        grey = values @ np.float32([0.7, 0.4, -0.1])
        values = np.repeat(np.clip(grey, 0, 1)[..., None] ** (0.6 if camera == "c" else 1.4), 3, 2)
    else:
        cast = np.float32([1.1, 1.0, 0.85] if camera == "a" else [0.85, 1.0, 1.15])
        values = values * cast
    values = values * draw.uniform(0.6, 0.95) + draw.normal(0.02, 0.03, values.shape)
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))


def main(photographs, out, seed=0):
    draw = np.random.default_rng(int(seed))
    out = Path(out)
    files = sorted(path for path in Path(photographs).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    places = []
    for path in files:
        pixels = np.asarray(Image.open(path).convert("RGB").resize((1920, 1080), Image.LANCZOS))
        # Apart from one another, so that no two places show the same; flat ones (sky) show nothing.
        corners = [(y, x) for y in range(20, 1080 - 220, 200) for x in range(20, 1920 - 140, 120)]
        telling = [at for at in corners if pixels[at[0] : at[0] + HEIGHT, at[1] : at[1] + WIDTH].std() > 25]
        chosen = draw.permutation(len(telling))[:PLACES]
        places += [(pixels, *telling[number]) for number in chosen]
    order = draw.permutation(len(places))
    rows = []
    for number, place in enumerate(order):
        pixels, top, left = places[place]
        split = "train" if number % 2 else "test"
        for modality, cameras in CAMERAS.items():
            for camera in cameras:
                for image in range(IMAGES):
                    file = Path(modality, camera, f"{number:04}_{image}.png")
                    (out / file).parent.mkdir(parents=True, exist_ok=True)
                    view(pixels, top, left, modality, camera, draw).save(out / file)
                    rows.append([file, modality, camera, number, split])
    with open(out / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "modality", "camera", "identity", "split"], *rows])
    print(f"{len(places)} places of {len(files)} photographs, {len(rows)} images")


if __name__ == "__main__":
    main(*sys.argv[1:])
