from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from nhiscan.model import (
    Contract,
    ContractEvent,
    Credential,
    Identity,
    Offboarding,
    OffboardingStep,
    Record,
    Resource,
    Review,
    StoredSecret,
)
from nhiscan.resolve import contracts, facts, holdings, offboardings, owners, partners, resources, sightings
from tests.resolve.register_estate import (
    NORDWIND,
    B,
    account_alias,
    covered,
    role,
    role_id,
    rows,
    scan,
    tenant,
    trust,
)

_N = "333333333333"
_OPENED = datetime(2026, 1, 10, tzinfo=UTC)
_READ = ("identities", "credentials", "trusts", "stored_secrets", "resources", "grants", "memberships")
_USER = f"{tenant()}:user/feed"


def _user(**fields: Any) -> Record:
    values: dict[str, Any] = {
        "kind": "service_account",
        "native_id": "AIDAFEED",
        "is_nhi": True,
        "name": "feed",
    } | fields
    return Identity(_USER, "aws", tenant(), **values)


def _key(name: str = "AKIAFEED", **fields: Any) -> Record:
    values: dict[str, Any] = {"kind": "access_key", "status": "active", "is_replaceable": True} | fields
    return Credential(
        f"{tenant()}:access_key/{name}", _USER, provider="aws", tenant_id=tenant(), native_id=name, **values
    )


def _seen(
    target: str | None,
    *records: Record | Iterable[Record],
    action: str = "revoke_access",
    kind: str | None = None,
    opened: datetime | None = _OPENED,
    read: Iterable[Record] | None = None,
) -> tuple[bool | None, str]:
    """is_gone and seen of the one step of one offboarding."""
    con = scan(
        NORDWIND,
        Offboarding("O-1", "P-1", opened_at=opened),
        OffboardingStep("O-1", 1, action, kind, target),
        covered(*_READ) if read is None else read,
        *records,
    )
    for stage in (partners, owners, contracts, facts, resources, sightings, holdings, offboardings):
        stage.run(con)
    ((is_gone, seen),) = rows(con, "select is_gone, seen from step_facts")
    return is_gone, seen


def test_a_key_that_works_is_not_gone() -> None:
    assert _seen("AKIAFEED", _user(), _key()) == (False, "credential is still there and opens something")


def test_a_key_switched_off_is_gone() -> None:
    assert _seen(f"{tenant()}:access_key/AKIAFEED", _user(), _key(status="inactive"))[0] is True


def test_a_key_switched_off_is_not_gone_where_credentials_were_not_all_read() -> None:
    read = [*covered("identities"), *covered("credentials", status="partial")]
    assert _seen("AKIAFEED", _user(), _key(status="inactive"), read=read)[0] is None


def test_what_has_no_id_any_more_is_gone_where_everything_was_read() -> None:
    is_gone, seen = _seen(f"{tenant()}:access_key/AKIAFEED", _user())
    assert (is_gone, seen) == (True, f"nothing in {tenant()} has this id any more")


def test_what_has_no_id_any_more_is_not_gone_where_something_was_not_read() -> None:
    read = [*covered("identities"), *covered("credentials", status="denied")]
    is_gone, seen = _seen(f"{tenant()}:access_key/AKIAFEED", _user(), kind="credential", read=read)
    assert is_gone is None
    assert seen == f"not found in {tenant()}, of which was not read: credentials"


def test_an_identity_needs_no_trusts_to_be_gone() -> None:
    assert _seen(f"{tenant()}:user/other", _user(), kind="identity", read=covered("identities"))[0] is True


def test_carried_rows_prove_nothing() -> None:
    read = [*covered("identities", status="carried"), *covered("credentials", status="carried")]
    assert _seen(f"{tenant()}:access_key/AKIAFEED", _user(), _key(), read=read)[0] is None
    assert _seen(f"{tenant()}:access_key/AKIAGONE", _user(), _key(), read=read)[0] is None


def test_a_name_that_nothing_has_proves_nothing() -> None:
    assert _seen("AKIAGONE", _user(), _key()) == (
        None,
        "nothing that was read has this id or name, and it does not say in which system it was",
    )


def test_a_name_counts_only_for_what_the_partner_holds() -> None:
    stranger = _seen("feed", _user(), _key())
    assert stranger == (None, "something has this name, but nothing says that it is the partner's")


def test_a_step_without_a_target_is_about_everything_of_its_kind() -> None:
    theirs = [role(), account_alias("P-1", _N), trust(_N)]
    everything = covered(*_READ, account=B) + covered(*_READ)
    is_gone, seen = _seen(None, *theirs, action="remove_delegation", read=everything)
    assert (is_gone, seen) == (False, f"sync trusts arn:aws:iam::{_N}:root still opens something")
    assert _seen(None, role(), action="remove_delegation", read=everything) == (True, "nothing of the kind is left")


def test_a_step_without_a_target_is_open_where_something_was_not_read() -> None:
    read = [*covered("trusts", "grants"), *covered("trusts", account=B), *covered("grants", account=B, status="denied")]
    is_gone, seen = _seen(None, role(), action="remove_delegation", read=read)
    assert is_gone is None
    assert seen == f"nothing of the kind was found, but not everything was read: {tenant(B)}: grants"


def test_a_step_without_a_target_leaves_out_where_a_contract_is_in_force() -> None:
    theirs = [role(), account_alias("P-1", _N), trust(_N), Contract("C-1", "P-1", status="active")]
    assert _seen(None, *theirs, action="remove_delegation")[0] is True


def test_no_scan_sees_data_returned() -> None:
    assert _seen("contract archive", action="return_data")[0] is None


def test_a_disabled_identity_is_gone_though_a_key_of_it_is_active() -> None:
    assert _seen(_USER, _user(status="disabled"), _key()) == (True, "identity is disabled and opens nothing")


def test_a_trust_that_stands_is_not_gone_and_one_that_fell_is() -> None:
    standing = [role(), account_alias("P-1", _N), trust(_N)]
    target = f"{role_id('sync')}<-{_N}"
    assert _seen(target, *standing, action="remove_delegation")[0] is False
    assert _seen(target, role(), action="remove_delegation", kind="trust")[0] is True


def test_an_account_number_finds_each_trust_of_it() -> None:
    standing = [role(), role("other"), account_alias("P-1", _N), trust(_N), trust(_N, on="other")]
    assert _seen(_N, *standing, action="remove_delegation") == (False, "trust is still there and opens something")


def _secret(changed: datetime | None) -> list[Record]:
    resource_id = f"{tenant()}:secret/eu-central-1/feed"
    return [
        Resource(resource_id, "aws", tenant(), "secret", "feed", "arn:feed"),
        StoredSecret(resource_id, kind="secret", updated_at=changed),
    ]


def test_a_secret_is_gone_once_its_value_is_newer_than_the_offboarding() -> None:
    target = f"{tenant()}:secret/eu-central-1/feed"
    new, old = datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 9, tzinfo=UTC)
    assert _seen(target, _secret(new), action="rotate_shared_secret") == (True, "secret was replaced on 2026-01-11")
    assert _seen(target, _secret(old), action="rotate_shared_secret")[0] is False
    assert _seen(target, _secret(_OPENED), action="rotate_shared_secret")[0] is False
    assert _seen(target, _secret(None), action="rotate_shared_secret")[0] is None
    assert _seen(target, _secret(new), action="rotate_shared_secret", opened=None)[0] is None


def test_a_secret_in_a_store_that_was_not_read_is_open() -> None:
    target = f"{tenant()}:secret/eu-central-1/feed"
    read = [*covered("identities", "credentials", "resources"), *covered("stored_secrets", status="denied")]
    assert _seen(target, action="rotate_shared_secret", kind="secret", read=read)[0] is None


def test_an_identity_is_rotated_when_everything_it_can_be_used_with_is_new() -> None:
    new, old = datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 9, tzinfo=UTC)
    both = [_user(), _key("AKIANEW", created_at=new), _key("AKIAOLD", created_at=old)]
    assert _seen(_USER, *both, action="rotate_shared_secret")[0] is False
    assert _seen(_USER, *both[:2], action="rotate_shared_secret")[0] is True
    assert _seen(_USER, *both[:2], _key("AKIANODATE"), action="rotate_shared_secret")[0] is None


def _clock(*records: Record, columns: str = "began_at, due_at, due_by") -> tuple[Any, ...]:
    con = scan(NORDWIND, covered(*_READ), *records)
    for stage in (partners, owners, contracts, facts, resources, sightings, holdings, offboardings):
        stage.run(con)
    (row,) = rows(con, f"select {columns} from offboarding_facts")
    return row


def _ending(on: date, **fields: Any) -> Contract:
    return Contract("C-1", "P-1", status="active", end_date=on, auto_renew=False, **fields)


def test_a_day_that_an_offboarding_is_due_beats_the_contract() -> None:
    due = datetime(2026, 1, 12, tzinfo=UTC)
    found = _clock(Offboarding("O-1", "P-1", "C-1", _OPENED, due), _ending(date(2025, 12, 31), revoke_sla_hours=24))
    assert found == (datetime(2026, 1, 10), datetime(2026, 1, 12), "offboarding")


def test_the_hours_of_a_contract_run_from_its_end_however_late_the_offboarding_was_opened() -> None:
    found = _clock(Offboarding("O-1", "P-1", None, _OPENED), _ending(date(2025, 12, 31), revoke_sla_hours=24))
    assert found == (datetime(2026, 1, 10), datetime(2026, 1, 2), "contract")


def test_an_offboarding_opened_ahead_begins_with_the_end_of_its_contract() -> None:
    found = _clock(Offboarding("O-1", "P-1", "C-1", _OPENED), _ending(date(2026, 2, 28), revoke_sla_hours=24))
    assert found == (datetime(2026, 3, 1), datetime(2026, 3, 2), "contract")


def test_an_offboarding_that_is_due_before_the_contract_ends_begins_at_once() -> None:
    due = datetime(2026, 1, 12, tzinfo=UTC)
    found = _clock(Offboarding("O-1", "P-1", "C-1", _OPENED, due), _ending(date(2026, 2, 28)))
    assert found == (datetime(2026, 1, 10), datetime(2026, 1, 12), "offboarding")


def test_without_days_nothing_is_known_of_the_clock() -> None:
    assert _clock(Offboarding("O-1", "P-1")) == (None, None, None)
    assert _clock(Offboarding("O-1", "P-1", closed_at=_OPENED), columns="hours") == (None,)


def test_a_begun_hour_counts() -> None:
    closed = datetime(2026, 1, 10, 1, 0, 1, tzinfo=UTC)
    assert _clock(Offboarding("O-1", "P-1", None, _OPENED, closed_at=closed), columns="hours") == (2,)


@pytest.mark.parametrize(
    ("closed", "hours"), [(None, None), (datetime(2026, 1, 20, 12, tzinfo=UTC), 0)], ids=["runs", "closed ahead"]
)
def test_no_hours_have_passed_before_the_clock_began(closed: datetime | None, hours: int | None) -> None:
    ahead = Offboarding("O-1", "P-1", "C-1", _OPENED, closed_at=closed)
    step = OffboardingStep("O-1", 1, "notify", done_at=closed)
    asked = "hours, (select hours from step_facts)"
    assert _clock(ahead, step, _ending(date(2026, 2, 28)), columns=asked) == (hours, hours)


def test_what_is_to_be_done_closed_or_verified_some_day_is_neither_yet() -> None:
    some_day = datetime(2031, 1, 1, tzinfo=UTC)
    ahead = Offboarding(
        "O-1", "P-1", None, _OPENED, closed_at=some_day, verified_at=some_day, verified_by="kim@acme.example"
    )
    asked = "closed_at, verified_at, verified_by, steps_done, hours < 24 * 365, (select done_at from step_facts)"
    step = OffboardingStep("O-1", 1, "notify", done_at=some_day)
    assert _clock(ahead, step, columns=asked) == (None, None, None, 0, True, None)


def test_a_checkpoint_that_is_to_be_held_some_day_was_not_held() -> None:
    some_day = datetime(2031, 1, 1, tzinfo=UTC)
    con = scan(
        NORDWIND,
        Contract("C-1", "P-1", status="terminated"),
        ContractEvent("C-1", "Terminated", date(2026, 1, 8)),
        Offboarding("O-1", "P-1", "C-1", some_day, closed_at=some_day),
        Review("V-1", "access", "P-1", completed_at=some_day),
    )
    for stage in (partners, owners, contracts, facts, resources, sightings, holdings, offboardings):
        stage.run(con)
    found = rows(con, "select checkpoint_id, held_at, days_after, closed_at from event_checkpoints order by all")
    assert found == [("O-1", None, None, None), ("V-1", None, None, None)]


def test_reviews_and_offboardings_stand_beside_the_events_of_the_partners_contracts() -> None:
    con = scan(
        NORDWIND,
        Contract("C-1", "P-1", status="terminated"),
        ContractEvent("C-1", "Terminated", date(2026, 1, 8)),
        Offboarding("O-1", "P-1", "C-1", _OPENED),
        Offboarding("O-2", "P-2", None, _OPENED),
        Review("V-1", "access", "P-1", completed_at=datetime(2026, 1, 5, tzinfo=UTC)),
    )
    for stage in (partners, owners, contracts, facts, resources, sightings, holdings, offboardings):
        stage.run(con)
    found = rows(con, "select type, kind, checkpoint_id, is_of_contract, days_after from event_checkpoints")
    assert found == [("terminated", "offboarding", "O-1", True, 2), ("terminated", "review", "V-1", False, -3)]
