"""What every part of the collector works with: one org, how to ask it, and what has been found in it so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from nhiscan.collect import Context
from nhiscan.model import AppSettings, Identity, Record, Resource

from .api import Api, Json, Refusal
from .coverage import Tally
from .metadata import Retrieved, read
from .words import id18


@dataclass
class Org:
    """Parts are functions `records(org) -> Iterator[Record]`; they run in the order of PARTS and say by `rows`,
    `count` and `tally` how completely they read.
    """

    tenant_id: str
    api: Api
    tally: Tally
    ctx: Context
    as_of: datetime
    objects: tuple[str, ...] = ()  # API names of the deal objects
    fields: tuple[str, ...] = ()  # "Object.Field" of the core fields
    metadata_folder: Path | None = None
    retrieved: Retrieved = field(default_factory=Retrieved)  # what that folder holds
    is_register: bool = False
    rights: frozenset[str] = frozenset()  # the scanner's own, like ViewSetup; empty: not known
    licences: dict[str, str] = field(default_factory=dict)  # profile id (18) -> name of its user licence
    # Permission set id (18) -> our id of what gives its rights: a profile, the set itself, or a group whose muting
    # takes some away again. Sets that only sum up a group without muting are not in it: its members say the same.
    holders: dict[str, str] = field(default_factory=dict)
    sums: set[str] = field(default_factory=set)  # the permission sets (18) that are left out there
    api_only: set[str] | None = None  # user ids (18) that may use the API only; None: not known
    users: set[str] = field(default_factory=set)  # ids (18) of all that were read
    mails: dict[str, str] = field(default_factory=dict)  # user id (18) of an insider -> mail address
    accounts: set[str] = field(default_factory=set)  # account ids (18) of outsiders
    apps: dict[str, list[str]] = field(default_factory=dict)  # name of an app, lower case -> our ids of those so named
    developer_names: dict[str, str] = field(default_factory=dict)  # of an app (its metadata name) -> our id
    app_settings: dict[str, AppSettings] = field(
        default_factory=dict
    )  # our id of an app -> what is known; yielded last
    connected: set[tuple[str, str]] = field(default_factory=set)  # app (our id) and user (18) of tokens said so far
    seen_whole: set[str] = field(default_factory=set)  # API names of objects of which the scanner sees every record
    controlled_by_parent: set[str] = field(default_factory=set)  # API names of those that are shared as their parent is
    identities: set[str] = field(default_factory=set)  # ids of those that were said so far
    resources: set[str] = field(default_factory=set)

    def id(self, kind: str, native_id: object) -> str:
        """Our id of a thing: `<tenant>:<kind>/<18 characters>`."""
        return f"{self.tenant_id}:{kind}/{id18(str(native_id))}"

    def identity_id(self, user_id: object) -> str:
        return self.id("user", user_id)

    @property
    def scanner_id(self) -> str:
        """The user id (18) that this scan is."""
        return self.api.login.user_id

    def read_metadata(self) -> None:
        """Reads the folder for all parts; files that cannot be read become coverage."""
        if self.metadata_folder is not None:
            self.retrieved = read(self.metadata_folder)
            for problem in self.retrieved.problems:
                self.tally.refuse(Refusal("failed", problem.file, problem.reason), *problem.datasets)

    def remember(self, record: Record) -> Record:
        """Called for each record on its way out, so that later parts can refer to what is there."""
        if isinstance(record, Identity):
            self.identities.add(record.identity_id)
        elif isinstance(record, Resource):
            self.resources.add(record.resource_id)
        return record

    def rows(
        self,
        name: str,
        columns: Sequence[str],
        *datasets: str,
        spoils: tuple[str, ...] = (),
        where: str = "",
        optional: Mapping[str, tuple[str, ...]] | None = None,
        tooling: bool = False,
        needs: str | None = None,
    ) -> Iterator[Json]:
        """The rows of an object, counted for `datasets`; a refusal counts against them and `spoils`, and ends the rows.

        `optional`: columns that an edition or a right may hide, and the datasets that are short without them; the rest
        is then asked for again. `where`: what follows FROM. `needs`: the permission that is missing when it is denied.
        """
        extra = dict(optional or {})
        while True:
            selected = ", ".join((*columns, *extra))
            rows = self.api.query(f"SELECT {selected} FROM {name} {where}".rstrip(), tooling=tooling)
            yield from rows
            refusal = rows.refusal
            if refusal is None or rows.count or refusal.column not in extra:
                break
            self.tally.refuse(refusal, *extra.pop(str(refusal.column)), needs=needs)
        if refusal is None or rows.count:
            self.tally.answer(*datasets)
        if refusal is not None:
            self.tally.refuse(refusal, *datasets, *spoils, needs=needs)

    def count(
        self,
        soql: str,
        *datasets: str,
        spoils: tuple[str, ...] = (),
        tooling: bool = False,
        needs: str | None = None,
    ) -> int | None:
        """The answer to a `SELECT COUNT() ...`; None: refused, which counts against `datasets` and `spoils`."""
        answer = self.api.count(soql, tooling=tooling)
        if isinstance(answer, Refusal):
            self.tally.refuse(answer, *datasets, *spoils, needs=needs)
            return None
        self.tally.answer(*datasets)
        return answer

    def get(
        self, path: str, *datasets: str, params: Mapping[str, str] | None = None, needs: str | None = None
    ) -> Json | None:
        """A JSON object from below the versioned data path; None: refused, which counts against `datasets`."""
        answer = self.api.get(path, params)
        if isinstance(answer, Refusal):
            self.tally.refuse(answer, *datasets, needs=needs)
            return None
        self.tally.answer(*datasets)
        return answer


def quoted(text: str) -> str:
    """A text as SOQL writes it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
