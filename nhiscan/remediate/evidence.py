"""The bundle of evidence of a plan: what was asked, agreed, done and seen, in one file that others can check.

It holds the plan, the approvals, the journal with the providers' request ids, and what the plan's scan and the newest
scan after the last effect say of the targets. It claims no closure: that is for the scan to show.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from nhiscan import __version__
from nhiscan.config import Person
from nhiscan.errors import NhiscanError
from nhiscan.remediate import approvals, bundle, inventory, journal, people, written
from nhiscan.remediate import plan as plans
from nhiscan.remediate.bundle import BundleError
from nhiscan.remediate.contract import EFFECTS
from nhiscan.remediate.journal import Record
from nhiscan.remediate.plan import Decision, Operation, Plan

_SIGNATURE: Final = "signature of the bundle"
_AFTER: Final = "scan after"


@dataclass(frozen=True, slots=True)
class Check:
    """`is_held`: whether it is so; None: it could not be checked, as `says` tells."""

    what: str
    is_held: bool | None
    says: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`is_signed`: a signature over all of it holds."""

    plan_id: str | None
    is_signed: bool
    checks: tuple[Check, ...]

    @property
    def is_proven(self) -> bool:
        """A scan that somebody vouches for shows of every target that it is gone or off."""
        after = [check for check in self.checks if check.what == _AFTER]
        return self.is_verified and bool(after) and all(check.is_held for check in after)

    @property
    def is_verified(self) -> bool:
        """Nothing is otherwise than it says, and somebody whose key is known here vouches for the plan or for all."""
        return all(check.is_held is not False for check in self.checks) and any(
            check.is_held for check in self.checks if check.what in ("plan", _SIGNATURE)
        )


def last_effect(records: Iterable[Record]) -> datetime | None:
    """When something was last done, or may have been, to a provider or store; None: never."""
    told = [record.at for record in records if record.step in EFFECTS and record.kind in ("intent", "observed", "done")]
    return max(told, default=None)


def export(state: Path, folder: Path, *, signer: people.Signer | None) -> bytes:
    """The bundle of the plan in `folder`; the same folder and scans give the same bytes.

    Raises: PlanError, StoreError where something of it cannot be read.
    """
    records = journal.read(folder)  # first: a damaged journal is no evidence
    plan = plans.read(folder / "plan.json")
    members = {"plan.json": (folder / "plan.json").read_bytes()}
    if (folder / journal.NAME).exists():
        members[journal.NAME] = (folder / journal.NAME).read_bytes()
    for name, data in approvals.contents(folder).items():
        members[f"{approvals.FOLDER}/{name}"] = data
    members["scans/before.json"] = bundle.text(inventory.before(state, plan))
    members["scans/after.json"] = bundle.text(inventory.after(state, plan, last_effect(records)))
    told = {
        "plan_id": plan.plan_id,
        "plan_digest": plan.digest,
        "tool_version": __version__,
        "signed_by": None if signer is None else signer.mail,
    }
    members[bundle.MANIFEST] = bundle.manifest(members, told)
    if signer is not None:
        payload = bundle.statement(members, told)
        signature = signer.sign("evidence", bundle.to_sign(payload))
        members[bundle.STATEMENT] = bundle.envelope(payload, signature, key_id=signer.mail)
    return bundle.packed(members)


def verify(data: bytes, listed: Sequence[Person], *, public_key: str | None) -> Verdict:
    """Everything that a bundle says of itself, checked one by one.

    `listed`: whose signatures count, as nhiscan.toml has them; none: plan and approvals are held against no key.
    `public_key`: whoever exported the bundle has to have signed it with this one.
    """
    try:
        members = bundle.unpacked(data)
    except BundleError as error:
        return Verdict(None, False, (Check("archive", False, error.message),))
    checks = [Check("archive", True, f"{len(members)} members, and nothing else in the file")]
    manifest = _manifest(members, checks)
    is_signed = _statement(members, manifest, listed, public_key, checks)
    plan = _plan(members, manifest, listed, checks)
    records = None if plan is None else _history(members, plan, listed, checks)
    if plan is not None and records is not None:
        _scans(members, plan, records, checks, is_signed=is_signed)
        if plan.guided:
            of = f"{len(plan.guided)} of {len(plan.guided) + len(plan.operations)} items"
            checks.append(Check("by hand", None, f"{of} of the plan are left to people: this proves nothing of them"))
    return Verdict(None if plan is None else plan.plan_id, is_signed, tuple(checks))


def _manifest(members: Mapping[str, bytes], checks: list[Check]) -> Mapping[str, Any]:
    """What the manifest says; empty where it does not fit the members."""
    rest = {name: data for name, data in members.items() if name not in (bundle.MANIFEST, bundle.STATEMENT)}
    try:
        told: dict[str, Any] = written.parsed(members[bundle.MANIFEST])
        names = ("plan_id", "plan_digest", "tool_version", "signed_by")
        head = {name: told[name] for name in names}
        is_whole = bundle.manifest(rest, head) == members[bundle.MANIFEST]
        wrong = sorted(
            name for name in {*rest, *told["members"]}
            if name not in rest or told["members"].get(name, {}).get("sha256") != bundle.sha256(rest[name])
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, written.WrittenError) as error:
        checks.append(Check("digests", False, f"there is no manifest that can be read: {error}"))
        return {}
    if not is_whole:
        says = f"not what the manifest says: {', '.join(wrong)}" if wrong else "the manifest is not as nhiscan wrote it"
        checks.append(Check("digests", False, says))
        return {}
    checks.append(Check("digests", True, f"SHA-256 of {len(rest)} members is as the manifest says"))
    return told


def _statement(
    members: Mapping[str, bytes],
    manifest: Mapping[str, Any],
    listed: Sequence[Person],
    public_key: str | None,
    checks: list[Check],
) -> bool:
    """Whether a signature over all of it holds."""
    what = _SIGNATURE
    signed_by = manifest.get("signed_by")
    if bundle.STATEMENT not in members:
        if signed_by is not None:
            checks.append(
                Check(what, False, f"the manifest says that {signed_by} signed it, and there is no signature")
            )
        elif public_key is not None:
            checks.append(Check(what, False, "it is unsigned, and a key was given"))
        else:
            checks.append(Check(what, None, "it is UNSIGNED: whoever had the file could have made all of it anew, "
                                "but for what others signed in it"))  # fmt: skip
        return False
    try:
        payload, signature, key_id = bundle.opened(members[bundle.STATEMENT])
    except BundleError as error:
        checks.append(Check(what, False, error.message))
        return False
    rest = {name: data for name, data in members.items() if name != bundle.STATEMENT}
    head = {name: manifest.get(name) for name in ("plan_id", "plan_digest", "tool_version", "signed_by")}
    if key_id != signed_by or payload != bundle.statement(rest, head):
        checks.append(Check(what, False, "what was signed is not this bundle"))
        return False
    keys = [Person(key_id, public_key)] if public_key is not None else list(listed)
    if not keys:
        checks.append(Check(what, None, f"signed by {key_id}, whose key is not known here: give --key-public"))
        return False
    if not people.is_signed(keys, key_id, "evidence", bundle.to_sign(payload), signature):
        whose = "the given key" if public_key is not None else f"the key of {key_id} in nhiscan.toml"
        checks.append(Check(what, False, f"is not by {whose}"))
        return False
    # A key that was given is nobody's yet: the name beside it is what its holder wrote there.
    who = key_id if public_key is None else f"the given key, which calls itself {key_id}"
    checks.append(Check(what, True, f"signed by {who}"))
    return True


def _plan(
    members: Mapping[str, bytes], manifest: Mapping[str, Any], listed: Sequence[Person], checks: list[Check]
) -> Plan | None:
    what = "plan"
    try:
        plan = plans.parse(members["plan.json"])
        plans.check_digest(plan)
    except KeyError:
        checks.append(Check(what, False, "there is none"))
        return None
    except written.WrittenError as error:
        checks.append(Check(what, False, str(error)))
        return None
    except plans.PlanError as error:
        checks.append(Check(what, False, error.message))
        return None
    if (manifest.get("plan_id"), manifest.get("plan_digest")) != (plan.plan_id, plan.digest):
        checks.append(Check(what, False, "it is not the plan that the manifest names"))
        return None
    if not listed:
        checks.append(Check(what, None, f"its digest holds; asked for by {plan.requested_by}, whose key is not known"))
        return plan
    at = written.moment(plan.made_at)
    try:
        if at is None:
            raise plans.PlanError("made_at is no time")
        plans.check(plan, listed, at, is_begun=True)
    except plans.PlanError as error:
        checks.append(Check(what, False, error.message))
        return None
    checks.append(Check(what, True, f"as {plan.requested_by} signed it on {plan.made_at}"))
    return plan


def _history(
    members: Mapping[str, bytes], plan: Plan, listed: Sequence[Person], checks: list[Check]
) -> list[Record] | None:
    """The journal, and with it the approvals; None where it cannot be read."""
    with _laid_out(members) as folder:
        try:
            records = journal.read(folder)
        except NhiscanError as error:
            checks.append(Check("journal", False, error.message.replace(f"{folder}/", "")))
            return None
        checks.append(_chain(records, members.get(journal.NAME, b""), plan))
        if not listed:
            checks.append(Check("approvals", None, "no person's key is known here: give --config"))
        else:
            checks.extend(_approvals(plan, folder, listed))
    checks.extend(_decisions(members, plan, records, listed))
    return records


def _chain(records: Sequence[Record], data: bytes, plan: Plan) -> Check:
    what = "journal"
    if not records:
        return Check(what, None, "nothing was begun: it is empty")
    if not data.endswith(b"\n"):
        return Check(what, False, "its last line was cut off")
    named = {str(record.data.get("plan")) for record in records if record.kind == "opened"}
    if named != {plan.digest}:
        return Check(what, False, "it is of another plan")
    numbers = {operation.number for operation in plan.operations}
    for record in records:
        if record.kind not in journal.KINDS:
            return Check(what, None, f"record {record.n} is of kind {record.kind!r}, which this version does not know")
        if record.operation is not None and record.operation not in numbers:
            return Check(what, False, f"record {record.n} is of operation {record.operation}, which the plan has not")
    return Check(what, True, f"{len(records)} records, each bound to the one before; the last of {records[-1].at}")


def _approvals(plan: Plan, folder: Path, listed: Sequence[Person]) -> Iterator[Check]:
    """Each approval by itself: whose it is, for what, and whether it ever counted."""
    what = "approvals"
    files = sorted((folder / approvals.FOLDER).glob("*.json"))
    if not files:
        yield Check(what, None, "nobody agreed to anything yet")
    for file in files:
        try:
            told = approvals.read(file)
            at = written.moment(told.at)
        except written.WrittenError as error:
            yield Check(what, False, f"{file.name} is no approval: {error}")
            continue
        counted = {} if at is None else dict(approvals.given(plan, folder, listed, at=at).valid)
        of = "every operation" if told.operation is None else f"operation {told.operation}"
        if file.name in counted:
            yield Check(what, True, f"{told.person} agreed to {told.decision!r} of {of} on {told.at}: {told.reason}")
        else:
            yield Check(what, False, f"{file.name} does not count: it is not signed by {told.person} for this plan")


def _decisions(
    members: Mapping[str, bytes], plan: Plan, records: Sequence[Record], listed: Sequence[Person]
) -> Iterator[Check]:
    """Whether each step that needs a decision had it, and each decision its persons, when it was taken."""
    what = "decisions"
    operations = {operation.number: operation for operation in plan.operations}
    needed: dict[tuple[int, str], str | None] = {
        (operation.number, step.step): step.decision for operation in plan.operations for step in operation.steps
    }
    decided: set[tuple[int | None, str]] = set()
    for record in records:
        if record.kind == "decided":
            decision = record.data.get("decision")
            operation = operations.get(record.operation or 0)
            if operation is None or decision not in plans.DECISIONS:
                yield Check(what, False, f"record {record.n} decides on what the plan does not ask")
                continue
            decided.add((record.operation, decision))
            says = f"operation {operation.number}: {decision!r} on {record.at.isoformat()}"
            if not listed:
                yield Check(what, None, f"{says}: whether enough persons agreed cannot be said without their keys")
                continue
            why = _missing(members, plan, record, operation, decision, listed)
            yield Check(what, not why, f"{says}: {'; '.join(why) or 'agreed to by enough persons'}")
        elif record.kind == "intent" and record.operation is not None and record.step is not None:
            decision = needed.get((record.operation, record.step))
            if decision is not None and (record.operation, decision) not in decided:
                says = f"record {record.n}: operation {record.operation} began {record.step} before {decision!r} was"
                yield Check(what, False, f"{says} decided")


def _missing(
    members: Mapping[str, bytes],
    plan: Plan,
    record: Record,
    operation: Operation,
    decision: Decision,
    listed: Sequence[Person],
) -> list[str]:
    """Why a decision did not have its persons by what was there then, which is what its record names."""
    then = record.data.get("approvals")
    if not isinstance(then, dict):
        return [f"record {record.n} does not say which approvals it rests on"]
    names = {f"{approvals.FOLDER}/{name}": digest for name, digest in then.items()}
    lost = [name for name, digest in names.items() if name not in members or bundle.sha256(members[name]) != digest]
    if lost:
        return [f"record {record.n} rests on what is not here: {', '.join(sorted(lost))}"]
    with _laid_out({name: members[name] for name in names}) as folder:
        return approvals.judge(plan, folder, listed, at=record.at)(operation, decision)


def _scans(
    members: Mapping[str, bytes], plan: Plan, records: Sequence[Record], checks: list[Check], *, is_signed: bool
) -> None:
    """What the scans say, and whether the later one began after the last effect.

    Nobody signs a scan: it is worth what the signature of the whole bundle is. That a target is listed is no failure of
    the bundle, and no proof either.
    """
    last = last_effect(records)
    for what, name in (("scan before", "before"), (_AFTER, "after")):
        try:
            told = json.loads(members[f"scans/{name}.json"])
            if told["scan"] is None:
                checks.append(Check(what, None, str(told["says"])))
                continue
            began = datetime.fromisoformat(told["scan"]["started_at"])
            if name == "after" and (last is None or began <= last):
                checks.append(Check(what, False, f"it began at {began}, and the last effect was at {last}"))
            seen = {(each["number"], each["thing_id"]): each for each in told["operations"]}
            for operation in plan.operations:
                each = seen[operation.number, operation.target.thing_id]
                of = f"operation {operation.number}, {operation.target.thing_id}"
                says = f"{told['scan']['scan_id']}: {of}: {each['says']}"
                is_shown = name == "before" or each["is_ended"] is True
                if not is_signed:
                    says = f"by an unsigned file: {says}"
                checks.append(Check(what, True if is_signed and is_shown else None, says))
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            checks.append(Check(what, False, f"cannot be read: {error}"))


@contextmanager
def _laid_out(members: Mapping[str, bytes]) -> Iterator[Path]:
    """The members as files in a folder of their own; their names were checked, and none of them holds a secret."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / approvals.FOLDER).mkdir()
        for name, data in members.items():
            if name == journal.NAME or name.startswith(f"{approvals.FOLDER}/"):
                (folder / name).write_bytes(data)
        yield folder
