from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nhiscan.model import (
    Identity,
    IdentityMapping,
    Ownership,
    Partner,
    PartnerAccount,
    Person,
    PersonMail,
    Record,
    Sign,
)
from nhiscan.resolve import owners, partners
from tests.resolve.register_estate import account_alias, key, role, rows, scan, tag, trust

_N = "333333333333"
_JO = Person("jo@acme.example", name="Jo Doe", side="ours", status="active")


def _owned(*records: Record) -> list[tuple[Any, ...]]:
    """(address, role, source, verdict, status of the person)"""
    con = scan(*records)
    partners.run(con)
    owners.run(con)
    return rows(con, "select mail, role, source, verdict, person_status from identity_owners order by all")


def _evidence(*records: Record) -> str:
    con = scan(*records)
    owners.run(con)
    [(evidence,)] = rows(con, "select evidence from identity_owners")
    return str(evidence)


def test_a_decision_names_the_owner_before_the_register_and_tags() -> None:
    found = _owned(
        role(),
        IdentityMapping("sync", owner="ann@acme.example"),
        Ownership("identity", "sync", "bob@acme.example"),
        tag("owner", "jo@acme.example"),
    )
    assert found == [
        ("ann@acme.example", "other", "identity_map", "asserted", "unknown"),
        ("bob@acme.example", "other", "register", "lost", "unknown"),
        ("jo@acme.example", "other", "tag", "lost", "unknown"),
    ]


def test_a_decision_about_one_identity_beats_a_pattern() -> None:
    found = _owned(
        role(), IdentityMapping("*", owner="a@acme.example"), IdentityMapping("sync", owner="b@acme.example")
    )
    assert [(row[0], row[3]) for row in found] == [("a@acme.example", "lost"), ("b@acme.example", "asserted")]


@pytest.mark.parametrize("owned", ["sync", "AROA-sync", "aws:111111111111:role/sync"])
@pytest.mark.parametrize("kind", ["identity", "integration"])
def test_the_register_names_an_identity_by_id_native_id_or_name(kind: str, owned: str) -> None:
    found = _owned(role(), role("other"), Ownership(kind, owned, "jo@acme.example", role="technical"), _JO)
    assert found == [("jo@acme.example", "technical", "register", "asserted", "active")]


def test_the_owner_of_a_credential_answers_for_its_identity() -> None:
    found = _owned(role(), key("k1"), Ownership("credential", "k1", "jo@acme.example"), _JO)
    assert found == [("jo@acme.example", "other", "register", "asserted", "active")]


def test_owners_in_different_roles_are_both_owners() -> None:
    found = _owned(
        role(),
        Ownership("identity", "sync", "jo@acme.example", role="business"),
        Ownership("identity", "sync", "bob@acme.example", role="technical"),
    )
    assert [(row[0], row[3]) for row in found] == [("bob@acme.example", "asserted"), ("jo@acme.example", "asserted")]


def test_the_same_person_in_register_and_tag_is_one_row_with_both_evidences() -> None:
    records = (
        role(),
        Ownership("identity", "sync", "jo@acme.example", role="business"),
        tag("Owner", "Jo@acme.example"),
    )
    assert _owned(*records) == [("jo@acme.example", "business", "register", "asserted", "unknown")]
    assert "the register names" in _evidence(*records)
    assert "tag Owner" in _evidence(*records)


@pytest.mark.parametrize("value", ["jo@acme.example", "Jo Doe <jo@acme.example>", "mailto:jo@acme.example", "JO DOE"])
def test_a_tag_names_an_owner_by_address_or_by_the_only_person_of_that_name(value: str) -> None:
    assert _owned(role(), tag("owner", value), _JO) == [("jo@acme.example", "other", "tag", "asserted", "active")]


def test_a_name_that_two_people_share_names_nobody() -> None:
    assert _owned(role(), tag("owner", "Jo Doe"), _JO, Person("jo2@acme.example", name="Jo Doe", side="ours")) == []


def test_an_address_outside_the_company_in_a_tag_is_no_owner() -> None:
    assert _owned(role(), tag("owner", "jo@nordwind.example")) == []


def test_a_domain_that_only_ends_like_ours_is_not_ours() -> None:
    assert _owned(role(), tag("owner", "jo@notacme.example")) == []


def test_staff_of_a_partner_on_our_domain_are_no_owner_by_tag() -> None:
    ext = Person("ext@acme.example", side="partner", partner_id="P-1")
    assert _owned(role(), tag("owner", "ext@acme.example"), ext) == []


def test_whoever_created_an_identity_is_only_suggested() -> None:
    assert _owned(role(), tag("created_by", "jo@acme.example")) == [
        ("jo@acme.example", "other", "tag", "suggested", "unknown")
    ]


def test_a_tag_may_name_the_role() -> None:
    assert _owned(role(), tag("acme:technical-owner", "jo@acme.example"))[0][1] == "technical"


def test_the_business_owner_of_the_partner_stands_in() -> None:
    nordwind = Partner("P-1", "Nordwind", business_owner="jo@acme.example")
    found = _owned(nordwind, role(), trust(_N), account_alias("P-1", _N), _JO)
    assert found == [("jo@acme.example", "business", "partner", "asserted", "active")]


def test_the_business_owner_of_a_partner_that_is_only_suggested_does_not_stand_in() -> None:
    assert _owned(Partner("P-1", "Nordwind", business_owner="jo@acme.example"), role("nordwind-sync")) == []


def test_an_ownership_of_the_partner_names_its_business_owner() -> None:
    found = _owned(
        Partner("P-1", "Nordwind"),
        role(),
        trust(_N),
        account_alias("P-1", _N),
        Ownership("partner", "P-1", "jo@acme.example", role="business"),
        Ownership("partner", "P-1", "sec@acme.example", role="security"),
    )
    assert [row[:4] for row in found] == [("jo@acme.example", "business", "partner", "asserted")]


def test_a_business_owner_of_the_identity_beats_that_of_the_partner() -> None:
    found = _owned(
        Partner("P-1", "Nordwind", business_owner="jo@acme.example"),
        role(),
        trust(_N),
        account_alias("P-1", _N),
        Ownership("identity", "sync", "ann@acme.example", role="business"),
    )
    assert [(row[0], row[3]) for row in found] == [("ann@acme.example", "asserted"), ("jo@acme.example", "lost")]


def test_a_tagged_owner_stands_beside_the_business_owner_of_the_partner() -> None:
    found = _owned(
        Partner("P-1", "Nordwind", business_owner="jo@acme.example"),
        role(),
        trust(_N),
        account_alias("P-1", _N),
        tag("owner", "ann@acme.example"),
    )
    assert {row[3] for row in found} == {"asserted"}


def test_a_former_address_leads_to_the_person_of_today() -> None:
    found = _owned(role(), tag("owner", "jo@old.example"), _JO, PersonMail("jo@acme.example", "jo@old.example"))
    assert found == [("jo@acme.example", "other", "tag", "asserted", "active")]


@pytest.mark.parametrize(
    ("status", "left_on", "expected"),
    [
        ("active", None, "active"),
        (None, None, "active"),
        ("left", None, "left"),
        ("Leaver", None, "left"),
        ("inactive", None, "left"),
        ("active", date(2026, 1, 31), "left"),
        ("active", date(2026, 2, 1), "active"),
    ],
)
def test_a_person_has_left_by_status_or_by_date(status: str | None, left_on: date | None, expected: str) -> None:
    person = Person("jo@acme.example", side="ours", status=status, left_on=left_on)
    assert _owned(role(), tag("owner", "jo@acme.example"), person)[0][4] == expected


def test_a_person_listed_twice_has_left_only_when_both_rows_say_so() -> None:
    gone = Person("jo@acme.example", side="ours", status="left")
    assert _owned(role(), tag("owner", "jo@acme.example"), _JO, gone)[0][4] == "active"
    assert _owned(role(), tag("owner", "jo@acme.example"), gone, gone)[0][4] == "left"


def test_a_team_counts_as_an_owner_and_is_called_a_team() -> None:
    team = Person("crm-team@acme.example", name="CRM", side="ours")
    assert _owned(role(), tag("owner", "crm-team@acme.example"), team)[0][3] == "asserted"
    assert "(a team, not a person)" in _evidence(role(), tag("owner", "crm-team@acme.example"), team)


def test_an_owner_missing_from_the_list_of_people_is_said_to_be() -> None:
    assert "(not in the list of people)" in _evidence(role(), tag("owner", "who@acme.example"))


@pytest.mark.parametrize("kind", ["group", "entity"])
def test_what_only_groups_others_has_no_owner(kind: str) -> None:
    assert _owned(role("admins", kind=kind), Ownership("identity", "admins", "jo@acme.example")) == []


_ORG = "salesforce:00D000000000001AAA"


def _of_account(owner: str, *records: Record) -> list[tuple[Any, ...]]:
    user = Identity(f"{_ORG}:user/ann", "salesforce", _ORG, "human_user", "ann", "ann", False)
    account = PartnerAccount("salesforce", _ORG, "001D000000IqhSLIAZ", "Nordwind", owner_mail=owner)
    elsewhere = PartnerAccount("salesforce", "salesforce:00D000000000002AAA", account.account_id, "N", owner_mail=owner)
    return _owned(
        user, account, elsewhere, Sign(user.identity_id, kind="salesforce_account", value=account.account_id), *records
    )


def test_the_owner_of_an_account_answers_where_nobody_else_is_named() -> None:
    assert _of_account("jo@acme.example", _JO) == [("jo@acme.example", "business", "account", "asserted", "active")]


def test_the_register_beats_the_owner_of_an_account() -> None:
    found = _of_account("jo@acme.example", _JO, Ownership("identity", "ann", "bob@acme.example", role="business"))
    assert [(row[0], row[2], row[3]) for row in found] == [
        ("bob@acme.example", "register", "asserted"),
        ("jo@acme.example", "account", "lost"),
    ]


def test_the_business_owner_of_the_partner_beats_the_owner_of_an_account() -> None:
    north = Partner(
        "P-9", "Nordlicht", business_owner="bob@acme.example", source_system="salesforce", source_id="001D000000IqhSL"
    )
    found = _of_account("jo@acme.example", _JO, north)
    assert [(row[0], row[2], row[3]) for row in found] == [
        ("bob@acme.example", "partner", "asserted"),
        ("jo@acme.example", "account", "lost"),
    ]


def test_an_owner_of_an_account_who_is_not_ours_answers_for_nothing() -> None:
    assert _of_account("x@elsewhere.example") == []
