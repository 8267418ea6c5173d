"""How completely a portal's files say each thing, and what no file of a portal holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from nhiscan.model import Coverage

from .people import PROVIDER
from .reading import SLACK, Tally
from .tables import TABLES

_DATED: Final = "the only credentials here are open invitations and sessions, which have their dates"
NOT_APPLICABLE: Final[Mapping[str, str]] = {
    "credentials.created": _DATED,
    "credentials.last_used": _DATED,
    "policies": "what users of a portal may do stands in their roles",
    "trusts": "in a portal nobody becomes a user by a trust",
}
UNSUPPORTED: Final[Mapping[str, str]] = {
    "usage.audit": "changes of settings and roles are not read",
    "usage.calls": "calls are not read",
}
_OF_FILES: Final = {
    "sessions": "sessions",
    "usage.logins": "sign_ins",
    "usage.exports": "exports",
}
DATASETS: Final = frozenset(
    {
        "credentials",
        "identities",
        "identities.last_used",
        "identities.mfa",
        "identities.tags",
        "memberships",
        "grants",
        "settings.sign_in",
        "settings.sessions",
        "settings.passwords",
        *NOT_APPLICABLE,
        *UNSUPPORTED,
        *_OF_FILES,
    }
)
_ORDER: Final = ("failed", "truncated", "partial")  # the worst first
_UNASKED: Final = "no file holds {}: name one under collectors.portal.files"
_Said = tuple[str, str | None]


@dataclass
class Told:
    """All that was read of one portal, table by table, and what was said beside."""

    tenant_id: str
    as_of: datetime
    max_age: timedelta
    tallies: dict[str, list[Tally]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    roles_without_rights: list[str] = field(default_factory=list)
    stated: dict[str, _Said] = field(default_factory=dict)  # coverage of settings

    def coverage(self) -> Iterator[Coverage]:
        """Exactly one record for each dataset."""
        said: dict[str, _Said] = {
            "identities": self.of("users"),
            "identities.last_used": self._last_used(),
            "identities.mfa": self._of_column("users", "mfa"),
            "identities.tags": self._tags(),
            "memberships": self._memberships(),
            "grants": self._grants(),
            **{dataset: self.of(table) for dataset, table in _OF_FILES.items()},
            **self.stated,
            **{dataset: ("not_applicable", reason) for dataset, reason in NOT_APPLICABLE.items()},
            **{dataset: ("unsupported", reason) for dataset, reason in UNSUPPORTED.items()},
        }
        for dataset, (status, reason) in sorted(said.items()):
            table = _OF_FILES.get(dataset, "users")
            yield Coverage(
                provider=PROVIDER,
                tenant_id=self.tenant_id,
                dataset=dataset,
                status=status,
                reason=reason,
                history_from=self.reached(table) if TABLES[table].is_log else None,
                # What happened since the export is for the next one.
                collected_at=self._exported_at(table),
            )

    def _exported_at(self, table: str) -> datetime:
        """A log goes on in a later file; of a list that several files hold the oldest part counts."""
        times = [tally.exported_at for tally in self.tallies.get(table, ())]
        return (max if TABLES[table].is_log else min)(times, default=self.as_of)

    def reached(self, table: str) -> datetime | None:
        """From when on the files of a log hold all: from the newest back, as long as none is missing between two."""
        reached: datetime | None = None
        for tally in sorted(self._whole(table), key=lambda tally: tally.exported_at, reverse=True):
            if reached is None or tally.exported_at + SLACK >= reached:
                reached = min(filter(None, (tally.since, reached)), default=None)
        return reached

    def _gaps(self, table: str) -> Iterator[str]:
        reached = self.reached(table)
        for tally in self._whole(table):
            if reached is not None and tally.exported_at + SLACK < reached:
                yield f"no file holds what happened from {tally.exported_at:%Y-%m-%d} to {reached:%Y-%m-%d}"

    def _whole(self, table: str) -> list[Tally]:
        return [tally for tally in self.tallies.get(table, ()) if tally.error is None and tally.since is not None]

    def of(self, table: str) -> _Said:
        tallies = self.tallies.get(table)
        if not tallies:
            return "unsupported", _UNASKED.format(table)
        judged = [(_status(tally), _reasons(tally)) for tally in tallies]
        stale = list(self._stale(table))
        statuses = {status for status, _ in judged} | ({"partial"} if stale else set())
        # Of several files one that failed leaves what the others hold.
        if "failed" in statuses and any(tally.taken for tally in tallies):
            statuses = statuses - {"failed"} | {"partial"}
        status = next((word for word in _ORDER if word in statuses), "complete")
        gaps = self._gaps(table) if TABLES[table].is_log else ()
        reasons = [*(reason for _, each in judged for reason in each), *stale, *gaps, *self.notes.get(table, ())]
        return status, "; ".join(dict.fromkeys(reasons)) or None

    def _stale(self, table: str) -> Iterator[str]:
        exported_at = self._exported_at(table)
        age = self.as_of - exported_at
        if age > self.max_age:
            yield f"exported {exported_at:%Y-%m-%d}, {age.days} days before the scan: export it again"

    def _of_column(self, table: str, column: str) -> _Said:
        tallies = self.tallies.get(table)
        if tallies and not all(column in tally.present for tally in tallies if tally.error is None):
            return "unsupported", f"the list of {table} has no column {column}"
        return self.of(table)

    def _last_used(self) -> _Said:
        listed = self._of_column("users", "last_sign_in_at")
        if listed[0] != "unsupported" or not self.tallies.get("sign_ins") or not self.tallies.get("users"):
            return listed
        users, log = self.of("users"), self.of("sign_ins")
        reason = "told from sign-ins alone: of who signed in before they begin it is not known"
        worst = next((word for word in _ORDER if word in (users[0], log[0])), "complete")
        return worst, "; ".join(filter(None, (reason, users[1], log[1])))

    def _tags(self) -> _Said:
        """Whose a user is, where the tool says it beside the address."""
        listed = self._of_column("users", "partner")
        if listed[0] == "unsupported" and self.tallies.get("users"):
            return "not_applicable", "the list of users has no column partner"
        return listed

    def _memberships(self) -> _Said:
        listed = self._of_column("users", "roles")
        if self.tallies.get("roles"):
            roles = self.of("roles")
            return roles if listed[0] == "unsupported" else max(roles, listed, key=lambda said: said[0] != "complete")
        return listed

    def _grants(self) -> _Said:
        status, reason = self._memberships()
        if status == "unsupported":
            return status, reason
        if self.roles_without_rights:
            named = ", ".join(repr(role) for role in self.roles_without_rights[:3])
            more = len(self.roles_without_rights) - 3
            listed = named + (f" and {more} more" if more > 0 else "")
            return "unsupported", f"nobody said under collectors.portal.rights what these roles may do: {listed}"
        return status, reason


def _status(tally: Tally) -> str:
    if tally.error is not None:
        return "partial" if tally.taken else "failed"
    if tally.is_cut:
        return "truncated"
    return "partial" if tally.bad else "complete"


def _reasons(tally: Tally) -> Iterator[str]:
    if tally.error is not None:
        yield tally.error
    if tally.is_cut:
        yield f"{tally.lines} rows are as many as the tool exports at most, so that the file was cut"
    for problem, times in tally.bad.most_common():
        named = tally.named.get(problem, [])
        more = f" and {times - len(named)} more" if times > len(named) else ""
        listed = f" ({'; '.join(named)}{more})" if named else ""
        yield f"{times} of {tally.rows} rows: {problem}{listed}"
    for note, times in tally.notes.items():
        yield f"{times} {note}"
