"""Live secrets planted in a repository's history, beside an inventory of them and of what they may be taken for."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from fixtures.filled import filled
from nhiscan.model import (
    Alias,
    Credential,
    Identity,
    Partner,
    Record,
    Resource,
    ResourceTag,
    Sign,
    StoredSecret,
    Tag,
    Tenant,
)
from nhiscan.secret import fingerprint
from tests.files.conftest import KEY, Read, Repository
from tests.resolve.leak_estate import key_id, resolved
from tests.resolve.register_estate import A, B, rows

_VAULT = "vault:main"
_ORG = "salesforce:00Dxx0000001gPLEAY"
_SANDBOX = "salesforce:00Dyy0000002hQMEAY"
_PORTAL = "hubspot:147000001"
_OWNER = "ada@acme.example"
_PARTNERS = {"P-1": "Nordwind", "P-2": "Suedlicht", "P-3": "Montblanc"}


@dataclass
class Estate:
    """What is planted, what the inventory holds, and what each secret leads to; an app has no credential."""

    files: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    expected: dict[str, list[str | None]] = field(default_factory=dict)  # file -> credential, identity, owner, partner

    def __post_init__(self) -> None:
        self.records += [Tenant(each, each.partition(":")[0]) for each in (_VAULT, _ORG, _SANDBOX, _PORTAL)]
        self.records += [Partner(id_, name) for id_, name in _PARTNERS.items()]

    def identity(self, identity_id: str, name: str, kind: str, partner: str | None) -> Identity:
        tenant_id = ":".join(identity_id.split(":")[:2])
        made = Identity(
            identity_id, tenant_id.partition(":")[0], tenant_id, kind, name, f"n-{identity_id}", is_nhi=True
        )
        self.records.append(made)
        self.records.append(Tag(identity_id, name="owner", value=_OWNER))
        if partner is not None:
            self.records.append(Tag(identity_id, name="partner", value=_PARTNERS[partner]))
        return made

    def credential(self, holder: Identity, kind: str, native_id: str, status: str = "active") -> Credential:
        made = Credential(
            f"{holder.tenant_id}:{kind}/{native_id}",
            holder.identity_id,
            provider=holder.provider,
            tenant_id=holder.tenant_id,
            kind=kind,
            native_id=native_id,
            status=status,
            is_replaceable=True,
        )
        self.records.append(made)
        return made

    def plant(self, file: str, text: str, to: Credential | Identity | None = None, partner: str | None = None) -> None:
        self.files[file] = text
        if to is not None:
            credential_id = to.credential_id if isinstance(to, Credential) else None
            self.expected[file] = [credential_id, to.identity_id, _OWNER, partner]

    def keep(self, name: str, value: str, credential: Credential) -> None:
        """The value in a mount of the vault whose fingerprints may be taken, under a label that names it."""
        resource_id = f"{_VAULT}:secret/{name}"
        self.records += [
            Resource(resource_id, "vault", _VAULT, "secret", name, name),
            ResourceTag(resource_id, name="credential", value=credential.credential_id),
            StoredSecret(resource_id, kind="kv2", fingerprint=fingerprint(value, key=KEY)),
        ]


_AWS_TEXTS = {
    "prod.env": "AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n",
    "credentials": "[nordwind]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\nregion = eu-central-1\n",
    "config.json": '{{\n  "accessKeyId": "{id}",\n  "secretAccessKey": "{secret}"\n}}\n',
    "values.yaml": "aws:\n  access_key_id: {id}\n  secret_access_key: {secret}\n",
    "main.tf": 'provider "aws" {{\n  access_key = "{id}"\n  secret_key = "{secret}"\n}}\n',
    "upload.py": 'boto3.client(\n    "s3",\n    aws_access_key_id="{id}",\n    aws_secret_access_key="{secret}",\n)\n',
    "deploy.sh": "export AWS_ACCESS_KEY_ID={id}\nexport AWS_SECRET_ACCESS_KEY={secret}\naws s3 sync . s3://x\n",
    ".github/workflows/deploy.yml": "env:\n  AWS_ACCESS_KEY_ID: {id}\n  AWS_SECRET_ACCESS_KEY: {secret}\n",
    "app.properties": "cloud.aws.credentials.access-key={id}\ncloud.aws.credentials.secret-key={secret}\n",
    "both.env": "# the new one\nAWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n",
}


def _aws(estate: Estate) -> None:
    for n, (file, text) in enumerate(_AWS_TEXTS.items()):
        account = A if n % 3 else B
        partner = [*_PARTNERS, None][n % 4]
        # one name in both accounts, so that only the key id tells
        for each in (A, B):
            held = estate.identity(f"aws:{each}:user/sync-{n}", f"sync-{n}", "service_account", partner)
            native_id = key_id(each, filled("<<[A-Z]{7}>>", seed=f"{n} {each}"))
            key = estate.credential(held, "access_key", native_id, "inactive" if n == 4 else "active")
            if each == account:
                secret = filled("<<[A-Za-z0-9/+]{40}>>", seed=n)
                estate.plant(f"aws/{file}", text.format(id=native_id, secret=secret), key, partner)
    # of somebody else, in the form of ours; and of an account of ours that has no such key
    for name, account in (("foreign", "999999999999"), ("deleted", A)):
        text = _AWS_TEXTS["prod.env"].format(
            id=key_id(account, filled("<<[A-Z]{7}>>", seed=name)), secret=filled("<<[A-Za-z0-9/+]{40}>>", seed=name)
        )
        estate.plant(f"aws/{name}.env", text)


def _vault(estate: Estate) -> None:
    for n, (kind, form) in enumerate(
        [
            ("vault_token", "VAULT_TOKEN=hvs.<<[A-Za-z0-9]{24}>>"),
            ("vault_token", 'vault_token: "hvs.CAES<<[A-Za-z0-9_-]{90}>>"'),
            ("approle_secret", "VAULT_SECRET_ID=<<uuid>>"),
            ("approle_secret", "vault write auth/approle/login role_id=$ROLE secret_id=<<uuid>>"),
        ]
    ):
        partner = [*_PARTNERS][n % 3]
        role = estate.identity(f"{_VAULT}:approle/ci-{n}", f"ci-{n}", "auth_role", partner)
        credential = estate.credential(role, kind, filled("<<uuid>>", seed=f"accessor {n}"))
        text = filled(form, seed=n)
        estate.plant(f"vault/{n}.env", f"{text}\n", credential, partner)
        estate.keep(f"kv/ci-{n}", text.replace('"', "").split("=")[-1].split()[-1], credential)
    estate.plant("vault/unknown.env", filled("VAULT_TOKEN=hvs.<<[A-Za-z0-9]{24}>>\n", seed="unknown"))


def _client(seed: Any) -> str:
    return filled("3MVG9<<[A-Za-z0-9._]{79}>>x", seed=seed)


def _app(estate: Estate, name: str, client: str, partner: str, org: str = _ORG) -> Identity:
    app = estate.identity(f"{org}:oauth_app/{name}", "Portal sync", "oauth_app", None)  # all of one name
    estate.records += [
        Sign(app.identity_id, kind="client_id", value=client),
        Alias(partner, "client_id", client),
    ]
    return app


def _salesforce(estate: Estate) -> None:
    forms = {
        "prod.env": "SF_CLIENT_ID={client}\nSF_CLIENT_SECRET=<<[0-9A-F]{{64}}>>\n",
        "app.xml": "<consumerKey>{client}</consumerKey>\n<consumerSecret><<[1-9]{{19}}>></consumerSecret>\n",
        "refresh.json": '{{"consumer_key": "{client}",\n "refresh_token": "5Aep861<<[A-Za-z0-9._]{{79}}>>x"}}\n',
        "auth-url.txt": "force://{client}::5Aep861<<[A-Za-z0-9._]{{79}}>>x@acme.my.salesforce.com\n",
        "old.env": "SALESFORCE_CONSUMER_KEY={client}\nSALESFORCE_CONSUMER_SECRET=<<[0-9A-F]{{64}}>>\n",
    }
    for n, (file, form) in enumerate(forms.items()):
        partner = [*_PARTNERS][n % 3]
        client = _client(n)
        app = _app(estate, f"app-{n}", client, partner)
        estate.plant(f"salesforce/{file}", filled(form.format(client=client), seed=n), app, partner)
    # a token that names its app, and one app in two orgs
    client = _client("jwt")
    app = _app(estate, "jwt", client, "P-2")
    estate.plant(
        "salesforce/jwt.txt", f"Authorization: Bearer {_jwt(client_id=client, iss='https://idp.example')}\n", app, "P-2"
    )
    client = _client("twice")
    for org in (_ORG, _SANDBOX):
        _app(estate, "twice", client, "P-1", org)
    estate.plant("salesforce/twice.env", filled(forms["prod.env"].format(client=client), seed="twice"))
    estate.plant("salesforce/unknown.env", filled(forms["prod.env"].format(client=_client("unknown")), seed="unknown"))
    estate.plant("salesforce/session.txt", filled("sid=00Dxx0000001gPL!AQ<<[A-Za-z0-9._]{94}>>\n", seed=1))


def _jwt(**claims: Any) -> str:
    parts = [{"alg": "RS256", "typ": "JWT"}, {"exp": 1893456000, **claims}]
    coded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*coded, filled("<<[A-Za-z0-9_-]{86}>>")))


def _hubspot(estate: Estate) -> None:
    for n in range(3):
        partner = [*_PARTNERS][n]
        app = estate.identity(f"{_PORTAL}:private_app/{n}", f"private app {n}", "private_app", partner)
        credential = estate.credential(app, "private_app_token", str(n))
        value = filled("pat-eu1-<<uuid>>", seed=n)
        estate.plant(f"hubspot/{n}.env", f"HUBSPOT_TOKEN={value}\n", credential, partner)
        estate.keep(f"kv/hubspot-{n}", value, credential)
    estate.plant("hubspot/unknown.env", filled("HUBSPOT_TOKEN=pat-eu1-<<uuid>>\n", seed="unknown"))


@pytest.fixture(scope="module")
def estate() -> Estate:
    made = Estate()
    for plant in (_aws, _vault, _salesforce, _hubspot):
        plant(made)
    return made


def _found(estate: Estate, repository: Repository, read: Read) -> Iterator[tuple[str, list[str | None]]]:
    """File and what its leak leads to: credential, identity, owner and partner."""
    repository.commit({"README": "hello"})
    repository.commit(estate.files)
    repository.commit(dict.fromkeys(estate.files))  # all of it stands in the history only
    said = read({"kind": "repository"})
    con = resolved(estate.records, said.records)
    for file, *led in rows(
        con,
        "select regexp_replace(first_place, ':[0-9]+$', ''), credential_id, identity_id, owner_mail, partner_id "
        "from leak_facts",
    ):
        yield file, led


def test_nine_of_ten_planted_secrets_lead_to_their_identity_owner_and_partner_and_none_to_another(
    estate: Estate, repository: Repository, read: Read
) -> None:
    found = dict(_found(estate, repository, read))
    linked = {file: led for file, led in found.items() if led != [None, None, None, None]}
    assert found.keys() == estate.files.keys()
    assert {file: led for file, led in linked.items() if led != estate.expected.get(file)} == {}
    assert len(estate.expected) >= 20
    assert len(linked) >= 0.9 * len(estate.expected), sorted(estate.expected.keys() - linked)


def test_the_profiles_of_one_file_keep_their_pairs(repository: Repository, read: Read) -> None:
    pairs = [_pair(n) for n in range(4)]
    text = "".join(
        f"[{n}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n\n"
        for n, (key, secret) in enumerate(pairs)
    )
    repository.commit({"credentials": text})
    found = read({"kind": "repository"}).sightings()
    told = [each.native_id for each in found if each.kind == "aws_secret_access_key"]
    assert told == [key for key, _ in pairs]


def test_a_key_that_was_replaced_in_place_keeps_its_own_id(repository: Repository, read: Read) -> None:
    for n in range(3):
        key, secret = _pair(n)
        repository.commit({"prod.env": f"AWS_ACCESS_KEY_ID={key}\nAWS_SECRET_ACCESS_KEY={secret}\n"})
    found = read({"kind": "repository"}).sightings()
    told = [(each.native_id, each.is_current) for each in found if each.kind == "aws_secret_access_key"]
    assert told == [(_pair(0)[0], False), (_pair(1)[0], False), (_pair(2)[0], True)]


def _pair(seed: int) -> tuple[str, str]:
    return key_id(A, filled("<<[A-Z]{7}>>", seed=seed)), filled("<<[A-Za-z0-9/+]{40}>>", seed=seed)
