"""Plans, results and differences as lines of text, for the commands of remediation.

Every name in a plan may be a stranger's: nothing is shown but through `cell`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from nhiscan.terminal import LONG, cell, counted, redacting

if TYPE_CHECKING:
    from nhiscan.remediate.contract import Capabilities, Observation
    from nhiscan.remediate.engine import Difference, Result
    from nhiscan.remediate.history import Progress
    from nhiscan.remediate.plan import Decision, Guided, Operation, Plan, PlannedStep

STATES: Final = {
    "planned": "not begun",
    "begun": "under way",
    "waiting": "waiting",
    "unanswered": "without a clear answer",
    "human": "needs a human",
    "rolling_back": "being taken back",
    "rolled_back": "rolled back",
    "closed": "closed",
}


def plan_lines(plan: Plan) -> Iterator[str]:
    """A plan as text: each operation with all that who agrees to it has to know."""
    yield from head_lines(plan)
    yield f"{counted(len(plan.operations), 'operation')}, {counted(len(plan.guided), 'task')} by hand"
    texts = {each.number: list(_operation_lines(each)) for each in plan.operations}
    texts.update({each.number: list(_guided_lines(each)) for each in plan.guided})
    for number in sorted(texts):
        yield ""
        yield from texts[number]


def head_lines(plan: Plan) -> Iterator[str]:
    """Who asks for it, why, and until when."""
    of = f", of offboarding {cell(plan.offboarding_id)}" if plan.offboarding_id else ""
    yield f"plan {cell(plan.plan_id)}, {plan.mode}, by {cell(plan.requested_by)}, on scan {cell(plan.scan_id)}{of}"
    yield f"reason: {cell(plan.reason, LONG)}"
    yield f"expires {cell(plan.expires_at)} unless it was begun; digest {cell(plan.digest)}"


def _what(operation: Operation) -> str:
    target = operation.target
    whose = f" of {cell(target.holder_name)}" if target.holder_name else ""
    kind = cell(target.kind or target.thing_kind)
    return f"{operation.action} {kind} {cell(target.name or target.native_id or target.thing_id)}{whose}"


def _operation_lines(operation: Operation) -> Iterator[str]:
    target = operation.target
    yield f"{operation.number:>3}. {_what(operation)} in {cell(target.tenant_id)}, by adapter {cell(operation.adapter)}"
    yield f"     {cell(target.thing_id, LONG)}"
    yield f"     why: {cell(operation.why, LONG)}"
    if operation.finding_ids:
        yield f"     findings: {cell(', '.join(operation.finding_ids), LONG)}"
    for name, value in operation.observed.items():
        yield f"     {cell(name)}: {cell(value, LONG)}"
    if operation.destination is not None:
        parts = ", ".join(f"{part} as {name}" for part, name in operation.destination.names.items())
        yield f"     the new one goes to {cell(operation.destination.address, LONG)}: {cell(parts, LONG)}"
    for consumer in operation.consumers:
        owner = f", of {cell(consumer.owner)}" if consumer.owner else ""
        yield f"     used by {cell(consumer.kind)} {cell(consumer.where)}{owner} ({cell(consumer.evidence, LONG)})"
    for reach in operation.reach:
        yield f"     reach: {cell(reach, LONG)}"
    for word, is_so in (("partner-owned", operation.is_partner_owned), ("privileged", operation.is_privileged)):
        if is_so:
            yield f"     {word}: off needs two persons"
    for fact, says in operation.capabilities.changed.items():
        yield f"     where somebody changes its {cell(fact)} meanwhile: {cell(says, LONG)}"
    for warning in operation.warnings:
        yield f"     ! {cell(warning, LONG)}"
    yield "     steps:"
    for step in operation.steps:
        yield from _step_lines(operation.capabilities, step)


def _step_lines(can: Capabilities, step: PlannedStep) -> Iterator[str]:
    text = f"       {step.step}"
    if step.decision is not None:
        text += f": needs {counted(step.persons, 'person')} to agree to {step.decision!r}, not who asked for the plan"
    if step.step in ("quiet", "observe"):
        text += f": waits {_length(step.wait_s)}" + (" without use" if step.step == "quiet" else "")
    yield text
    if step.step in can.effects:
        yield f"         outage: {cell(can.effects[step.step], LONG)}"
    if step.step == "delete":
        yield "         cannot be taken back"
    elif step.rollback is not None:
        yield f"         taken back: {cell(step.rollback, LONG)}"
    if step.permissions:
        yield f"         permissions: {cell(', '.join(step.permissions), LONG)}"


def _length(seconds: int) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds and seconds % size == 0:
            return counted(seconds // size, word)
    return counted(seconds, "second")


def _guided_lines(task: Guided) -> Iterator[str]:
    yield f"{task.number:>3}. by hand: {cell(task.says, LONG)}"
    yield f"     {cell(task.thing_kind)} {cell(task.thing_id)}"
    yield f"     why: {cell(task.why, LONG)}"
    if task.finding_ids:
        yield f"     findings: {cell(', '.join(task.finding_ids), LONG)}"
    if task.page:
        yield f"     at {cell(task.page)}"
    for line in task.commands:
        yield f"     $ {cell(line, LONG)}"


def agreed_lines(operation: Operation, decision: Decision, outage: str | None, use: str) -> Iterator[str]:
    """What somebody agrees to; `outage` and `use`: of the target as it is now."""
    yield from _operation_lines(operation)
    if decision != "start":
        yield f"     you agree to: {decision}"
        yield f"     outage to expect: {cell(outage or 'not told by the adapter: take it for a full one', LONG)}"
        yield f"     use now: {cell(use, LONG)}"


def use(seen: Observation) -> str:
    """What an observation says of the last use."""
    if seen.last_used_at is not None:
        return f"last used {cell(seen.last_used_at)}; it is {seen.state}"
    told = "never, by what the provider tells" if seen.usage_known else "the provider tells none, which is not none"
    return f"{told}; it is {seen.state}"


def difference_lines(plan: Plan, differences: Sequence[Difference], lacking: Mapping[int, list[str]]) -> Iterator[str]:
    for each in differences:
        yield progress_line(plan, each.progress)
        for differs in each.differs:
            yield f"  differs: {cell(differs, LONG)}"
        if each.differs:
            yield "  would do nothing"
        elif each.steps:
            yield f"  would do: {', '.join(step.step for step in each.steps)}"
        for why in lacking.get(each.operation, []):
            yield f"  would wait: {cell(why, LONG)}"
    yield from _by_hand(plan)


def status_lines(plan: Plan, seen: Sequence[Progress]) -> Iterator[str]:
    yield f"plan {cell(plan.plan_id)}, {plan.mode}, by {cell(plan.requested_by)}"
    for each in seen:
        yield f"  {progress_line(plan, each)}"
    yield from _by_hand(plan)


def result_lines(plan: Plan, result: Result) -> Iterator[str]:
    says = f": {cell(redacting.redact(result.says), LONG)}" if result.says else ""
    yield f"plan {cell(plan.plan_id)}: {STATES[result.state]}{says}"
    for each in result.operations:
        yield f"  {progress_line(plan, each)}"
    yield from _by_hand(plan)


def _by_hand(plan: Plan) -> Iterator[str]:
    """What no run of ours does: a plan that is closed may still leave it to do."""
    if plan.guided:
        yield f"  {counted(len(plan.guided), 'task')} by hand, which the next scan confirms"


def progress_line(plan: Plan, progress: Progress) -> str:
    operation = next(each for each in plan.operations if each.number == progress.operation)
    text = f"{progress.operation}. {_what(operation)}: {STATES[progress.state]}"
    if progress.step is not None and progress.state != "planned":
        text += f" at {progress.step}"
    if progress.new_id is not None:
        text += f", new one {cell(progress.new_id)}"
    if progress.waits_for is not None:
        text += f", for {cell(progress.waits_for)}"
    if progress.since is not None:
        text += f", since {cell(progress.since)}"
    if progress.until is not None:
        text += f", until {cell(progress.until)}"
    return f"{text}: {cell(redacting.redact(progress.says), LONG)}" if progress.says else text
