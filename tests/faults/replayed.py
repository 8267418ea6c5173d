"""Collectors replayed with faults, and what has to be said of what they then do not see."""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from nhiscan import boto_client
from nhiscan.collect import Context, run
from nhiscan.model import COVERED, Coverage, Record
from nhiscan.tape import Call, Player
from tests.faults.tapes import PAGE, Taped, fetch, reading
from tests.faults.wrong import Answering, Fault, operation, pages, spoilt

_CREDENTIALS: Final = frozenset({"credentials", "credentials.passwords", "credentials.service_specific"})
_SIGHTINGS: Final = frozenset(
    {"sightings.environment", "sightings.parameters", "sightings.tags", "sightings.user_data"}
)
_RESOURCES: Final = frozenset({"resources", "stored_secrets", "workloads"})
_LAST_USE: Final = ("last_used_at", "last_used_known")
_ANY_IS_GOOD: Final = frozenset({"last_used_source"})
_ROTATION: Final = ("is_rotated", "rotated_at", "rotation_days", "updated_at")
# By table: the datasets of which one at least has to be short where a row is missing or came from nowhere.
ROWS: Final[Mapping[str, frozenset[str]]] = {
    "auth_roles": frozenset({"auth_roles"}),
    "credentials": _CREDENTIALS,
    "grants": frozenset({"delegated_admins", "external_access", "grants"}),
    "identities": frozenset({"delegated_admins", "identities"}),
    "issuer_audiences": frozenset({"issuers"}),
    "issuers": frozenset({"issuers", "issuers.certificates"}),
    "leases": frozenset({"leases"}),
    "memberships": frozenset({"memberships"}),
    "org_nodes": frozenset({"organization"}),
    "org_policies": frozenset({"rcps", "scps"}),
    "policies": frozenset({"policies", "rcps", "scps"}),
    "policy_bindings": frozenset({"policies"}),
    "resource_tags": _RESOURCES | {"sightings.tags"},
    "resources": _RESOURCES,
    "scanners": frozenset({"identities", "credentials"}),
    "service_uses": frozenset({"usage.services"}),
    "settings": frozenset({"delegated_admins", "settings", "settings.logging"}),
    "sightings": _SIGHTINGS,
    "stored_secrets": frozenset({"stored_secrets"}),
    "tags": frozenset({"identities.tags"}),
    "trust_conditions": frozenset({"trusts"}),
    "trusts": frozenset({"trusts"}),
    "usage": frozenset({"usage.calls"}),
}
# By table and field, where what a row says belongs to a dataset of its own.
FIELDS: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("credentials", "max_ttl_s"): frozenset({"credentials", "settings"}),  # a server has a limit for all tokens
    ("credentials", "created_at"): frozenset({"credentials.created"}),
    **{("credentials", name): frozenset({"credentials.last_used"}) for name in _LAST_USE},
    ("identities", "environment"): frozenset({"identities.tags"}),
    ("identities", "has_console_password"): frozenset({"credentials.passwords", "identities"}),
    **{("identities", name): frozenset({"identities.last_used"}) for name in _LAST_USE},
    ("identities", "mfa_state"): frozenset({"identities.mfa"}),
    ("identities", "purpose"): frozenset({"identities.tags"}),
    **{("stored_secrets", name): frozenset({"stored_secrets.last_used"}) for name in _LAST_USE},
    **{("stored_secrets", name): frozenset({"stored_secrets.rotation"}) for name in _ROTATION},
}
_NOT_SHORT: Final = COVERED | {"unsupported"}  # which it is without a fault as well
_KEY: Final = b"k" * 32


@dataclass
class Replayed:
    """One system; `clean` is what it says undisturbed."""

    taped: Taped
    clean: list[Record] = field(init=False)
    operations: Mapping[str, Sequence[Call]] = field(init=False)  # what is asked undisturbed
    _answering: Answering = field(init=False)
    _player: Player = field(init=False)

    def __post_init__(self) -> None:
        self._answering = Answering(self.taped.answers)
        self._player = Player(self.taped.as_of, (), Path("tape"), self._answering)
        self.clean = self.run(None)
        found: dict[str, list[Call]] = defaultdict(list)
        for asked in sorted(self._answering.asked):
            found[operation(asked)].append(asked)
        self.operations = dict(sorted(found.items()))

    def fault(self, name: str, kind: str, *, only_one: bool = False) -> Fault | None:
        """The fault in every call of an operation, or in the last of them; None where it would change no answer."""
        changes = pages if kind == "no next page" else _changes(kind)
        calls = [
            asked for asked in self.operations[name] if any(changes(asked, said) for said in self.taped.answers[asked])
        ]
        return Fault(kind, frozenset(calls[-1:] if only_one else calls)) if calls else None

    def run(self, fault: Fault | None) -> list[Record]:
        """What the collector says, coverage for what it failed to say included; raises what it stumbled over."""
        self._answering.begin(fault)
        ctx = Context(as_of=self.taped.as_of, tape=self._player, fingerprint_key=_KEY)
        with _in_a_hurry(), _stumbling_raises():
            return list(run(self.taped.collector, ctx))

    @property
    def was_wrong(self) -> bool:
        """In the last run the fault really came about."""
        return self._answering.went_wrong > 0


def _changes(kind: str) -> Any:
    return lambda asked, said: spoilt(asked, said, kind) != said


_made: Final[dict[tuple[object, ...], Any]] = {}  # sessions and clients of AWS, by what they are for


@contextmanager
def _in_a_hurry() -> Iterator[None]:
    """Nobody waits, and no session or client of AWS is made twice: making them takes most of the time of a replay."""
    make_session, make_client = boto_client.session, boto_client.client

    def session(*, profile: str | None, region: str, tape: Any) -> Any:
        key = (id(tape), profile, region)
        if key not in _made:
            _made[key] = make_session(profile=profile, region=region, tape=tape)
        return _made[key]

    def client(made: Any, service: str, *, region: str, account: str, tape: Any, **options: Any) -> Any:
        key = (id(tape), service, region, account)
        if key not in _made:
            _made[key] = make_client(made, service, region=region, account=account, tape=tape, **options)
        return _made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto_client, "session", session)
        patch.setattr(boto_client, "client", client)
        patch.setattr("time.sleep", lambda seconds: None)
        patch.setattr("requests.sessions.get_environ_proxies", lambda *_, **__: {})  # looked for at every request
        patch.setattr(reading(), "_PAGE", PAGE)
        for asking in (reading(), fetch()):
            patch.setattr(asking, "_WORKERS", 2)  # a tape answers at once
        yield


class _Stumbles(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            raise record.exc_info[1]


@contextmanager
def _stumbling_raises() -> Iterator[None]:
    """What the engine turns into coverage although no collector should let it through, is raised."""
    log = logging.getLogger("nhiscan.collect")
    level, handler = log.level, _Stumbles()
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def unsaid(clean: list[Record], faulted: list[Record]) -> list[str]:
    """What differs although no dataset that it belongs to is said to be short."""
    short = {(r.tenant_id, r.dataset) for r in faulted if isinstance(r, Coverage) and r.status not in _NOT_SHORT}
    return [
        f"{tenant_id} {what}, and none of {', '.join(sorted(datasets))} is short"
        for tenant_id, what, datasets in _differences(clean, faulted)
        if not any((tenant_id, dataset) in short for dataset in datasets)
    ]


def _differences(clean: list[Record], faulted: list[Record]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Tenant, words, and the datasets of which one has to be short."""
    before, after = _rows(clean), _rows(faulted)
    for name in sorted(before.keys() | after.keys()):
        lost, new = before.get(name, set()) - after.get(name, set()), after.get(name, set()) - before.get(name, set())
        if not lost and not new:
            continue
        table, key = name
        tenant_id = ":".join(key.split(":")[:2])
        if len(lost) == len(new) == 1:
            (was,), (is_now,) = lost, new
            for field_ in dataclasses.fields(was):
                old, now = getattr(was, field_.name), getattr(is_now, field_.name)
                if old != now and field_.name not in _ANY_IS_GOOD:
                    words = f"{table} {key} {field_.name}: {old!r} became {now!r}"
                    yield tenant_id, words, FIELDS.get((table, field_.name), ROWS[table])
        else:
            yield tenant_id, f"{table} {key}: lost {len(lost)}, {len(new)} new", ROWS[table]


def _rows(records: list[Record]) -> dict[tuple[str, str], set[Record]]:
    """By table and the text by which a row is known."""
    found: dict[tuple[str, str], set[Record]] = defaultdict(set)
    for record in records:
        if not isinstance(record, Coverage):
            row: Any = record
            name = str(getattr(row, dataclasses.fields(row)[0].name))
            found[record.table, name if name.count(":") > 1 else f"{row.tenant_id}:{name}"].add(record)
    return found
