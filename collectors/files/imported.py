"""What other scanners found -> sightings, and how much of it can be used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from nhiscan.imports import Imported, ImportedRow
from nhiscan.model import Sighting

from .places import Place


def by_place(imports: Iterable[Imported], places: Sequence[Place]) -> Mapping[Place, list[Imported]]:
    """The imports of each place; those that the settings do not name come last, as places that only others search."""
    known = {place.name: place for place in places}
    found: dict[Place, list[Imported]] = {place: [] for place in places}
    others: defaultdict[str, list[Imported]] = defaultdict(list)
    for each in imports:
        if each.place in known:
            found[known[each.place]].append(each)
        else:
            others[quote(each.place, safe="@+")].append(each)
    for name, entries in sorted(others.items()):
        has_commits = any(row.commit is not None for entry in entries for row in entry.rows)
        kind = "repository" if has_commits else "folder"
        found[Place(name, Path(), kind)] = entries
    return found


def sightings(place: Place, imports: Iterable[Imported]) -> Iterator[Sighting]:
    """One each row, numbered within path and kind as the other scanner listed them."""
    for each in imports:
        numbers: Counter[tuple[str, str]] = Counter()
        for row in each.rows:
            numbers[row.path, row.kind] += 1
            yield _sighting(place, each, row, numbers[row.path, row.kind])


def coverage(imports: Sequence[Imported]) -> tuple[str, str | None]:
    """Status and reason of what was imported for one place."""
    if not imports:
        return "not_applicable", "nothing was imported for it"
    problems = []
    for each in imports:
        if each.is_stale:
            problems.append(
                f"that of {each.tool} compares with nothing, as the fingerprint key is another: import it again"
            )
        unusable = "; ".join(f"{count} {why}" for why, count in sorted(each.unusable.items()))
        if unusable:
            problems.append(f"rows of {each.tool} that say too little: {unusable}")
    if problems:
        return "partial", "; ".join(problems)
    return "complete", "; ".join(f"{each.tool} of {each.exported_at:%Y-%m-%d}" for each in imports)


def _sighting(place: Place, imported: Imported, row: ImportedRow, n: int) -> Sighting:
    return Sighting(
        sighting_id=f"{place.resource_id}/{row.path}/{row.kind}/{imported.tool}/{n}",
        provider="files",
        tenant_id=place.tenant_id,
        # a commit may be an old one: that it still stands there is said by our own search alone
        where_kind=place.where_kind(row.path, is_current=row.commit is None),
        location=f"{place.name}: {row.path}",
        kind=row.kind,
        fingerprint=None if imported.is_stale else row.fingerprint,
        name=row.name,
        resource_id=place.resource_id,
        native_id=row.native_id,
        preview=row.preview,
        issuer=row.issuer,
        issuer_tenant=row.issuer_tenant,
        severity=row.severity,
        confidence=row.confidence,
        is_test=row.is_test,
        path=row.path,
        line=row.line,
        commit=row.commit,
        author=row.author,
        first_seen_at=row.first_seen_at,
        expires_at=row.expires_at,
        is_verified=row.is_verified,
        found_by=imported.tool,
    )
