"""What a scanner's findings come to on files of which the secrets are known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .secret_peers import Hit
from .secret_plants import Plant

_SHORTEST_PIECE: Final = 8  # of a value that still tells it from any other


@dataclass(frozen=True, slots=True)
class Score:
    """`by_kind`: kind -> (found, planted); `stray`: findings that stand on no plant, by kind."""

    by_kind: dict[str, tuple[int, int]]
    stray: Counter[str]
    missed: list[Plant] = field(default_factory=list)

    @property
    def found(self) -> int:
        return sum(found for found, _ in self.by_kind.values())

    @property
    def planted(self) -> int:
        return sum(planted for _, planted in self.by_kind.values())

    @property
    def share(self) -> float:
        return self.found / self.planted


def score(plants: Iterable[Plant], hits: Iterable[Hit]) -> Score:
    """`hits`: their paths relative to the folder of the plants."""
    plants = list(plants)
    by_path: dict[str, list[Hit]] = {}
    for hit in hits:
        by_path.setdefault(hit.path, []).append(hit)
    counts: dict[str, tuple[int, int]] = {}
    missed, planted_in = [], {plant.path: plant for plant in plants}
    for plant in plants:
        is_found = any(_is_of(hit, plant) for hit in by_path.get(plant.path, ()))
        found, planted = counts.get(plant.kind, (0, 0))
        counts[plant.kind] = (found + is_found, planted + 1)
        if not is_found:
            missed.append(plant)
    stray: Counter[str] = Counter()
    for path, there in by_path.items():
        plant_there = planted_in.get(path)
        stray.update(hit.kind for hit in there if plant_there is None or not _is_of(hit, plant_there))
    return Score(counts, stray, missed)


def _is_of(hit: Hit, plant: Plant) -> bool:
    if hit.first <= plant.last and plant.first <= hit.last:
        return True
    said = hit.value or ""
    return len(said) >= _SHORTEST_PIECE and any(said in value or value in said for value in plant.values)


def below(hits: Iterable[Hit], target: Path, folder: str = "") -> Iterator[Hit]:
    """The findings inside a folder of the target, where the tools were started; they say paths absolute or relative."""
    for hit in hits:
        path = hit.path.removeprefix(f"{target}/").removeprefix("./")
        if path.startswith(folder):
            yield Hit(path.removeprefix(folder), hit.first, hit.last, hit.kind, hit.value)


def examples(file: Path) -> dict[str, bool]:
    """Text -> whether it holds a secret, of a file of examples by others; a text of both is one that does."""
    said: dict[str, bool] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        example: Mapping[str, object] = json.loads(line)
        text = str(example["text"])
        said[text] = said.get(text, False) or bool(example["expected"])
    return said
