"""In which order the items of a plan are done, so that no door opens again and nothing is ended under another."""

from __future__ import annotations

from collections.abc import Iterable

from nhiscan.remediate.plan import Guided, Operation

Item = Operation | Guided


def safe(ranked: Iterable[tuple[tuple[int, int], Item]]) -> list[Item]:
    """By rank, the lowest first: access, then delegations, shared secrets, integrations.

    What can be switched off shuts the door before what came in by it is thrown out, or it comes in again: a user is
    frozen before its tokens are revoked. What can only be ended for good takes what hangs on it with it, and that would
    then be found changed by somebody else, or could not be taken back any more: a role goes after its trusts.
    """
    order = sorted(ranked, key=lambda each: each[0])
    moved = [each for each in order if _ends_its_holdings(each[1])]
    for each in moved:
        holder = each[1]
        hanging = [at for at, (_, item) in enumerate(order) if _hangs_on(item, holder)]
        here = order.index(each)
        if hanging and max(hanging) > here:
            order.insert(max(hanging) + 1, each)
            del order[here]
    return [item for _, item in order]


def _ends_its_holdings(item: Item) -> bool:
    return (
        isinstance(item, Operation)
        and item.target.thing_kind in ("identity", "app")
        and any(step.step == "delete" for step in item.steps)
    )


def _hangs_on(item: Item, holder: Item) -> bool:
    return (
        isinstance(item, Operation)
        and isinstance(holder, Operation)
        and item.target.tenant_id == holder.target.tenant_id
        and item.target.thing_kind in ("credential", "trust", "membership")
        and item.target.holder_native_id == holder.target.native_id
    )
