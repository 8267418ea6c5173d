"""Who is in which profile, permission set, role or group of a CRM."""

from __future__ import annotations

from nhiscan.model import Membership
from nhiscan.resolve import crm_facts, facts, partners
from tests.resolve.crm_estate import Crm, rows

COLUMNS = "members, internal_members, external_members, partners, partner_names, tiers, tier_names"


def test_a_role_says_whose_people_are_in_it() -> None:
    crm = Crm()
    ann, ben, zed = crm.partner_user("ann"), crm.partner_user("ben", "P-2"), crm.partner_user("zed", None)
    crm.group("profile", "Mixed", ann, ben, zed, crm.identity("staff"))
    crm.group("public_group", "Ours", crm.identity("clerk"), crm.identity("gone", status="disabled"))
    crm.group("role", "Empty")
    bundle = crm.group("permission_set_group", "Bundle", ann)
    inner = crm.group("permission_set", "Inner", ben)
    crm.add(Membership(bundle, inner), Membership(ann, inner))
    con = crm.resolve(partners.run, facts.run, crm_facts.run)
    assert rows(con, f"select kind, name, {COLUMNS} from role_facts order by name") == [
        ("permission_set_group", "Bundle", 1, 0, 1, 1, "Nordwind GmbH", 1, "gold"),
        ("role", "Empty", 0, 0, 0, 0, None, 0, None),
        ("permission_set", "Inner", 2, 0, 2, 2, "Nordwind GmbH, Südlicht AG", 2, "gold, silver"),
        ("profile", "Mixed", 4, 1, 3, 2, "Nordwind GmbH, Südlicht AG", 2, "gold, silver"),
        ("public_group", "Ours", 1, 1, 0, 0, None, 0, None),
    ]


def test_groups_that_contain_each_other_end() -> None:
    crm = Crm()
    one, two = crm.group("public_group", "One", crm.partner_user("ann")), crm.group("public_group", "Two")
    crm.add(Membership(one, two), Membership(two, one))
    con = crm.resolve(partners.run, facts.run, crm_facts.run)
    assert rows(con, "select name, members from role_facts order by name") == [("One", 1), ("Two", 1)]
