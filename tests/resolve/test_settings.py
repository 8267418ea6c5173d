"""Policy values of a CRM, and to how many people from outside each of them applies."""

from __future__ import annotations

from nhiscan.model import Membership, Setting
from nhiscan.resolve import crm_facts, facts, partners
from tests.resolve.crm_estate import Crm, rows

NAME = "password.min_length"


def affected(crm: Crm) -> list[tuple[object, ...]]:
    return rows(
        crm.resolve(partners.run, facts.run, crm_facts.run),
        "select split_part(setting_id, ':setting/', 2), number, affected, partners, partner_names "
        "from setting_facts order by setting_id",
    )


def test_a_value_of_the_whole_org_applies_to_all_outsiders_without_a_narrower_one() -> None:
    crm = Crm()
    ann, ben = crm.partner_user("ann"), crm.partner_user("ben", "P-2")
    crm.identity("staff")
    crm.partner_user("zed", None)
    profile = crm.group("profile", "Partner", ann)
    crm.set(NAME, 8)
    crm.set(NAME, 12, profile)
    crm.set("session.idle_minutes", 30)
    assert ben
    assert affected(crm) == [
        (NAME, 8, 2, 1, "Südlicht AG"),
        (f"{NAME}/profile/Partner", 12, 1, 1, "Nordwind GmbH"),
        ("session.idle_minutes", 30, 3, 2, "Nordwind GmbH, Südlicht AG"),
    ]


def test_machines_guests_and_whoever_is_locked_out_have_no_password_to_weaken() -> None:
    crm = Crm()
    crm.partner_user("bot", is_nhi=True, kind="service_account")
    crm.partner_user("guest", None, is_nhi=None, kind="guest")
    crm.partner_user("gone", status="disabled")
    crm.set(NAME, 8)
    assert affected(crm) == [(NAME, 8, 0, 0, None)]


def test_a_value_for_a_set_reaches_those_who_are_in_it_through_another() -> None:
    crm = Crm()
    outer = crm.group("permission_set_group", "Bundle", crm.partner_user("ann"))
    inner = crm.group("permission_set", "Inner")
    crm.add(Membership(outer, inner))
    crm.set(NAME, 12, inner)
    assert affected(crm) == [(f"{NAME}/permission_set/Inner", 12, 1, 1, "Nordwind GmbH")]


def test_a_value_for_something_that_was_not_collected_applies_to_nobody_known() -> None:
    crm = Crm()
    crm.partner_user("ann")
    crm.set(NAME, 12, "My domain")
    crm.set(NAME, 8)
    assert affected(crm) == [(NAME, 8, 1, 1, "Nordwind GmbH"), (f"{NAME}/My domain", 12, 0, 0, None)]


def test_a_value_that_is_said_twice_is_one() -> None:
    crm = Crm()
    crm.set(NAME, 12)
    crm.set(NAME, 8)
    assert affected(crm) == [(NAME, 8, 0, 0, None)]


def test_settings_of_other_systems_stay_out() -> None:
    crm = Crm()
    crm.add(Setting("aws", "aws:111111111111", "iam.password.min_length", "8", 8))
    assert affected(crm) == []
