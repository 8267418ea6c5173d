"""The steps of an operation in the order of its plan, each from wherever an earlier run broke off."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Final

from nhiscan.remediate import history as histories
from nhiscan.remediate import waiting
from nhiscan.remediate.contract import BusyError, Effect, Fields, Observation, UnansweredError
from nhiscan.remediate.plan import PlannedStep
from nhiscan.remediate.work import LONGEST_PAUSE, HaltError, Work

_ACCEPTED: Final = 3  # times in a row that the provider lets the new credential in before it is handed out
_MOST_TRIED: Final = 12
_LATER: Final = timedelta(minutes=5)  # when one that was not let in is tried again
_SOON: Final = timedelta(hours=1)  # until when that is nothing that a person has to look at
_MOST_ATTEMPTS: Final = 4  # at making a credential whose secret is not lost before it is kept
_MOST_UNANSWERED: Final = 3
_ENDING: Final = ("quiet", "off", "observe", "delete")  # what is left to do where the old one is still there


def run(work: Work) -> None:
    """Goes on until the operation is closed. Raises: HaltError where it goes no further for now, PlanError."""
    unanswered = 0
    while True:
        if work.history.is_orphaned:
            work.step = "discard"
            _discard(work)
            continue
        planned = next((step for step in work.operation.steps if step.step not in work.history.done), None)
        if planned is None:
            work.note("closed")
            return
        work.step = planned.step
        if planned.step in _ENDING and work.is_gone_already():
            work.step = "prove"
            work.means.tell(
                f"operation {work.operation.number}: somebody else deleted the old one: nothing is left to end"
            )
            _prove(work)
            work.note("closed")
            return
        work.means.tell(f"operation {work.operation.number}: {planned.step} {work.operation.target.thing_id}")
        try:
            _do(work, planned)
        except UnansweredError as error:
            # Only `create` may neither be repeated nor looked at on the spot: the next round looks for what came of it.
            unanswered += 1
            work.note("unsure", planned.step, says=work.redacted(error.message))
            if unanswered >= _MOST_UNANSWERED or planned.step != "create":
                raise HaltError(f"{planned.step}: {error.message}", waits_for="answer") from error


def _do(work: Work, planned: PlannedStep) -> None:
    match planned.step:
        case "create":
            _create(work, planned)
        case "stage":
            _stage(work, planned)
        case "verify":
            _verify(work)
        case "publish":
            _publish(work)
        case "quiet":
            _quiet(work, planned)
        case "off":
            _is_ready(work)
            work.absolute("off", ("off",), planned.decision)
        case "observe":
            _observe(work, planned)
        case "delete":
            _is_ready(work)
            _was_observed(work)
            work.absolute("delete", ("gone",), planned.decision)
        case "prove":
            _prove(work)
        case step:
            raise HaltError(f"{step} is no step of a plan")


def _create(work: Work, planned: PlannedStep) -> None:
    intent = work.history.intent
    if intent is not None and intent.step == "create":
        found = work.found()
        if found is not None:
            _found(work, found)
            return
    can = work.operation.capabilities
    seen = work.unchanged()
    fields: Fields | None = None
    if can.maker == "us" and not can.stores_itself:
        fields = _known(work)
        if fields is None:
            _lost(work, None)
            return
    _is_stored_as_planned(work)
    work.agree(planned.decision)
    key, before = work.key("create"), work.history.first or seen
    work.note("intent", "create", key=key, attempt=work.history.attempt, **histories.told(seen))
    made: Effect = work.change(
        lambda: work.session.effect("create", work.operation.target, key, fields=fields, before=before)
    )
    if made.id is None and not can.stores_itself:
        raise HaltError("the provider answered without saying what it created")
    work.holds(made.fields or fields)
    _created(work, made.id, seen, made.request_id)


def _created(work: Work, id: str | None, seen: Observation, request_id: str | None = None) -> None:
    """Writes down what came of it. That it is there is read back before it is handed out: its secret is kept first."""
    left = seen if id is None else dataclasses.replace(seen, others={**seen.others, id: "live"})
    work.note("observed", "create", id=id, request_id=request_id, **histories.told(left))
    work.note("done", "create", id=id)


def _found(work: Work, id: str) -> None:
    """Takes what an unanswered `create` made where its secret is kept, else has it ended."""
    if not work.operation.capabilities.stores_itself:
        work.holds(work.staged())
        if work.fields is None:
            _lost(work, id)
            return
    before = work.history.before or work.observe()
    _created(work, id, before)


def _lost(work: Work, id: str | None) -> None:
    """A new credential whose secret nobody has: it was given to nobody, and goes."""
    if work.history.attempt >= _MOST_ATTEMPTS:
        raise HaltError(f"{work.history.attempt} attempts at a new credential came to nothing; {id or 'none'} is left")
    work.note("orphan", "create", id=id, says="its secret was lost before it was kept; it was given to nobody")


def _discard(work: Work) -> None:
    work.end_new(work.history.orphan)


def _known(work: Work) -> Fields | None:
    """The new credential's parts: in memory, or kept by the store."""
    if work.fields is None:
        work.holds(work.staged())
    return work.fields


def _stage(work: Work, planned: PlannedStep) -> None:
    can = work.operation.capabilities
    fields = _known(work)
    if fields is None and can.maker == "us":
        work.unchanged()
        _is_stored_as_planned(work)
        fields = work.session.make(work.operation.target, work.key("create"))
        work.holds(fields)
    if fields is None:
        _lost(work, work.history.new_id)
        return
    work.agree(planned.decision)
    kept = work.to_store(fields)
    left = work.history.left
    told = {} if left is None else histories.told(left)
    work.note("intent", "stage", key=work.stored_key, **told)
    work.change_until(lambda: work.kept.stage(work.address, work.stored_key, kept))
    read = work.asked(lambda: work.kept.staged(work.address, work.stored_key))
    if read is not None and dict(read) != dict(kept):
        raise HaltError(f"{work.address} does not keep what was given to it")
    work.note("observed", "stage")
    work.note("done", "stage")


def _verify(work: Work) -> None:
    can, new = work.operation.capabilities, work.history.new_id
    left = work.history.left
    fields: Fields | None = {} if can.stores_itself else _known(work)
    if fields is None:
        _lost(work, new)
        return
    known = fields

    def changes(seen: Observation) -> list[str]:
        if left is None or can.stores_itself:
            return []
        # Where only one can live, the new one ended the old one; facts follow from what was made.
        state = seen.state if can.overlap == 1 else left.state
        return work.changes(Observation(state, left.others), Observation(seen.state, seen.others))

    pause = max(timedelta(seconds=1), can.settles_in / (_ACCEPTED - 1))
    in_a_row = 0
    silent: UnansweredError | None = None
    for _ in range(_MOST_TRIED):
        try:
            is_in, silent = work.session.accepts(work.operation.target, new or "", known), None
        except (BusyError, UnansweredError) as error:  # says nothing about the credential
            if isinstance(error, BusyError) and error.after > LONGEST_PAUSE:
                raise
            is_in, silent = False, error if isinstance(error, UnansweredError) else None
        in_a_row = in_a_row + 1 if is_in else 0
        if in_a_row == _ACCEPTED:
            break
        so_far = f"let in {in_a_row} of {_ACCEPTED} times in a row" if in_a_row else "not let in yet"
        work.sit_out(pause, f"the new credential is {so_far}")
    else:
        if silent is not None:
            raise HaltError(f"verify: {silent.message}; {_so_far(work)}", waits_for="answer") from silent
        until = work.history.done["create"] + max(_SOON, 10 * can.settles_in)
        later = work.means.clock() + _LATER
        raise HaltError(
            f"the provider does not let {new or 'the new credential'} in; {_so_far(work)}",
            waits_for="provider" if later < until else None,
            until=later if later < until else None,
        )
    seen = work.settled(changes)
    work.note("observed", "verify", id=new, **histories.told(seen))
    work.note("done", "verify")


def _so_far(work: Work) -> str:
    """What became of the old one by then: of a rotation in place, only its provider knows."""
    if work.operation.capabilities.stores_itself or work.is_in_place:
        return "whether the old one still is, is not known: look at the provider"
    return "the old one is off already" if "off" in work.history.done else "the old one is untouched"


def _publish(work: Work) -> None:
    intent = work.history.intent
    is_resumed = intent is not None and intent.step == "publish"
    version = _published(work) if is_resumed else None
    if version is None:
        seen = work.unchanged()
        _is_stored_as_planned(work)
        planned = _planned_version(work)
        work.note("intent", "publish", key=work.stored_key, version=planned, **histories.told(seen))
        answer = work.change_until(
            lambda: work.kept.publish(work.address, work.stored_key, version=planned),
            lambda: _published(work) is not None,
        )
        version = _published(work)
        if version is None or (answer is not None and answer != version):
            raise HaltError(f"{work.address} was changed by somebody else while the new secret was published")
    work.note("observed", "publish", version=version)
    work.note("done", "publish")


def _published(work: Work) -> str | None:
    return work.asked(lambda: work.kept.published(work.address, work.stored_key))


def _planned_version(work: Work) -> str:
    destination = work.operation.destination
    return "" if destination is None else destination.observed.get("version", "")


def _is_stored_as_planned(work: Work) -> None:
    destination = work.operation.destination
    if work.store is None or destination is None:
        return
    moved = destination.changed(work.asked(lambda: work.kept.observe(work.address)))
    if moved is not None:
        raise HaltError(f"{moved}; roll this back, or put it back as it was")


def _quiet(work: Work, planned: PlannedStep) -> None:
    history = work.history
    since = history.done.get("publish") or history.done["verify"]
    seen = work.unchanged()
    work.waits(
        waiting.for_quiet(
            work.operation.capabilities,
            seen,
            history.new_id,
            wait_s=planned.wait_s,
            since=since,
            now=work.means.clock(),
        )
    )
    work.note("done", "quiet")


def _observe(work: Work, planned: PlannedStep) -> None:
    can, off_at = work.operation.capabilities, work.history.done.get("off")
    seen = work.unchanged()
    now = work.means.clock()
    wait = waiting.for_observation(off_at, wait_s=planned.wait_s, now=now)
    missed = waiting.for_missed(can, seen, off_at, wait_s=planned.wait_s, now=now)
    if missed is not None:
        work.means.tell(f"operation {work.operation.number}: {missed.says}")
    # Whose access is taken may knock for ever; whose credential is replaced is not to be left outside.
    work.waits(missed or wait if work.operation.action == "rotate" else wait)
    work.note("done", "observe")


def _was_observed(work: Work) -> None:
    """Deletes nothing that was not off for as long as the plan says, whatever the order of its steps."""
    for planned in work.operation.steps:
        if planned.step == "observe":
            off_at = work.history.done.get("off")
            work.waits(waiting.for_observation(off_at, wait_s=planned.wait_s, now=work.means.clock()))


def _is_ready(work: Work) -> None:
    """Ends nothing old while the store would hand it out again."""
    if "publish" in work.history.done and _published(work) is None:
        raise HaltError(
            f"{work.address} does not hold the new secret any more: somebody put another one there, and whoever reads "
            "it may still need the old one"
        )


def _prove(work: Work) -> None:
    """Reads once more how it ended; closed for good is only what the next scan finds gone."""
    steps = {step.step for step in work.operation.steps}
    seen = work.unchanged()
    wrong = []
    wanted = {"off", "gone"} if "off" in steps and "delete" not in steps else {"gone"}
    if steps & {"off", "delete"} and seen.state not in wanted:
        wrong.append(f"the old one is {seen.state}")
    new = work.history.new_id
    if new is not None and new in seen.others and seen.others[new] != "live":
        wrong.append(f"the new one is {seen.others[new]}")
    if "publish" in steps and _published(work) is None:
        wrong.append(f"{work.address} does not hold the new secret")
    if wrong:
        raise HaltError(f"it did not end as it should: {', '.join(wrong)}")
    work.note("observed", "prove", id=new, **histories.told(seen))
    work.note("done", "prove")
