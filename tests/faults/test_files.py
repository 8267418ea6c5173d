"""Everything that can hide texts of a place, or what they lead to, in turn: no rule passes what it then cannot see.

Each scan is the second of a state directory whose first one saw everything, so that what it finds gone is seen too.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.filled import filled
from nhiscan import check, collect, config, scan, store
from nhiscan.collect import Context
from nhiscan.detect.leak import Leaked, Said, Unread
from nhiscan.errors import CollectError
from nhiscan.imports import Imported, ImportedRow
from nhiscan.model import Coverage, Credential, Identity, Record, Resource, ResourceTag, Sighting, StoredSecret, Tenant
from tests.files.conftest import Repository, write
from tests.resolve.leak_estate import key_id
from tests.systems import System, register

FIRST: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
ACCOUNT: Final = "111111111111"
AWS: Final = f"aws:{ACCOUNT}"
VAULT: Final = "vault:main"
PLACES: Final = ("portal", "drop", "handover")
KEY: Final = key_id(ACCOUNT)
SECRET: Final = filled("<<[A-Za-z0-9/+]{40}>>", seed="secret")
SIGNING: Final = filled("<<[A-Za-z0-9]{32}>>", seed="signing")
TOKEN: Final = filled("pat-na1-<<uuid>>", seed="token")
PAIR: Final = f"AWS_ACCESS_KEY_ID={KEY}\nAWS_SECRET_ACCESS_KEY={SECRET}\n"
DATASETS: Final = {
    AWS: (
        "identities",
        "credentials",
        "credentials.created",
        "credentials.last_used",
        "resources",
        "workloads",
        "sightings.environment",
        "sightings.user_data",
        "sightings.parameters",
        "stored_secrets.fingerprints",
        "usage.calls",
    ),
    VAULT: (
        "identities",
        "credentials",
        "credentials.created",
        "resources",
        "stored_secrets",
        "stored_secrets.fingerprints",
    ),
}

Outcome = tuple[str, str]


@dataclass
class Estate:
    """What there is to see. `hidden`: datasets of a tenant that are refused, with the rows that they hold."""

    folder: Path
    names: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(PLACES))
    hidden: set[tuple[str, str]] = field(default_factory=set)
    status: str = "denied"
    imports: list[Imported] = field(default_factory=list)
    hide: Callable[[Iterator[Said]], Iterator[Said]] | None = None
    hidden_place: str | None = None
    only: Collection[str] | None = None

    def places(self) -> list[dict[str, Any]]:
        kinds = {"portal": "repository", "drop": "folder", "handover": "shared"}
        audiences = {"portal": "internal", "drop": "internal", "handover": "public"}
        return [
            {
                "name": called or name,
                "path": str(self.folder / name),
                "kind": kinds[name],
                "audience": audiences[name],
                "environment": "dev",
            }
            for name, called in self.names.items()
        ]

    def coverage(self, tenant_id: str) -> Iterator[Coverage]:
        for dataset in DATASETS[tenant_id]:
            status = self.status if (tenant_id, dataset) in self.hidden else "complete"
            yield Coverage(tenant_id.partition(":")[0], tenant_id, dataset, status, collected_at=FIRST)

    def aws(self, ctx: Context) -> Iterator[Record]:
        yield Tenant(AWS, "aws")
        user = Identity(f"{AWS}:user/sync", "aws", AWS, "service_account", "sync", "AIDA1", is_nhi=True)
        yield user
        if (AWS, "credentials") not in self.hidden:
            yield Credential(
                f"{AWS}:access_key/{KEY}",
                user.identity_id,
                provider="aws",
                tenant_id=AWS,
                kind="access_key",
                native_id=KEY,
                status="active",
                is_replaceable=True,
                created_at=datetime(2025, 1, 1, tzinfo=UTC),
            )
        if (AWS, "workloads") not in self.hidden:
            function = Resource(f"{AWS}:function/sync", "aws", AWS, "function", "sync", "sync", environment="prod")
            yield function
            if (AWS, "sightings.environment") not in self.hidden:
                for kind, name, value, native_id in (
                    ("aws_access_key_id", "AWS_ACCESS_KEY_ID", KEY, KEY),
                    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", SECRET, None),
                    ("named_secret", "SIGNING_SECRET", SIGNING, None),
                ):
                    yield Sighting(
                        f"{function.resource_id}/environment/{name}",
                        "aws",
                        AWS,
                        "environment",
                        "environment of sync",
                        kind,
                        ctx.fingerprint(value),
                        name,
                        function.resource_id,
                        native_id=native_id,
                    )
        yield from self.coverage(AWS)

    def vault(self, ctx: Context) -> Iterator[Record]:
        yield Tenant(VAULT, "vault")
        for name, value in (("signing", SIGNING), ("hubspot", TOKEN)):
            kept = Resource(f"{VAULT}:secret/{name}", "vault", VAULT, "secret", name, name, environment="prod")
            yield kept
            is_hidden = (VAULT, "stored_secrets.fingerprints") in self.hidden
            yield StoredSecret(kept.resource_id, kind="kv2", fingerprint=None if is_hidden else ctx.fingerprint(value))
            yield ResourceTag(kept.resource_id, name="environment", value="prod")
        yield from self.coverage(VAULT)

    def scan(self, state: Path, at: datetime) -> tuple[set[Outcome], dict[Outcome, tuple[str, str]]]:
        """What passes, and outcome and status of what does not."""
        configured = config.build(
            collect.load("files"), {"places": self.places()}, where="collectors.files.", base=self.folder, environ={}
        )
        systems: list[Any] = [
            register(),
            System("aws", self.aws, frozenset(DATASETS[AWS])),
            System("vault", self.vault, frozenset(DATASETS[VAULT])),
            configured,
        ]
        settings = config.Config(
            self.folder / "nhiscan.toml",
            config.Company(name="Acme", mail_domains=("acme.example",), aws_accounts={ACCOUNT: "prod"}),
            state,
            tuple((each.name, {}) for each in systems),
            {},
        )
        passes: set[Outcome] = set()
        honest = check.judge

        def listening(con: Any, rule: Any, bound: Any) -> check.Judged:
            judged = honest(con, rule, bound)
            passed = con.execute(f"select subject_id from ({judged.sql}) where outcome = 'pass'").fetchall()
            passes.update((rule.rule_id, subject) for (subject,) in passed)
            return judged

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check, "judge", listening)
            patch.setattr("nhiscan.imports.read", lambda state, key: iter(self.imports))
            patch.setattr("nhiscan.collectors.files.reading.read", self._reading())
            scan.run(
                settings,
                [each for each in systems if self.only is None or each.name in self.only],
                _rules(),
                ctx=Context(as_of=at),
                clock=lambda: at,
                on_stage=lambda name: None,
                only=self.only,
            )
        with store.open_published(state) as con:
            rows = con.execute("select rule_id, subject_id, outcome, status from findings").fetchall()
        return passes, {(rule, subject): (outcome, status) for rule, subject, outcome, status in rows}

    def _reading(self) -> Callable[..., Iterator[Said]]:
        from nhiscan.collectors.files import reading

        honest = reading.read

        def read(place: Any, ctx: Context) -> Iterator[Said]:
            said = honest(place, ctx)
            return said if self.hide is None or self.hidden_place not in (place.name, None) else self.hide(said)

        return read


def _rules() -> list[Any]:
    places = ("sightings.files", "sightings.history", "sightings.imports")
    return [rule for rule in check.load() if {*rule.needs, *rule.if_offered} & {*places, "sightings.environment"}]


def _imported(**changes: Any) -> list[Imported]:
    row = ImportedRow("generic", "named_secret", "notes.txt", line=4, severity="high", confidence=0.9)
    return [Imported(place, "trufflehog", "3", FIRST, (row,), **changes) for place in ("portal", "drop", "archive")]


def _whole(folder: Path) -> Estate:
    repository = Repository(folder / "portal")
    repository.commit({"deploy.env": PAIR, ".github/workflows/build.yml": f"env:\n  A: {KEY}\n  B: {SECRET}\n"})
    repository.commit({"old.env": f"HUBSPOT_TOKEN={filled('pat-eu1-<<uuid>>', seed='old')}\n"})
    repository.commit({"old.env": None})
    write(folder / "drop" / "drop.env", f"{PAIR}SIGNING_SECRET={SIGNING}\n")
    write(folder / "handover" / "readme.md", f"use HUBSPOT_TOKEN={TOKEN}\n")
    return Estate(folder, imports=_imported())


def _gone(why: str, *, history_only: bool = False) -> Callable[[Iterator[Said]], Iterator[Said]]:
    """The scanner does not get to see a text, and says why."""

    def hide(said: Iterator[Said]) -> Iterator[Said]:
        for each in said:
            is_hidden = isinstance(each, Leaked) and not (history_only and each.is_current)
            yield Unread("secret", why, "refused") if is_hidden else each

    return hide


def _broken(said: Iterator[Said]) -> Iterator[Said]:
    raise CollectError("the place cannot be read", hint="look")
    yield from said


def _faults() -> dict[str, Callable[[Estate], None]]:
    faults: dict[str, Callable[[Estate], None]] = {}

    def fault(name: str, **changes: Any) -> None:
        def change(estate: Estate) -> None:
            for key, value in changes.items():
                setattr(estate, key, value)

        faults[name] = change

    for why in ("out_of_time", "missing_object"):  # the others are counted alike
        fault(f"{why} everywhere", hide=_gone(why))
    fault("shallow", hide=_gone("shallow", history_only=True), hidden_place="portal")
    for place in PLACES:
        fault(f"damaged in {place}", hide=_gone("damaged"), hidden_place=place)
        fault(f"{place} fails", hide=_broken, hidden_place=place)
        left = {name: None for name in PLACES if name != place}
        fault(f"{place} removed from the settings", names=left)
        fault(f"{place} renamed", names=left | {place: f"{place}-new"})
        empty = [dataclasses.replace(each, rows=()) for each in _imported()]
        fault(f"{place} searched by another scanner only", names=left, imports=empty)
    fault("imports partial", imports=[dataclasses.replace(each, rows=(), unusable={"x": 1}) for each in _imported()])
    fault("imports stale", imports=_imported(is_stale=True))
    fault("all places removed", names={})
    for tenant, dataset in (
        (AWS, "credentials"),
        (AWS, "workloads"),
        (AWS, "sightings.environment"),
        (VAULT, "stored_secrets.fingerprints"),
    ):
        fault(f"{dataset} of {tenant} denied", hidden={(tenant, dataset)})
    fault("no values of the vault", hidden={(VAULT, "stored_secrets.fingerprints")}, status="unsupported")
    for name in ("aws", "vault", "files"):
        fault(f"only {name}", only={name})
    return faults


FAULTS: Final = _faults()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Outcome, tuple[str, str]], set[Outcome]]:
    folder = tmp_path_factory.mktemp("places")
    passes, findings = _whole(folder).scan(folder / "state", FIRST)
    return folder, findings, passes


def test_the_whole_estate_shows_each_rule_something(seen: Any) -> None:
    assert len({rule for rule, _ in seen[1]}) >= 8


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_passes_or_is_fixed_because_it_could_not_be_seen(name: str, seen: Any, tmp_path: Path) -> None:
    folder, found, _ = seen
    state = tmp_path / "state"
    shutil.copytree(folder / "state", state)
    estate = Estate(folder, imports=_imported())
    FAULTS[name](estate)
    passes, findings = estate.scan(state, FIRST + timedelta(days=7))
    if "removed" not in name and "another scanner" not in name:
        # of a place that the settings no longer name nothing is known: what it showed stays open, whatever else passes
        assert sorted(passes & found.keys()) == []
    assert sorted(each for each in found if findings.get(each, ("", "lost"))[1] in ("fixed", "lost")) == []
