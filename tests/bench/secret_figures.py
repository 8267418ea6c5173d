"""What a step of the secrets benchmark came to: figures, each beside its target where it has one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .secret_process import Used


@dataclass(frozen=True, slots=True)
class Figure:
    """`is_met` None: for information, no target."""

    step: str
    what: str
    said: str
    target: str = ""
    is_met: bool | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What all steps are given; `recall`: folder with examples written by others, None where there is none."""

    folder: Path
    recall: Path | None = None
    pairs: int = 3
    stock_mb: float = 10.0


@dataclass(frozen=True, slots=True)
class Paired:
    """Runs of two commands in turn, A B A B; ratios are ours over theirs, of one pair each."""

    ours: Sequence[Used]
    theirs: Sequence[Used]

    @property
    def cpu_ratio(self) -> float:
        return statistics.median(self._ratios("cpu_s"))

    def said(self, unit: str = "cpu_s") -> str:
        ours, theirs = (statistics.median(getattr(used, unit) for used in side) for side in (self.ours, self.theirs))
        ratios = self._ratios(unit)
        return (
            f"{ours:.2f} s beside {theirs:.2f} s: {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)"
        )

    def _ratios(self, unit: str) -> list[float]:
        return [getattr(a, unit) / getattr(b, unit) for a, b in zip(self.ours, self.theirs, strict=True)]


def table(figures: Sequence[Figure]) -> list[str]:
    """The figures as a Markdown table; a missed target says so."""
    lines = ["| step | what | figure | target | |", "|---|---|---|---|---|"]
    words = {True: "met", False: "**missed**", None: ""}
    lines += [f"| {one.step} | {one.what} | {one.said} | {one.target} | {words[one.is_met]} |" for one in figures]
    return lines
