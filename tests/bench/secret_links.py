"""Live secrets of an inventory, planted in a repository and a folder: does the finding name credential, owner, partner?

HubSpot's tokens carry no id and no vault of the inventory holds them, so their way ends at the provider; the value of
every other one says whose it is, or stands beside what does, or is equal to one in a vault mount that may be read.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nhiscan import load, scan, secret, store
from nhiscan.collect import Context
from nhiscan.collectors.files import Files, Place
from nhiscan.model import (
    Credential,
    Identity,
    Partner,
    Person,
    Record,
    Resource,
    ResourceTag,
    Sign,
    StoredSecret,
    Tag,
    Tenant,
)

from .secret_figures import Bench, Figure
from .secret_formats import FORMATS, Format, Part, filled, random_uuid, run
from .secret_plants import surrounded

_AS_OF: Final = datetime(2026, 1, 31, tzinfo=UTC)
_KEY: Final = b"k" * 32
_ACCOUNT: Final = "111111111111"
_PARTNERS: Final = 10
_LEAST_LINKED: Final = 0.9
_TENANTS: Final = {
    "aws": f"aws:{_ACCOUNT}",
    "vault": "vault:main",
    "salesforce": "salesforce:00D0000000000ABEAU",
    "hubspot": "hubspot:1234567",
}
_COUNTS: Final = {"aws": 80, "vault": 55, "salesforce": 45, "hubspot": 20}
_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True, slots=True)
class Live:
    """One planted secret and what its finding must say; `path`: the folder of its file.

    `credential` None where the inventory keeps no record of it.
    """

    provider: str
    path: str
    identity: str
    credential: str | None
    partner: str
    owner: str
    named: tuple[tuple[str, str], ...]  # variables of the file: name, value
    records: tuple[Record, ...]


def secrets_linked(bench: Bench) -> Iterator[Figure]:
    """200 live secrets and as many of nobody's, through the collector and the stages that link them."""
    rng = random.Random(6)
    folder = bench.folder / "linked"
    shutil.rmtree(folder, ignore_errors=True)
    lives = [_MAKERS[provider](rng, n) for provider, count in _COUNTS.items() for n in range(count)]
    _write(folder, lives, rng)
    con = _resolved(folder, lives)
    columns = "first_place, link, credential_id, identity_id, partner_id, owner_mail, issuer"
    said: dict[str, list[tuple[Any, ...]]] = {}
    for place, *rest in con.execute(f"select {columns} from leak_facts").fetchall():
        said.setdefault("/".join(place.split("/")[:2]), []).append(tuple(rest))
    whole: Counter[str] = Counter()
    wrong, found = 0, 0
    for live in lives:
        there = said.pop(live.path, [])
        found += bool(there)
        linked = [row for row in there if row[0] in ("credential", "identity")]
        expected = (live.credential, live.identity, live.partner, live.owner)
        whole[live.provider] += any(row[1:5] == expected for row in linked)
        wrong += sum(row[2] != live.identity or (row[1] is not None and row[1] != live.credential) for row in linked)
    stray = sum(row[0] in ("credential", "identity") for rows in said.values() for row in rows)
    yield Figure("linked", "planted live secrets found", f"{found} of {len(lives)}")
    share = sum(whole.values()) / len(lives)
    parts = ", ".join(f"{provider} {whole[provider]} of {count}" for provider, count in _COUNTS.items())
    yield Figure(
        *("linked", "to credential or app, owner and partner", f"{share:.1%}: {parts}", f">= {_LEAST_LINKED:.0%}"),
        is_met=share >= _LEAST_LINKED,
    )
    telling = [live for live in lives if live.provider != "hubspot"]
    told = f"{sum(whole[name] for name in _COUNTS if name != 'hubspot') / len(telling):.1%} of {len(telling)}"
    yield Figure("linked", "the same of those that something tells of", told)
    others = sum(map(len, said.values()))
    told = f"{wrong} of the live ones, {stray} of {others} findings of nobody's"
    yield Figure("linked", "wrong links", told, "none", wrong + stray == 0)
    shutil.rmtree(folder)


def _write(folder: Path, lives: list[Live], rng: random.Random) -> None:
    """Half of them in a folder, half in a repository, which a third of these leaves again; strangers in both."""
    repository, plain = folder / "platform", folder / "handover"
    repository.mkdir(parents=True)
    _git(repository, "init", "--quiet", "--initial-branch=main")
    removed = []
    for number, live in enumerate(lives):
        form = Format(live.provider, "api.aldermoor.internal", lambda _: [])
        parts = [Part(name, value) for name, value in live.named]
        home = (plain, repository)[number % 2]
        _put(home / live.path, surrounded(rng, number, form, parts))
        if number % 6 == 1:
            removed.append(live.path)
    for number, form in enumerate(FORMATS * 2):
        home = (plain, repository)[number % 2]
        _put(home / "strangers" / str(number), surrounded(rng, number, form, form.parts(rng)))
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message=Start")
    _git(repository, "rm", "-r", "--quiet", *removed)
    _git(repository, "commit", "--quiet", "--message=Clean up")


def _put(folder: Path, file: tuple[str, str]) -> None:
    name, text = file
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def _git(repository: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@aldermoor.example")
    subprocess.run(["git", "-C", str(repository), *who, *arguments], check=True, capture_output=True)


def _resolved(folder: Path, lives: list[Live]) -> Any:
    con = store.empty()
    places = (
        Place("platform", folder / "platform", "repository", audience="partner"),
        Place("handover", folder / "handover", "shared", audience="partner"),
    )
    context = Context(_AS_OF, fingerprint_key=_KEY)
    records: list[Record] = [Tenant(tenant, provider) for provider, tenant in _TENANTS.items()]
    records += [Partner(f"P-{n}", f"Partner {'ABCDEFGHIJ'[n] * 3}") for n in range(_PARTNERS)]
    records += [Person(f"owner{n}@aldermoor.example", side="ours", status="active") for n in range(7)]
    records += [record for live in lives for record in live.records]
    load.load(con, [*records, *Files(places).collect(context)])
    con.execute("insert into scans (scan_id, as_of) values ('s', $1)", [_AS_OF.replace(tzinfo=None)])
    for kind, value in (("name", "Aldermoor"), ("mail_domain", "aldermoor.example"), ("aws_account", _ACCOUNT)):
        con.execute("insert into company values (?, ?, ?)", [kind, value, None])
    for stage in scan.STAGES:
        stage(con)
    return con


def _partner(n: int) -> tuple[str, str]:
    """Id of the partner and the mail address of the owner with us, by the number of the credential."""
    return f"P-{n % _PARTNERS}", f"owner{n % 7}@aldermoor.example"


def _held(provider: str, name: str, n: int, kind: str) -> tuple[str, list[Record]]:
    """The identity of a partner, with the tags that say so."""
    identity = f"{_TENANTS[provider]}:{kind}/{name}"
    partner, owner = _partner(n)
    return identity, [
        Identity(identity, provider, _TENANTS[provider], kind, name, name, is_nhi=True),
        Tag(identity, name="partner", value=partner),
        Tag(identity, name="owner", value=owner),
    ]


def _credential(provider: str, identity: str, kind: str, native_id: str) -> Credential:
    tenant = _TENANTS[provider]
    return Credential(
        f"{tenant}:{kind}/{native_id}",
        identity,
        provider=provider,
        tenant_id=tenant,
        kind=kind,
        native_id=native_id,
        status="active",
        is_replaceable=True,
    )


def _path(provider: str, n: int) -> str:
    return f"{provider}/{n}"


def _aws(rng: random.Random, n: int) -> Live:
    identity, records = _held("aws", f"feed-{n}", n, "user")
    bits = (1 << 44) + (int(_ACCOUNT) << 4)
    key_id = "AKIA" + "".join(_BASE32[bits >> 5 * (8 - at) & 31] for at in range(9)) + run("b32", 7, rng)
    credential = _credential("aws", identity, "access_key", key_id)
    named = (("AWS_ACCESS_KEY_ID", key_id), ("AWS_SECRET_ACCESS_KEY", run("b64", 40, rng)))
    return _live("aws", n, identity, credential.credential_id, named, [*records, credential])


def _vault(rng: random.Random, n: int) -> Live:
    """A secret id that a mount of the vault holds as well, labelled with its accessor."""
    identity, records = _held("vault", f"feed-{n}", n, "approle")
    accessor, value = random_uuid(rng), random_uuid(rng)
    credential = _credential("vault", identity, "approle_secret", accessor)
    resource = f"{_TENANTS['vault']}:secret/kv/feed-{n}"
    stored: list[Record] = [
        Resource(resource, "vault", _TENANTS["vault"], "secret", f"kv/feed-{n}", f"kv/feed-{n}"),
        ResourceTag(resource, name="secret_id_accessor", value=accessor),
        StoredSecret(resource, kind="kv", fingerprint=secret.fingerprint(value, key=_KEY)),
    ]
    named = (("VAULT_SECRET_ID", value),)
    return _live("vault", n, identity, credential.credential_id, named, [*records, credential, *stored])


def _salesforce(rng: random.Random, n: int) -> Live:
    """The secret of an app: it is the app's own, and no record of a credential stands for it."""
    identity, records = _held("salesforce", f"Feed {n}", n, "oauth_app")
    client = filled("3MVG9{b62:76}_{b62:3}", rng)
    named = (("SALESFORCE_CLIENT_ID", client), ("SALESFORCE_CLIENT_SECRET", run("HEX", 64, rng)))
    return _live("salesforce", n, identity, None, named, [*records, Sign(identity, kind="client_id", value=client)])


def _hubspot(rng: random.Random, n: int) -> Live:
    identity, records = _held("hubspot", f"feed-{n}", n, "private_app")
    credential = _credential("hubspot", identity, "access_token", str(2_000_000 + n))
    named = (("HUBSPOT_ACCESS_TOKEN", f"pat-eu1-{random_uuid(rng)}"),)
    return _live("hubspot", n, identity, credential.credential_id, named, [*records, credential])


_MAKERS: Final = {"aws": _aws, "vault": _vault, "salesforce": _salesforce, "hubspot": _hubspot}


def _live(
    provider: str,
    n: int,
    identity: str,
    credential: str | None,
    named: tuple[tuple[str, str], ...],
    records: list[Record],
) -> Live:
    partner, owner = _partner(n)
    return Live(provider, _path(provider, n), identity, credential, partner, owner, named, tuple(records))
