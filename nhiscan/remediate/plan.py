"""A plan: what would be done to which targets, in which steps, on which state of the world, and who has to agree.

It is a file that people read, sign and keep; nothing at a provider is changed by making one.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, get_args

from nhiscan import atomic
from nhiscan.config import Person
from nhiscan.errors import NhiscanError
from nhiscan.printable import plain
from nhiscan.remediate import people as keys
from nhiscan.remediate import written
from nhiscan.remediate.contract import Capabilities, Observation, Step, Target

SCHEMA_VERSION: Final = 1
EXPIRES_AFTER: Final = timedelta(hours=24)  # a plan that nobody began; what was begun goes on under its approvals
LONGEST_WAIT: Final = timedelta(days=366)  # of one step
CLOCKS_DIFFER: Final = timedelta(minutes=5)  # at most, between the machines of people who work on one plan
_FEW: Final = 2  # credentials of a holder: one more that somebody makes is in the way of an operation
_PLAN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,60}", re.ASCII)
_MOST_BYTES: Final = 16 * 1024 * 1024
ANOTHER: Final = "make another with `nhiscan remediate plan`"

Mode = Literal["routine", "contain"]
Action = Literal["rotate", "revoke"]
# What people decide on: that anything is changed at all, that access stops, that it cannot come back.
Decision = Literal["start", "off", "delete"]
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)


class PlanError(NhiscanError):
    """The plan cannot be made, or does not hold any more: the user makes another."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """`decision`: who has to have agreed before it, if anybody; `persons`: how many, the requester not among them.

    `wait_s`: for `quiet` and `observe`, how long nobody may have used the old one. `rollback`: how it is taken back, in
    words; None: it cannot be. `permissions`: what the remediation credential needs for it.
    """

    step: Step
    decision: Decision | None = None
    persons: int = 0
    wait_s: int = 0
    rollback: str | None = None
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """`address`: the store's prefix and its own address, `vault:kv/data/acme/billing`.

    `names`: part of the credential -> its name in the stored document; `observed`: what the store said when the plan
    was made.
    """

    address: str
    names: Mapping[str, str]
    observed: Mapping[str, str]

    @property
    def store(self) -> str:
        """The prefix by which the store is found."""
        return self.address.partition(":")[0]

    @property
    def own_address(self) -> str:
        """As the store itself takes it."""
        return self.address.partition(":")[2]

    def changed(self, seen: Mapping[str, str]) -> str | None:
        """What the store says otherwise than when the plan was made; None: nothing."""
        if dict(seen) == dict(self.observed):
            return None
        return f"{self.address} is not as the plan knew it: it is {dict(seen)}, it was {dict(self.observed)}"


@dataclass(frozen=True, slots=True)
class Consumer:
    """Somebody who uses the credential by what the inventory knows: `where` it stands, `evidence` for it."""

    kind: str
    where: str
    owner: str | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One target and all that is done to it. `state` is the digest of what was observed, `observed` that in words.

    `step`: of the offboarding that asks for it.
    """

    number: int
    action: Action
    adapter: str
    target: Target
    why: str
    finding_ids: tuple[str, ...]
    capabilities: Capabilities
    observed: Mapping[str, str]
    state: str
    destination: Destination | None
    consumers: tuple[Consumer, ...]
    reach: tuple[str, ...]
    is_partner_owned: bool
    is_privileged: bool
    steps: tuple[PlannedStep, ...]
    step: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guided:
    """What a person does by hand, and the next scan confirms. `step`: of the offboarding that asks for it."""

    number: int
    thing_kind: str
    thing_id: str
    provider: str
    why: str
    finding_ids: tuple[str, ...]
    says: str
    commands: tuple[str, ...]
    page: str | None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`requested_by`: the mail of the person whose key signed it; `digest`: SHA-256 of the rest, `signature` left out.

    `partner_id`: whose offboarding it is, if it is one. Times are ISO 8601 in UTC. Operations and guided tasks share
    one row of numbers: the order in which they are safe.
    """

    plan_id: str
    made_at: str
    expires_at: str
    requested_by: str
    scan_id: str
    mode: Mode
    reason: str
    offboarding_id: str | None
    partner_id: str | None
    operations: tuple[Operation, ...]
    guided: tuple[Guided, ...]
    digest: str = ""
    signature: str = ""


def steps(
    action: Action,
    can: Capabilities,
    mode: Mode,
    *,
    grace: timedelta,
    observe: timedelta,
    is_partner_owned: bool,
    is_privileged: bool,
    permissions: Mapping[str, tuple[str, ...]],
) -> tuple[PlannedStep, ...]:
    """The steps of an operation, from what its provider can do.

    routine: the new one is in use before the old one goes. contain: the old one goes first, by a decision that names
    the outage. A `revoke` makes nothing new. Where there is no switch that can be taken back, `delete` comes at once
    after the wait, by its own decision. Raises: PlanError where the action needs what the provider cannot do.
    """
    if not (can.can_turn_off or can.can_delete or can.stores_itself):
        raise PlanError("the provider can neither switch it off nor end it", hint="follow the guided tasks")
    if action == "rotate" and can.overlap == 0:
        raise PlanError("nothing can be put in its place", hint="plan it with --action revoke, or follow the runbook")
    made: list[Step] = ["stage", "create"] if can.maker == "us" else ["create", "stage"]
    if can.stores_itself:
        made = ["create"]
    new: list[Step] = []
    if action == "rotate":
        new = [*made, "verify"] if can.stores_itself else [*made, "verify", "publish"]
    off: list[Step] = ["off", "observe"] if can.can_turn_off else []
    if can.can_delete:
        off.append("delete")
    order: list[Step] = [*new, *off, "prove"]
    if new and mode == "routine":
        order = [*new, "quiet", *off, "prove"]
    elif new and can.can_turn_off:
        order = [off[0], *new, *off[1:], "prove"]
    waits = {"quiet": grace, "observe": observe}
    planned = []
    for number, step in enumerate(order):
        decision: Decision | None = "start" if number == 0 and step not in ("off", "delete") else None
        if step in ("off", "delete"):
            decision = step
        planned.append(
            PlannedStep(
                step,
                decision,
                0
                if decision is None
                else persons(decision, is_partner_owned=is_partner_owned, is_privileged=is_privileged),
                int(waits.get(step, timedelta(0)).total_seconds()),
                can.rollback.get(step) if step != "delete" else None,
                permissions.get(step, ()),
            )
        )
    return tuple(planned)


def persons(decision: Decision, *, is_partner_owned: bool, is_privileged: bool) -> int:
    """How many have to agree at least, whatever a plan says; the requester is never among them."""
    if decision == "delete" or (decision == "off" and (is_partner_owned or is_privileged)):
        return 2
    return 1


def has_few(can: Capabilities) -> bool:
    """Whether so few live beside each other that each neighbour is in the way; of many, they come and go."""
    return 1 <= can.overlap <= _FEW


def state(can: Capabilities, seen: Observation) -> str:
    """The digest of what an operation rests on: `Operation.state`."""
    return (seen if has_few(can) else dataclasses.replace(seen, others={})).digest()


def digest(plan: Plan) -> str:
    """SHA-256 in hex over everything that the plan says but its digest and signature."""
    told = {"schema_version": SCHEMA_VERSION, **written.told(plan)}
    del told["digest"], told["signature"]
    return hashlib.sha256(written.canonical(told)).hexdigest()


def signed(plan: Plan, by: keys.Signer) -> Plan:
    """The plan as `by` asks for it."""
    asked = dataclasses.replace(plan, requested_by=by.mail)
    told = digest(asked)
    signature = base64.b64encode(by.sign("plan", told.encode("ascii"))).decode("ascii")
    return dataclasses.replace(asked, digest=told, signature=signature)


def write(path: Path, plan: Plan) -> None:
    """Replaces the file in one step, for its owner only. Raises: StoreError."""
    atomic.write_text(path, text(plan))


def text(plan: Plan) -> str:
    """The file of a plan: JSON that one plan makes in one way only."""
    return written.document(plan, version=SCHEMA_VERSION)


def read(path: Path) -> Plan:
    """The plan in a file, whoever wrote it: `check` says whether it holds. Raises: PlanError naming what is wrong."""
    try:
        data = written.read(path, most=_MOST_BYTES)
        return parse(data)
    except written.WrittenError as error:
        raise PlanError(f"{path}: {error}", hint=ANOTHER) from error
    except OSError as error:
        raise PlanError(f"cannot read the plan {path}: {error.strerror}", hint="check the path") from error


def parse(data: bytes) -> Plan:
    """As `read`, of a file's content. Raises: WrittenError naming the key."""
    found: Plan = written.opened(Plan, data, version=SCHEMA_VERSION)
    if not is_id(found.plan_id):
        raise written.WrittenError("plan_id is none")
    return found


def is_id(word: str) -> bool:
    """Whether a word may be the id of a plan, by which its folder is named."""
    return _PLAN_ID.fullmatch(word) is not None


def check(plan: Plan, people: Iterable[Person], at: datetime, *, is_begun: bool = False) -> None:
    """Whether the plan is what its requester signed, asks for what it has to, and is still meant.

    `is_begun`: something was done by it, so that it goes on under its approvals and does not expire.
    Raises: PlanError saying why not; ConfigError where nhiscan.toml lists people who cannot be told apart.
    """
    check_digest(plan)
    told = plan.digest.encode("ascii")
    listed = list(people)
    if plan.requested_by not in keys.known(listed):
        raise PlanError(
            f"plan {plain(plan.plan_id)} is asked for by {plain(plan.requested_by)}, whom nhiscan.toml does not list",
            hint="add the person under [[people]], or " + ANOTHER,
        )
    signature = written.unbase64(plan.signature)
    if signature is None or not keys.is_signed(listed, plan.requested_by, "plan", told, signature):
        raise PlanError(
            f"plan {plain(plan.plan_id)} is not signed by {plain(plan.requested_by)}: it was edited after it was made",
            hint=ANOTHER,
        )
    _check_times(plan, at, is_begun=is_begun)
    _check_operations(plan)


def check_digest(plan: Plan) -> None:
    """Raises: PlanError where the plan does not say what its digest is of."""
    if not hmac.compare_digest(digest(plan).encode("ascii"), plan.digest.encode("utf-8", "surrogatepass")):
        raise PlanError(f"plan {plain(plan.plan_id)} was edited: its digest is not that of what it says", hint=ANOTHER)


def check_expiry(plan: Plan, at: datetime) -> None:
    """For a plan by which nothing was done yet. Raises: PlanError where it is not meant any more."""
    expires_at = written.moment(plan.expires_at)
    if expires_at is None or at >= expires_at:
        raise PlanError(
            f"plan {plain(plan.plan_id)} expired at {plain(plan.expires_at)}, and nobody had begun it",
            hint=f"the world has moved on since: {ANOTHER}",
        )


def _check_times(plan: Plan, at: datetime, *, is_begun: bool) -> None:
    made_at, expires_at = written.moment(plan.made_at), written.moment(plan.expires_at)
    if made_at is None or expires_at is None:
        key = "made_at" if made_at is None else "expires_at"
        raise PlanError(f"plan {plain(plan.plan_id)}: {key} is no time in UTC", hint=ANOTHER)
    if made_at - at > CLOCKS_DIFFER:
        raise PlanError(
            f"plan {plain(plan.plan_id)} was made at {plan.made_at}, which is still to come",
            hint="set the clock of this machine, or of the one that made it",
        )
    if expires_at - made_at > EXPIRES_AFTER:
        raise PlanError(f"plan {plain(plan.plan_id)} gives itself longer than a plan has", hint=ANOTHER)
    if not is_begun:
        check_expiry(plan, at)


def _check_operations(plan: Plan) -> None:
    """A requester signs whatever they like: what protects others from them does not rest on that."""
    where = f"plan {plain(plan.plan_id)}"
    numbers = [each.number for each in plan.operations] + [each.number for each in plan.guided]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        raise PlanError(f"{where} does not number what it does from 1 on", hint=ANOTHER)
    for operation in plan.operations:
        if any(not 0 <= step.wait_s <= LONGEST_WAIT.total_seconds() for step in operation.steps):
            raise PlanError(f"{where}: operation {operation.number} waits for no time that there is", hint=ANOTHER)
        waits = {step.step: timedelta(seconds=step.wait_s) for step in operation.steps}
        wanted = steps(
            operation.action,
            operation.capabilities,
            plan.mode,
            grace=waits.get("quiet", timedelta(0)),
            observe=waits.get("observe", timedelta(0)),
            is_partner_owned=operation.is_partner_owned,
            is_privileged=operation.is_privileged,
            permissions={step.step: step.permissions for step in operation.steps},
        )
        parts, place = operation.capabilities.parts, operation.destination
        if parts and place is not None and set(parts) != place.names.keys():
            raise PlanError(
                f"{where}: operation {operation.number} does not say where each part of the new one is kept",
                hint=ANOTHER,
            )
        if wanted != operation.steps:
            raise PlanError(
                f"{where}: the steps of operation {operation.number} are not those that its target calls for",
                hint=ANOTHER,
            )
