"""Text of an account's resources -> sightings: the only place where a value that may be a secret is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from nhiscan.collect import Context
from nhiscan.model import Resource, Sighting, Where

from .fetch import Json, Snapshot
from .identities import identity_id, resource

HIDDEN: Final = "***"
_LONGEST_REMEMBERED: Final = 80


@dataclass
class Search:
    """Hands texts of one account to the detector.

    Short texts in which there was nothing are remembered: estates repeat them thousands of times.
    """

    ctx: Context
    tenant_id: str
    _harmless: set[tuple[str | None, str]] = field(default_factory=set, repr=False)

    def resource_text(self, kind: str, held: Resource, value: str, *, part: str, name: str | None) -> list[Sighting]:
        """Secrets in one text of a resource; `part` says which text, in words."""
        where = Where("aws", self.tenant_id, kind, f"{part} {_called(held)}", name, resource_id=held.resource_id)
        return self._sightings(value, where)

    def resource_tags(self, held: Resource, tags: Mapping[str, str]) -> tuple[dict[str, str], list[Sighting]]:
        """The tags without the values that hold a secret, and these secrets."""
        where = Where("aws", self.tenant_id, "tag", f"tag of {_called(held)}", resource_id=held.resource_id)
        return self._tags(tags, where)

    def snapshot(self, snapshot: Snapshot) -> tuple[Snapshot, list[Sighting]]:
        """What IAM said, without the values of tags that hold a secret, and these secrets."""
        found: list[Sighting] = []

        def without(principal: Json) -> Json:
            where = Where(
                "aws",
                self.tenant_id,
                "tag",
                f"tag of {resource(principal['Arn'])}",
                identity_id=identity_id(self.tenant_id, principal["Arn"]),
            )
            tags = {str(tag["Key"]): str(tag["Value"]) for tag in principal.get("Tags", [])}
            kept, here = self._tags(tags, where)
            found.extend(here)
            return {**principal, "Tags": [{"Key": key, "Value": value} for key, value in kept.items()]}

        clean = replace(
            snapshot, users=[without(user) for user in snapshot.users], roles=[without(role) for role in snapshot.roles]
        )
        return clean, found

    def _tags(self, tags: Mapping[str, str], where: Where) -> tuple[dict[str, str], list[Sighting]]:
        kept: dict[str, str] = {}
        found: list[Sighting] = []
        for name, value in tags.items():
            here = self._sightings(value, replace(where, name=name))
            kept[name] = HIDDEN if here else value
            found.extend(here)
        return kept, found

    def _sightings(self, value: str, where: Where) -> list[Sighting]:
        if not value or (where.name, value) in self._harmless:
            return []
        found = list(self.ctx.detect(value, where))
        if not found and len(value) <= _LONGEST_REMEMBERED:
            self._harmless.add((where.name, value))
        return found


def _called(held: Resource) -> str:
    return f"{held.kind} {held.name}" if held.region is None else f"{held.kind} {held.name} in {held.region}"
