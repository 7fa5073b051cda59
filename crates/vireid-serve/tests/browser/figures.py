"""Drawn figures as PNG files: of nobody, in colour or in grey, told apart by how wide they are at each height."""

import random
import struct
import zlib

WIDTH, HEIGHT = 64, 128
GROUND = 48


def figure(person: int, modality: str, sight: int = 0) -> bytes:
    """A crop of a made-up person. `sight` moves it and frays its edges, as another moment would."""
    build = random.Random(f"build {person}")
    shoulders, waist, hem, legs = (build.randint(low, high) for low, high in [(9, 24), (5, 20), (5, 25), (3, 9)])
    head, hat = build.randint(5, 8), build.choice([0, 0, 10])
    clothes = [[build.randint(95, 245) for _ in range(3)] for _ in range(2)]
    moment = random.Random(f"{person} {modality} {sight}")
    middle = WIDTH // 2 + moment.randint(-3, 3)

    def half_width(y: int) -> int:
        if 8 <= y < 12:
            return hat
        if 12 <= y < 28:
            return head
        if 28 <= y < 52:
            return shoulders + (waist - shoulders) * (y - 28) // 24
        if 52 <= y < 84:
            return waist + (hem - waist) * (y - 52) // 32
        return legs * 2 if 84 <= y < 122 else 0

    rows = []
    for y in range(HEIGHT):
        row = []
        half = half_width(y) and half_width(y) + moment.randint(-1, 1)
        for x in range(WIDTH):
            away = abs(x - middle)
            inside = away < half and not (y >= 84 and away < legs // 2)
            colour = [205, 170, 150] if y < 28 else clothes[y >= 76]
            pixel = colour if inside else [GROUND, GROUND + 8, GROUND + 14]
            if modality == "infrared":
                pixel = [max(150, sum(colour) // 3) if inside else GROUND] * 3
            shade = moment.randint(-6, 6)
            row += [min(255, max(0, value + shade)) for value in pixel]
        rows.append(bytes([0, *row]))
    return png(b"".join(rows))


def png(rows: bytes) -> bytes:
    """A PNG file of rows that begin with a 0 each and then have RGB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
