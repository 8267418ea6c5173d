"""A partner portal, PRM, identity provider or support tool, from the CSV files that it exports.

Reads users, roles, sign-ins, sessions and exports; what no file holds, such as whether single sign-on is required, is
stated in nhiscan.toml. It calls nobody. Not read: keys and tokens of the tool, changes of its settings, calls.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from nhiscan.config import nearest
from nhiscan.errors import CollectError, ConfigError
from nhiscan.model import Membership, Record, Tenant, Use

from . import events
from .coverage import DATASETS, Told
from .people import PROVIDER, Accounts, Seen, role_records, session_record, user_records
from .reading import Row, Tally, opened, rows
from .settings import Stated, setting_records, settings_coverage
from .sources import FileSpec, Source, check_mapping, found_in, resolve
from .tables import LICENCES

if TYPE_CHECKING:
    from nhiscan.collect import Context

__all__ = ["FileSpec", "Portal", "Stated"]

_TENANT: Final = re.compile(r"[\w][\w.\-@+]{0,199}")  # ids are made of it
_RIGHT: Final = re.compile(r"(?P<verb>[a-z-]+)(?: of (?P<scope>own|account|team|all))?")
_VERBS: Final = (  # of nhiscan's own, as privileges.toml beside this names them
    "admin",
    "manage-identity",
    "manage-policy",
    "impersonate",
    "delegate",
    "export-data",
    "run-code",
    "write-data",
    "read-data",
    "read-config",
)
_NOBODY: Final = "name no user of the list, or one that it holds twice"
_FEW: Final = 20  # rows of a file, in a sample
_Make = Callable[[str, str, Row, str], Use]


@dataclass(frozen=True)
class Portal:
    """`path`: a folder of files named by what they hold; `files`: files from elsewhere; `mapping`: the product's name.

    `rights`: role = verb of what it may do, such as "write-data of account". `licence`: what users are where no column
    says so. A file older than `max_age_days` is partial.
    """

    name: ClassVar[str] = PROVIDER
    datasets: ClassVar[frozenset[str]] = DATASETS
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    tenant: str
    path: Path | None = None
    files: tuple[FileSpec, ...] = ()
    mapping: str | None = None
    licence: str | None = None
    rights: Mapping[str, str] = field(default_factory=dict, hash=False)
    settings: Stated = field(default_factory=Stated)
    timezone: str | None = None
    date_format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    exported_at: date | None = None
    history_from: date | None = None
    max_age_days: int = 8

    def __post_init__(self) -> None:
        where = f"collectors.portal, {self.tenant}"
        if not _TENANT.fullmatch(self.tenant):
            raise ConfigError(
                f"collectors.portal.tenant: {self.tenant!r} is no name for a portal",
                hint="use letters, digits and . _ - @ + and begin with a letter or digit",
            )
        if self.path is None and not self.files:
            raise ConfigError(f"{where} names neither path nor files", hint='set path = "exports/" to read a folder')
        check_mapping(self.mapping, where)
        if self.licence is not None and self.licence not in LICENCES:
            raise ConfigError(f"{where}: unknown licence {self.licence!r}", hint=nearest(self.licence, LICENCES))
        for role, right in self.rights.items():
            found = _RIGHT.fullmatch(right)
            if found is None or found["verb"] not in _VERBS:
                raise ConfigError(
                    f"{where}: rights: {right!r} of {role!r} is no right",
                    hint=f'write "read-data of own"; {nearest(right.partition(" ")[0], _VERBS)}',
                )
        for spec in self.files:
            resolve(spec, self._defaults)

    @property
    def _defaults(self) -> FileSpec:
        return FileSpec(
            Path(),
            "users",
            mapping=self.mapping,
            date_format=self.date_format,
            timezone=self.timezone,
            encoding=self.encoding,
            delimiter=self.delimiter,
            exported_at=self.exported_at,
            history_from=self.history_from,
        )

    def collect(self, ctx: Context) -> Iterator[Record]:
        """The tenant, events, sessions, users and roles, then coverage.

        Raises: CollectError when the folder cannot be read or holds no file of a portal.
        """
        tenant_id = f"{PROVIDER}:{self.tenant}"
        yield Tenant(tenant_id, PROVIDER, self.tenant)
        specs = [*self.files, *(found_in(self.path, self.files) if self.path is not None else ())]
        if not specs:
            raise CollectError(
                f"collectors.portal.path: {self.path} holds no file of a portal",
                hint="name files by what they hold, such as users.csv and sign_ins.csv, or list them under files",
            )
        portal = _Reading(self, tenant_id, ctx, [resolve(spec, self._defaults) for spec in specs])
        yield from portal.records()
        yield from setting_records(tenant_id, self.settings)
        yield from portal.told.coverage()

    def scoped_rights(self) -> dict[str, tuple[str, str]]:
        """Verb and scope of records of each role, which is compared without case."""
        found = {role.casefold(): _RIGHT.fullmatch(right) for role, right in self.rights.items()}
        return {role: (right["verb"], right["scope"] or "all") for role, right in found.items() if right is not None}


class _Reading:
    """One portal while it is read."""

    def __init__(self, portal: Portal, tenant_id: str, ctx: Context, sources: list[Source]) -> None:
        self._portal = portal
        self._ctx = ctx
        self._sources = sources
        self._accounts = Accounts(tenant_id)
        self._last: dict[str, datetime] = {}
        self._roles: set[str] = set()
        self.told = Told(tenant_id, ctx.as_of, timedelta(days=portal.max_age_days))
        self.told.stated = settings_coverage(portal.settings)

    def records(self) -> Iterator[Record]:
        """The list of users is read twice: first for who is who, so that no event has to wait for that."""
        for source in self._of("users"):
            for row in self._rows(source, opened(source, self._ctx.as_of)):
                self._accounts.add(row)
        yield from self._events("sign_ins", "login", events.sign_in)
        yield from self._events("exports", "export", events.export)
        yield from self._sessions()
        yield from self._users()
        yield from self._memberships()
        rights = self._portal.scoped_rights()
        self.told.roles_without_rights = sorted(role for role in self._roles if role.casefold() not in rights)
        yield from role_records(self._accounts, self._roles, rights)

    def _of(self, table: str) -> list[Source]:
        return [source for source in self._sources if source.table.name == table]

    def _read(self, table: str) -> Iterator[Iterator[Row]]:
        """The rows of each file, of which a tally is kept."""
        for source in self._of(table):
            tally = opened(source, self._ctx.as_of)
            self.told.tallies.setdefault(table, []).append(tally)
            yield self._rows(source, tally)
            self._ctx.progress(f"{self._portal.tenant}: rows of {table}", tally.rows)

    def _rows(self, source: Source, tally: Tally) -> Iterator[Row]:
        for number, row in enumerate(rows(source, tally)):
            if self._ctx.is_sample and number >= _FEW and source.table.is_log:
                break
            yield row

    def _events(self, table: str, kind: str, make: _Make) -> Iterator[Record]:
        strangers: Counter[str] = Counter()
        for found in self._read(table):
            numbered = events.Numbered(self._accounts.tenant_id, kind)
            for row in found:
                event_id = numbered.id_of(row)
                if events.is_left_out(row):
                    continue
                identity_id = self._accounts.find(row["user"])
                if identity_id is None:
                    strangers[row["user"].casefold()] += row.get("outcome") != "failure"
                    identity_id = self._accounts.user_id(row["user"].casefold())
                use = make(self._accounts.tenant_id, event_id, row, identity_id)
                if kind == "login" and use.outcome == "success":
                    self._last[identity_id] = max(use.occurred_at, self._last.get(identity_id, use.occurred_at))
                yield use
        self._say_strangers(table, strangers)

    def _say_strangers(self, table: str, strangers: Counter[str]) -> None:
        let_in = +strangers
        if let_in and self._accounts.states:
            self.told.notes.setdefault(table, []).append(
                f"{let_in.total()} rows name {len(let_in)} accounts that the list of users lacks or holds twice"
            )

    def _sessions(self) -> Iterator[Record]:
        nobody = 0
        for row in chain.from_iterable(self._read("sessions")):
            identity_id = self._accounts.find(row["user"])
            if identity_id is None:
                nobody += 1
            else:
                yield session_record(self._accounts, row, identity_id)
        self._count("sessions", _NOBODY, nobody)

    def _users(self) -> Iterator[Record]:
        seen = Seen(self._last, self.told.reached("sign_ins"))
        for row in chain.from_iterable(self._read("users")):
            self._roles.update(row.get("roles", ()))
            yield from user_records(self._accounts, row, seen, self._portal.licence)
        self._count("users", "stand twice in different states and are taken for enabled", len(self._accounts.conflicts))

    def _memberships(self) -> Iterator[Record]:
        nobody = 0
        for row in chain.from_iterable(self._read("roles")):
            identity_id = self._accounts.find(row["user"])
            self._roles.add(row["role"])
            if identity_id is None:
                nobody += 1
            else:
                yield Membership(identity_id=identity_id, group_id=self._accounts.role_id(row["role"]))
        self._count("roles", _NOBODY, nobody)

    def _count(self, table: str, problem: str, times: int) -> None:
        if times:
            self.told.tallies[table][-1].bad[problem] += times
