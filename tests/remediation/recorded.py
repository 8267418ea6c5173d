"""A plan that people asked for, agreed to and carried out, as a state directory keeps it, with a scan before it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nhiscan import moments, store
from nhiscan.config import Person
from nhiscan.remediate import approvals, journal
from nhiscan.remediate import plan as plans
from nhiscan.remediate.contract import Capabilities, Target
from nhiscan.remediate.people import Signer, signer
from nhiscan.remediate.plan import Decision, Destination, Operation, Plan
from nhiscan.secret import Secret

NOW: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
TENANT: Final = "aws:000000000000"
IDENTITY: Final = f"{TENANT}:user/billing"
OLD: Final = f"{TENANT}:access_key/old"
REQUESTER: Final = "kim@acme.example"
APPROVERS: Final = ("lee@acme.example", "max@acme.example")


def no_passphrase() -> Secret:
    raise AssertionError("no key here is protected")


@dataclass(frozen=True)
class Persons:
    """`files`: the private key of each person, by mail."""

    listed: tuple[Person, ...]
    files: dict[str, Path]

    def signer(self, mail: str) -> Signer:
        return signer(self.files[mail], self.listed, passphrase=no_passphrase)

    def settings(self) -> str:
        """[[people]] as nhiscan.toml has it."""
        return "".join(f'[[people]]\nmail = "{person.mail}"\nkey = "{person.key}"\n' for person in self.listed)


def persons(folder: Path, *mails: str) -> Persons:
    """New people with a key each; without names the requester and two more."""
    listed, files = [], {}
    for mail in mails or (REQUESTER, *APPROVERS):
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
        file = folder / f"{mail.partition('@')[0]}.key"
        file.touch(0o600)
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        listed.append(Person(mail, public))
        files[mail] = file
    return Persons(tuple(listed), files)


def publish(state: Path, at: datetime, *keys: tuple[str, str], coverage: str = "complete") -> str:
    """A scan of one user with these access keys and their status."""
    scan_id = store.new_scan_id(at)
    with store.locked(state), store.Build(state, scan_id) as build:
        con, began = build.con, moments.naive(at)
        con.execute(
            "insert into scans (scan_id, as_of, started_at, finished_at, is_complete) values (?, ?, ?, ?, true)",
            [scan_id, began, began, began],
        )
        con.execute(
            "insert into identities (identity_key, identity_id, provider, tenant_id, kind, name, native_id, status) "
            "values (1, ?, 'aws', ?, 'service_account', 'billing', 'AIDA0', 'enabled')",
            [IDENTITY, TENANT],
        )
        for number, (credential_id, status) in enumerate(keys):
            con.execute(
                "insert into credentials (credential_key, credential_id, identity_key, provider, tenant_id, kind, "
                "status) values (?, ?, 1, 'aws', ?, 'access_key', ?)",
                [number, credential_id, TENANT, status],
            )
        con.execute(
            "insert into coverage (provider, tenant_id, dataset, status, collected_at) "
            "values ('aws', ?, 'credentials', ?, ?)",
            [TENANT, coverage, began],
        )
        con.execute(
            "insert into findings (finding_id, rule_id, subject_id, status) values ('f1', 'stale-key', ?, 'open')",
            [OLD],
        )
        build.publish()
        store.log_run(state, {"scan_id": scan_id, "event": "published", "at": at.isoformat()})
    return scan_id


TARGET: Final = Target(
    "credential", OLD, TENANT, "aws", kind="access_key", name="old", native_id="AKIAOLD", holder_name="billing"
)
CAN: Final = Capabilities(
    overlap=2,
    maker="provider",
    can_turn_off=True,
    can_delete=True,
    effects={"off": "whoever still signs with it is refused"},
    rollback={"off": "switches it on again"},
    changed={"tagged": "ask whoever tagged it"},
)


def plan(who: Persons, scan_id: str, *, plan_id: str = "plan-1", target: Target = TARGET, at: datetime = NOW) -> Plan:
    """Rotates one access key, as the requester signed it."""
    operation = Operation(
        number=1,
        action="rotate",
        adapter="aws",
        target=target,
        why="it is stale",
        finding_ids=("f1",),
        capabilities=CAN,
        observed={"state": "live"},
        state="0" * 64,
        destination=Destination("vault:kv/data/billing", {"access_key_id": "id"}, {"version": "1"}),
        consumers=(),
        reach=("writes invoices",),
        is_partner_owned=True,
        is_privileged=False,
        steps=plans.steps(
            "rotate",
            CAN,
            "routine",
            grace=timedelta(hours=1),
            observe=timedelta(hours=1),
            is_partner_owned=True,
            is_privileged=False,
            permissions={"off": ("iam:UpdateAccessKey",)},
        ),
    )
    asked = Plan(
        plan_id=plan_id,
        made_at=at.isoformat(),
        expires_at=(at + plans.EXPIRES_AFTER).isoformat(),
        requested_by=REQUESTER,
        scan_id=scan_id,
        mode="routine",
        reason="it is stale",
        offboarding_id=None,
        partner_id=None,
        operations=(operation,),
        guided=(),
    )
    return plans.signed(asked, who.signer(REQUESTER))


@dataclass
class Past:
    """`folder`: of the plan, in `state`."""

    state: Path
    who: Persons
    plan: Plan
    folder: Path
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def agree(self, decision: Decision, *mails: str) -> list[str]:
        """Approvals by these people; the names of their files."""
        for mail in mails:
            approvals.add(
                self.plan,
                self.folder,
                self.who.listed,
                self.who.files[mail],
                decision,
                None,
                "CHG-1",
                self.at,
                passphrase=no_passphrase,
            )
        return sorted(file.name for file in (self.folder / "approvals").glob(f"{decision}-*"))

    def did(self, *steps: str, decision: Decision | None = None) -> None:
        """Lines of the journal as the engine writes them, an hour after the ones before."""
        self.at += timedelta(hours=1)
        with journal.opened(self.folder, clock=self.now) as written:
            if not written.records:
                written.append("opened", plan=self.plan.digest, version="1")
            if decision is not None:
                files = sorted((self.folder / "approvals").glob("*.json"))
                there = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
                written.append("decided", 1, decision=decision, approvals=there)
            for step in steps:
                seen = {"state": "live", "others": {}, "facts": {}}
                written.append("intent", 1, step, key=f"{self.plan.plan_id}-1-{step}", attempt=1, version="1", **seen)
                written.append("observed", 1, step, request_id=f"request-{step}", version="2", **seen)
                written.append("done", 1, step)

    def closed(self) -> None:
        with journal.opened(self.folder, clock=self.now) as written:
            written.append("closed", 1)


def past(folder: Path, *, decide: Callable[[Past], None] | None = None, plan_id: str = "plan-1") -> Past:
    """A key that was rotated; `decide` instead of what the people agree to and the tool then does."""
    state = folder / "state"
    scan_id = publish(state, NOW - timedelta(hours=1), (OLD, "active"))
    who = persons(folder)
    made = plan(who, scan_id, plan_id=plan_id)
    kept = state / "remediation" / made.plan_id
    kept.mkdir(mode=0o700, parents=True)
    plans.write(kept / "plan.json", made)
    told = Past(state, who, made, kept)
    (decide or rotated)(told)
    return told


def rotated(told: Past) -> None:
    told.agree("start", APPROVERS[0])
    told.did("create", "stage", "verify", "publish", decision="start")
    told.agree("off", *APPROVERS)
    told.did("off", decision="off")
    told.agree("delete", *APPROVERS)
    told.did("delete", decision="delete")
    told.closed()


def edited(made: Plan, **changes: object) -> Plan:
    """A plan that somebody edited, with the digest that it now has."""
    changed = dataclasses.replace(made, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(changed, digest=plans.digest(changed))
