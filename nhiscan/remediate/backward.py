"""Taking an operation back: the old credential first, then the store, then what was made; never what was deleted."""

from __future__ import annotations

from nhiscan.remediate import history as histories
from nhiscan.remediate import waiting
from nhiscan.remediate.contract import Effect
from nhiscan.remediate.plan import PlanError
from nhiscan.remediate.work import HaltError, Work


def check(work: Work) -> None:
    """Raises: PlanError where the operation can only go forward, or there is nothing to take back."""
    number, history = work.operation.number, work.history
    if not history.is_begun:
        raise PlanError(f"operation {number} was not begun", hint="there is nothing to roll back")
    may_be_gone = "delete" in history.tried or (work.is_in_place and "create" in history.tried)
    is_gone = (
        work.looked(lambda seen: seen.state == "gone").state == "gone"
        if may_be_gone
        else not history.goes_back and work.is_gone_already()
    )
    if is_gone:
        raise PlanError(
            f"operation {number} cannot be rolled back: the old one is deleted",
            hint="carry it on with `nhiscan remediate resume`",
        )


def run(work: Work) -> None:
    """Goes back until the operation is as it was. Raises: HaltError where it goes no further for now, PlanError."""
    check(work)
    if not work.history.goes_back:
        _settle_create(work)
        _settle_publish(work)
        work.note("rolling_back")
    # What somebody else changed does not stop a rollback: each step looks at what it is about.
    work.history.left = work.observe()
    _on(work)
    _restore(work)
    _end_new(work)
    work.note("rolled_back")


def _settle_create(work: Work) -> None:
    """Finds out what came of a `create` without an answer: it has to go as well."""
    work.step = "create"
    intent = work.history.intent
    if intent is None or intent.step != "create":
        return
    found = work.found()
    if found is not None:
        work.note("orphan", "create", id=found, says="the plan is rolled back")


def _settle_publish(work: Work) -> None:
    """Knows from when the new one was handed out where the answer to that was lost."""
    work.step = "publish"
    intent = work.history.intent
    if intent is None or intent.step != "publish":
        return
    version = work.asked(lambda: work.kept.published(work.address, work.stored_key))
    if version is not None:
        work.note("observed", "publish", version=version)
        work.note("done", "publish")


def _on(work: Work) -> None:
    work.step = "on"
    history = work.history
    if "off" not in history.tried or "on" in history.taken_back:
        return
    left = history.left
    if left is not None and left.state == "gone":
        raise HaltError("the old one is gone: somebody else deleted it, and it cannot come back")
    if history.first is not None and history.first.state == "live":
        _tell(work)
        if left is not None and left.state == "live" and history.intent is None:
            return
        work.absolute("on", ("live",))


def _restore(work: Work) -> None:
    work.step = "restore"
    history = work.history
    if "restore" in history.taken_back:
        return
    target, key = work.operation.target, work.key("restore")
    id = history.new_id or history.orphan
    if work.operation.capabilities.stores_itself:
        if id is None and "create" not in history.done:
            return
        before = history.first
        _tell(work)
        work.note("intent", "restore", key=key, id=id)
        answer: Effect | None = work.change_until(
            lambda: work.session.effect("restore", target, key, id=id, before=before)
        )
        request_id = None if answer is None else answer.request_id
        work.note("observed", "restore", request_id=request_id, **histories.told(work.observe()))
        work.note("done", "restore")
    elif history.version is not None:
        _restore_stored(work, history.version)


def _restore_stored(work: Work, version: str) -> None:
    def is_published() -> bool:
        return work.asked(lambda: work.kept.published(work.address, work.stored_key)) is not None

    intent = work.history.intent
    is_resumed = intent is not None and intent.step == "restore"
    if is_published():
        _tell(work)
        work.note("intent", "restore", key=work.stored_key, version=version)
        work.change_until(
            lambda: work.kept.restore(work.address, work.stored_key, version=version), lambda: not is_published()
        )
    elif not is_resumed:
        seen = work.asked(lambda: work.kept.observe(work.address)).get("version", "")
        if seen != version:
            raise HaltError(
                f"{work.address} holds version {seen}, which is neither the old nor the new secret: somebody else "
                "changed it, and it may still lead to the new one: see by hand where it leads, and end the new one at "
                "the provider once nobody needs it; this plan takes nothing more back"
            )
    work.note("observed", "restore", version=work.asked(lambda: work.kept.observe(work.address)).get("version", ""))
    work.note("done", "restore")


def _end_new(work: Work) -> None:
    work.step = "discard"
    history, operation = work.history, work.operation
    id = history.new_id or history.orphan
    is_staged = bool(history.tried & {"stage", "create"}) and work.store is not None
    if "discard" in history.taken_back or operation.capabilities.stores_itself or not (id or is_staged):
        return
    if id is not None:
        was_handed_out = "publish" in history.done
        wait_s = max((step.wait_s for step in operation.steps), default=0)
        seen = work.observe()
        if was_handed_out and seen.state == "gone":
            raise HaltError(
                f"the old one is gone: somebody else deleted it; the new one, {id}, is the only one left and is not "
                "ended: store it by hand, or end it by hand where nobody needs it"
            )
        since = history.taken_back.get("restore") if was_handed_out else None
        work.waits(
            waiting.for_return(operation.capabilities, seen, id, wait_s=wait_s, since=since, now=work.means.clock())
        )
    _tell(work)
    work.end_new(id)


def _tell(work: Work) -> None:
    work.means.tell(f"operation {work.operation.number}: {work.step} {work.operation.target.thing_id}")
