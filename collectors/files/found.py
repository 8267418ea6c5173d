"""Leaks -> sightings: one for each distinct value of a kind in a file, whichever of its versions and lines hold it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from nhiscan import secret
from nhiscan.detect.leak import Commit, Leak, Leaked, preview
from nhiscan.detect.results.formats import readable
from nhiscan.model import Sighting

from .places import Place

if TYPE_CHECKING:
    from nhiscan.collect import Context

_MOST: Final = 100_000  # sightings of one place: about 100 MB
# Names, which a tape keeps as the inventory joins on them.
_IDS: Final = frozenset({"aws_access_key_id", "salesforce_consumer_key"})
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Seen:
    """One value in one file, over all its versions. `leak` is that of a version which still stands, if any does."""

    leak: Leak
    order: tuple[datetime, str, int, int]
    first: Commit | None
    gone: Commit | None
    is_current: bool


class Findings:
    """What was found in one place; `beyond`: values past the most that are kept."""

    def __init__(self, place: Place, ctx: Context) -> None:
        self.beyond = 0
        self._place = place
        self._ctx = ctx
        self._count = 0
        self._files: dict[str, dict[str, dict[str, _Seen]]] = {}  # path -> kind -> fingerprint

    def take(self, found: Leaked) -> None:
        leak = found.leak
        path = _path(found)
        values = self._files.get(path, {}).get(leak.kind, {})
        mark = self._fingerprint(leak)
        known = values.get(mark)
        if known is not None:
            _merge(known, found)
        elif self._count == _MOST:
            self.beyond += 1
        else:
            self._count += 1
            seen = _Seen(leak, _order(found), found.first, found.gone, found.is_current)
            self._files.setdefault(path, {}).setdefault(leak.kind, {})[mark] = seen

    def sightings(self) -> Iterator[Sighting]:
        """Path by path; numbers follow the order in which values appeared, so that they stay when others follow."""
        for path in sorted(self._files):
            for kind, values in sorted(self._files[path].items()):
                in_order = sorted(values.items(), key=lambda item: item[1].order)
                for n, (mark, seen) in enumerate(in_order, start=1):
                    yield self._sighting(path, kind, n, mark, seen)

    def _fingerprint(self, leak: Leak) -> str:
        value = leak.secret.reveal()
        if leak.kind in _IDS:
            return secret.fingerprint(value, key=self._ctx.fingerprint_key)
        return self._ctx.fingerprint(value)

    def _sighting(self, path: str, kind: str, n: int, mark: str, seen: _Seen) -> Sighting:
        place, leak = self._place, seen.leak
        return Sighting(
            sighting_id=f"{place.resource_id}/{path}/{kind}/{n}",
            provider="files",
            tenant_id=place.tenant_id,
            where_kind=place.where_kind(path, is_current=seen.is_current),
            location=f"{place.name}: {path}",
            kind=kind,
            fingerprint=mark,
            name=_said(leak.name, leak),
            resource_id=place.resource_id,
            native_id=None if leak.native_id is None else readable(leak.native_id),
            preview=preview(leak.kind, leak.secret.reveal()),
            issuer=leak.issuer,
            issuer_tenant=None if leak.issuer_tenant is None else readable(leak.issuer_tenant),
            severity=leak.severity,
            confidence=leak.confidence,
            is_test=leak.is_test,
            path=path,
            line=leak.line,
            commit=None if seen.first is None else seen.first.sha,
            author=None if seen.first is None else _said(seen.first.author, leak),
            first_seen_at=None if seen.first is None else seen.first.at,
            last_seen_at=None if seen.is_current or seen.gone is None else seen.gone.at,
            is_current=seen.is_current,
            expires_at=leak.expires_at,
        )


def _merge(seen: _Seen, found: Leaked) -> None:
    """One more version or line with the same value."""
    order = _order(found)
    if (not found.is_current, order) < (not seen.is_current, seen.order):
        seen.leak = found.leak
    if order < seen.order:
        seen.order, seen.first = order, found.first
    if found.gone is not None and (seen.gone is None or seen.gone.at < found.gone.at):
        seen.gone = found.gone
    seen.is_current |= found.is_current


def _order(found: Leaked) -> tuple[datetime, str, int, int]:
    first = found.first
    when = (_BEGINNING, "") if first is None else (first.at, first.sha)
    return (*when, found.leak.line, found.leak.start)


def _path(found: Leaked) -> str:
    """With the member of an archive behind it; what is merely encoded stands in the file itself."""
    inside = found.leak.inside
    path = found.path if inside is None or inside == "base64" else f"{found.path}!/{inside}"
    return _without(path, found.leak)


def _without(text: str, leak: Leak) -> str:
    """Of a name from outside, which may hold the secret itself."""
    return readable(text.replace(leak.secret.reveal(), "***"))


def _said(text: str | None, leak: Leak) -> str | None:
    return None if text is None else _without(text, leak)
