"""Labels that people write on things -> the labels without secrets, and what was seen in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from nhiscan.model import Sighting, Where

_HIDDEN: Final = "***"
_LONGEST_REMEMBERED: Final = 80


@dataclass
class Search:
    """`detect` finds the secrets in one text. Short texts without any are remembered: labels repeat themselves."""

    tenant_id: str
    detect: Callable[[str, Where], Iterator[Sighting]]
    _harmless: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def labels(
        self, found: Mapping[str, str], location: str, *, identity_id: str | None = None, resource_id: str | None = None
    ) -> tuple[dict[str, str], list[Sighting]]:
        """The labels of one thing, secret values hidden, and these secrets; `location`: what it is called."""
        kept: dict[str, str] = {}
        seen: list[Sighting] = []
        for name, value in found.items():
            where = Where("vault", self.tenant_id, "tag", f"label of {location}", name, resource_id, identity_id)
            sightings = self._sightings(name, value, where)
            kept[name] = _HIDDEN if sightings else value
            seen += sightings
        return kept, seen

    def _sightings(self, name: str, value: str, where: Where) -> list[Sighting]:
        if (name, value) in self._harmless:
            return []
        found = list(self.detect(value, where))
        if not found and len(value) <= _LONGEST_REMEMBERED:
            self._harmless.add((name, value))
        return found
