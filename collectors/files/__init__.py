"""Repositories, folders and shared spaces: which of their texts hold secrets, since when, and written by whom.

Reads local files and, with the `git` program, the whole history of local repositories, `.bundle` files included. It
clones nothing, calls nobody and tries no secret out; of a repository it reads what was committed, not what lies beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nhiscan.detect.leak import Leaked
from nhiscan.errors import CollectError, ConfigError
from nhiscan.model import Coverage, Record, Resource, ResourceTag, Tenant

from . import imported, reading
from .coverage import DATASETS, Tally, unsearched
from .found import Findings
from .places import Place

if TYPE_CHECKING:
    from nhiscan.collect import Context

__all__ = ["Files", "Place"]


@dataclass(frozen=True)
class Files:
    """`places`: what is searched; each is a tenant of its own, as is what other scanners searched and was imported."""

    name: ClassVar[str] = "files"
    datasets: ClassVar[frozenset[str]] = DATASETS
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sightings.files": ("to read every file and folder of the place",),
        "sightings.history": ("to read every object of the repository",),
    }

    places: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        for name, times in Counter(place.name for place in self.places).items():
            if times > 1:
                raise ConfigError(
                    f"collectors.files.places: {times} places are called {name!r}", hint="give each a name of its own"
                )

    def collect(self, ctx: Context) -> Iterator[Record]:
        """Place by place; one that cannot be read leaves the others standing.

        Raises: CollectError when there is no place.
        """
        imports = imported.by_place(ctx.imported(), self.places)
        if not imports:
            raise CollectError(
                "collectors.files names no place, and nothing was imported",
                hint="add one with [[collectors.files.places]]",
            )
        for place, entries in imports.items():
            yield from _place(place)
            if place in self.places:
                yield from _searched(place, ctx)
            else:
                yield from unsearched(place, ctx.as_of)
            yield from imported.sightings(place, entries)
            status, reason = imported.coverage(entries)
            yield Coverage(self.name, place.tenant_id, "sightings.imports", status, reason, collected_at=ctx.as_of)


def _place(place: Place) -> Iterator[Record]:
    yield Tenant(place.tenant_id, Files.name, place.name)
    yield Resource(
        place.resource_id,
        Files.name,
        place.tenant_id,
        kind=place.resource_kind,
        name=place.name,
        native_id=place.name,
        environment=place.environment,
        audience=place.audience,
    )
    for name, value in sorted(place.tags.items()):
        yield ResourceTag(place.resource_id, name=name, value=value)


def _searched(place: Place, ctx: Context) -> Iterator[Record]:
    tally = Tally(place)
    findings = Findings(place, ctx)
    try:
        for said in reading.read(place, ctx):
            if isinstance(said, Leaked):
                findings.take(said)
            else:
                tally.take(said)
    except CollectError as error:
        tally.fail(error)
    yield from findings.sightings()
    yield from tally.coverage(ctx.as_of, beyond=findings.beyond)
