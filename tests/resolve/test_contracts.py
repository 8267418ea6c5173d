from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from nhiscan.model import Contract, ContractEvent, ContractTenant, Partner, Quarantined, Record, RegisterFile
from nhiscan.resolve import contracts, partners
from tests.resolve.register_estate import NORDWIND, A, B, account_alias, role, rows, scan, tenant, trust

_N = "333333333333"
_HELD = (NORDWIND, role(), trust(_N), account_alias("P-1", _N))
_ENDED = date(2025, 9, 30)
_AFTER = datetime(2025, 10, 1)


def _contract(contract_id: str = "C-1", partner_id: str = "P-1", **fields: Any) -> Contract:
    return Contract(contract_id, partner_id, **({"kind": "msp", "status": "active"} | fields))


def _states(*records: Record, columns: str = "is_ended, ended_at, has_contract") -> list[tuple[Any, ...]]:
    con = scan(*records)
    partners.run(con)
    contracts.run(con)
    return rows(con, f"select {columns} from partner_tenants order by partner_id, tenant_id")


def test_a_contract_ends_with_the_first_moment_after_its_last_day() -> None:
    assert _states(*_HELD, _contract(end_date=_ENDED)) == [(True, _AFTER, False)]


def test_a_contract_lasts_through_its_last_day() -> None:
    assert _states(*_HELD, _contract(end_date=date(2026, 1, 31))) == [(False, None, True)]
    assert _states(*_HELD, _contract(end_date=date(2026, 1, 30))) == [(True, datetime(2026, 1, 31), False)]


def test_a_contract_without_an_end_is_in_force() -> None:
    assert _states(*_HELD, _contract()) == [(False, None, True)]


@pytest.mark.parametrize("kind", ["nda", "dpa", "NDA"])
def test_an_nda_or_dpa_never_keeps_a_partner_alive(kind: str) -> None:
    assert _states(*_HELD, _contract(end_date=_ENDED), _contract("C-2", kind=kind)) == [(True, _AFTER, False)]


def test_an_nda_that_grants_access_by_its_own_word_counts() -> None:
    assert _states(*_HELD, _contract(kind="nda", grants_access=True)) == [(False, None, True)]


def test_a_contract_that_grants_no_access_by_its_own_word_does_not_count() -> None:
    assert _states(*_HELD, _contract(grants_access=False)) == [(False, None, False)]


def test_without_any_contract_nothing_ended_and_nothing_is_in_force() -> None:
    assert _states(*_HELD, columns="is_ended, ended_at, has_contract, reason") == [
        (False, None, False, "no contract on record")
    ]


def test_one_contract_in_force_outweighs_every_ended_one() -> None:
    found = _states(*_HELD, _contract(end_date=_ENDED), _contract("C-2"), columns="is_ended, contract_id")
    assert found == [(False, "C-2")]


def test_the_last_contract_to_end_decides() -> None:
    found = _states(
        *_HELD,
        _contract(end_date=_ENDED),
        _contract("C-2", end_date=date(2025, 3, 31), register_row="contracts.csv:3"),
        columns="is_ended, ended_at, contract_id",
    )
    assert found == [(True, _AFTER, "C-1")]


def test_auto_renewal_without_notice_is_in_force_but_unconfirmed() -> None:
    found = _states(
        *_HELD, _contract(end_date=_ENDED, auto_renew=True), columns="is_ended, has_contract, is_renewal_unconfirmed"
    )
    assert found == [(False, True, True)]


def test_a_confirmed_contract_beside_an_unconfirmed_one_is_confirmed() -> None:
    found = _states(
        *_HELD,
        _contract(end_date=_ENDED, auto_renew=True),
        _contract("C-2", end_date=date(2026, 6, 30)),
        columns="contract_id, is_renewal_unconfirmed",
    )
    assert found == [("C-2", False)]


def test_notice_ends_a_contract_that_would_renew_itself() -> None:
    assert _states(*_HELD, _contract(end_date=_ENDED, auto_renew=True, notice_date=date(2025, 6, 1))) == [
        (True, _AFTER, False)
    ]


def test_notice_before_the_last_day_does_not_end_it_early() -> None:
    still = _contract(end_date=date(2026, 6, 30), auto_renew=True, notice_date=date(2026, 1, 1))
    assert _states(*_HELD, still) == [(False, None, True)]


def test_a_termination_ends_a_contract_before_its_end() -> None:
    found = _states(*_HELD, _contract(status="terminated", terminated_on=_ENDED, end_date=date(2027, 1, 1)))
    assert found == [(True, _AFTER, False)]


def test_a_termination_that_lies_ahead_has_not_ended_anything() -> None:
    found = _states(*_HELD, _contract(status="terminated", terminated_on=date(2026, 3, 31)))
    assert found == [(False, None, True)]


def test_a_termination_without_a_date_takes_the_newest_event() -> None:
    found = _states(
        *_HELD,
        _contract(status="terminated", end_date=date(2024, 1, 1)),
        ContractEvent("C-1", "terminated", occurred=date(2024, 5, 1)),
        ContractEvent("C-1", "Terminated", occurred=_ENDED),
        ContractEvent("C-1", "renewed", occurred=date(2025, 12, 1)),
    )
    assert found == [(True, _AFTER, False)]


def test_a_termination_without_date_and_event_takes_the_end() -> None:
    assert _states(*_HELD, _contract(status="terminated", end_date=_ENDED)) == [(True, _AFTER, False)]


@pytest.mark.parametrize("status", ["terminated", "expired"])
def test_a_contract_that_is_over_without_any_date_ended_at_an_unknown_time(status: str) -> None:
    assert _states(*_HELD, _contract(status=status)) == [(True, None, False)]


def test_an_end_of_unknown_time_makes_the_time_of_all_unknown() -> None:
    found = _states(*_HELD, _contract(end_date=_ENDED), _contract("C-2", status="terminated"))
    assert found == [(True, None, False)]


def test_an_expired_contract_does_not_renew_itself() -> None:
    assert _states(*_HELD, _contract(status="expired", end_date=_ENDED, auto_renew=True)) == [(True, _AFTER, False)]


def test_a_contract_called_expired_before_its_end_cannot_be_judged() -> None:
    assert _states(*_HELD, _contract(status="expired", end_date=date(2026, 6, 30))) == [(None, None, None)]


@pytest.mark.parametrize("status", ["active", "terminated", "expired"])
def test_an_unreadable_date_never_ends_a_contract(status: str) -> None:
    assert _states(*_HELD, _contract(status=status, end_date=_ENDED, dates_readable=False)) == [(None, None, None)]


def test_a_suspended_contract_has_not_ended_and_is_not_in_force() -> None:
    assert _states(*_HELD, _contract(status="suspended")) == [(False, None, False)]


def test_a_draft_grants_nothing() -> None:
    assert _states(*_HELD, _contract(status="draft")) == [(False, None, False)]
    assert _states(*_HELD, _contract(status="draft"), _contract("C-2", end_date=_ENDED)) == [(True, _AFTER, False)]


def test_a_contract_that_starts_later_is_not_in_force_yet() -> None:
    later = _contract("C-2", start_date=date(2026, 2, 1))
    assert _states(*_HELD, later) == [(False, None, False)]
    [(is_ended, reason)] = _states(*_HELD, _contract(end_date=_ENDED), later, columns="is_ended, reason")
    assert is_ended
    assert reason.endswith("contract C-2 (msp) starts on 2026-02-01")


def test_a_contract_starts_on_its_first_day() -> None:
    assert _states(*_HELD, _contract(start_date=date(2026, 1, 31))) == [(False, None, True)]


def test_the_revoke_time_limit_runs_from_the_end() -> None:
    found = _states(*_HELD, _contract(end_date=_ENDED, revoke_sla_hours=48), columns="revoke_by, register_row")
    assert found == [(datetime(2025, 10, 3), None)]
    assert _states(*_HELD, _contract(end_date=_ENDED), columns="revoke_by") == [(None,)]


# tenants


def _both(*records: Record) -> list[tuple[Any, ...]]:
    here_and_there = (NORDWIND, role(), role(account=B), trust(_N), trust(_N, ours=B), account_alias("P-1", _N))
    return _states(*here_and_there, *records, columns="tenant_id, is_ended")


@pytest.mark.parametrize("written", [f"aws:{B}", B])
def test_a_contract_that_ends_in_one_tenant_ends_only_there(written: str) -> None:
    found = _both(
        _contract(), ContractTenant("C-1", tenant(A)), _contract("C-2", end_date=_ENDED), ContractTenant("C-2", written)
    )
    assert found == [(tenant(A), False), (tenant(B), True)]


def test_a_contract_without_tenants_covers_all() -> None:
    assert _both(_contract(end_date=_ENDED)) == [(tenant(A), True), (tenant(B), True)]


def test_a_contract_for_another_tenant_is_no_contract_here() -> None:
    found = _states(*_HELD, _contract(), ContractTenant("C-1", tenant(B)), columns="is_ended, has_contract, reason")
    assert found == [(False, False, "no contract on record for this tenant")]


def test_a_contract_whose_tenants_we_do_not_know_covers_none_of_ours() -> None:
    found = _states(*_HELD, _contract(), ContractTenant("C-1", "aws:999999999999"), columns="has_contract")
    assert found == [(False,)]


def test_a_tenant_where_the_partner_holds_nothing_has_no_row() -> None:
    assert _states(NORDWIND, role("nordwind-sync"), _contract()) == []


# parents


def _below(relation: str | None, *more: Record, covers: bool | None = True) -> list[tuple[Any, ...]]:
    return _states(
        Partner("P-0", "Holding"),
        Partner("P-1", "Nordwind", parent_id="P-0", relation=relation),
        *_HELD[1:],
        _contract(partner_id="P-0", covers_subsidiaries=covers),
        *more,
        columns="has_contract",
    )


@pytest.mark.parametrize("relation", ["subsidiary", "brand", None])
def test_a_contract_of_the_parent_covers_partners_below_it(relation: str | None) -> None:
    assert _below(relation) == [(True,)]


def test_a_contract_of_the_parent_does_not_cover_a_sub_processor() -> None:
    assert _below("sub_processor") == [(False,)]


@pytest.mark.parametrize("covers", [False, None])
def test_a_contract_that_does_not_say_so_covers_nobody_below(covers: bool | None) -> None:
    assert _below("subsidiary", covers=covers) == [(False,)]


def test_a_contract_covers_at_any_depth_and_circles_do_no_harm() -> None:
    found = _states(
        Partner("P-8", "Top", parent_id="P-1", relation="subsidiary"),
        Partner("P-9", "Middle", parent_id="P-8", relation="subsidiary"),
        Partner("P-1", "Nordwind", parent_id="P-9", relation="subsidiary"),
        *_HELD[1:],
        _contract(partner_id="P-8", covers_subsidiaries=True),
        columns="partner_id, has_contract",
    )
    assert found == [("P-1", True)]


def test_a_contract_of_the_child_does_not_cover_the_parent() -> None:
    found = _states(
        *_HELD,
        Partner("P-2", "Child", parent_id="P-1", relation="subsidiary"),
        _contract(partner_id="P-2", covers_subsidiaries=True),
        columns="has_contract",
    )
    assert found == [(False,)]


def test_a_reason_names_the_contract_and_the_day() -> None:
    assert _states(*_HELD, _contract(end_date=_ENDED), columns="reason") == [
        ("contract C-1 (msp) does not renew itself; its last day was 2025-09-30",)
    ]


@pytest.mark.parametrize("end", [date(2025, 12, 31), date(2026, 12, 31), None])
def test_a_contract_row_that_was_not_accepted_leaves_the_end_of_its_partner_open(end: date | None) -> None:
    lost = Quarantined("contracts.csv", 7, "kind", "?", "is no known kind", partner_id="P-1")
    file = RegisterFile("contracts.csv", "contracts", 2, 1)
    contract = [] if end is None else [_contract(end_date=end)]
    ((is_ended, ended_at, reason),) = _states(*_HELD, *contract, lost, file, columns="is_ended, ended_at, reason")
    assert (is_ended, ended_at) == (None, None)
    assert "contracts.csv:7 was not accepted" in reason


def test_a_lost_row_of_another_partner_or_table_changes_nothing() -> None:
    other = Quarantined("contracts.csv", 7, "kind", "?", "is no known kind", partner_id="P-2")
    alias = Quarantined("aliases.csv", 3, "kind", "?", "is no known kind", partner_id="P-1")
    files = [RegisterFile("contracts.csv", "contracts", 2, 1), RegisterFile("aliases.csv", "aliases", 2, 1)]
    assert _states(*_HELD, _contract(end_date=_ENDED), other, alias, *files, columns="is_ended") == [(True,)]
