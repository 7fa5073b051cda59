"""Bars of tqdm for the parts of a long call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

Report = Callable[[str, int, int], None]


@contextmanager
def reporter(progress: bool) -> Iterator[Report | None]:
    """What a long call reports to: nothing, or a bar for each of its parts."""
    if not progress:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install tqdm") from None
    bars: list[Any] = []

    def report(part: str, done: int, total: int) -> None:
        if not bars or bars[-1].desc.rstrip(": ") != part:
            if bars:
                bars[-1].close()
            bars.append(tqdm(total=total, desc=part))
        bars[-1].update(done - bars[-1].n)

    try:
        yield report
    finally:
        if bars:
            bars[-1].close()
