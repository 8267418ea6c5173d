"""How far rights to the records of a CRM go in the common verbs, and what is told to many who hold the same."""

from __future__ import annotations

from typing import Any, Final

import pytest

from nhiscan.model import Membership
from nhiscan.resolve import privileges
from tests.resolve.crm_estate import Crm, rows

# As the collector's table says, a right to one object never goes further than a set.
SELF, SET = ("self", "definite"), ("set", "definite")
MAYBE: Final = ("set", "potential")


def scopes(crm: Crm, name: str = "ann", verb: str = "read-data") -> list[tuple[Any, ...]]:
    return rows(
        crm.resolve(privileges.run),
        "select scope, certainty from privileges join identities i using (identity_key) "
        "where i.name = ? and verb = ? order by all",
        [name, verb],
    )


@pytest.mark.parametrize(
    ("internal", "external", "insider", "outsider"),
    [
        ("private", "private", [SELF], [SELF]),
        ("read", "private", [SET], [SELF]),
        ("write", "read", [SET], [SET]),
        ("parent", "private", [SELF, MAYBE], [SELF]),
        ("private", None, [SELF], [SELF, MAYBE]),
    ],
)
def test_the_sharing_of_an_object_says_how_far_a_right_to_read_it_goes(
    internal: str, external: str | None, insider: list[Any], outsider: list[Any]
) -> None:
    crm = Crm()
    staff, ann = crm.identity("staff"), crm.partner_user("ann")
    crm.give(crm.group("profile", "All", staff, ann), "object:read", crm.object("Lead", internal, external))
    assert (scopes(crm, "staff"), scopes(crm, "ann")) == (insider, outsider)


@pytest.mark.parametrize(("sharing", "scope"), [("private", SELF), ("read", SELF), ("write", SET)])
def test_a_default_to_read_lets_nobody_write_more(sharing: str, scope: tuple[str, str]) -> None:
    crm = Crm()
    crm.give(crm.partner_user("ann"), "object:read,object:edit", crm.object("Lead", "private", sharing))
    assert scopes(crm, verb="write-data") == [scope]


@pytest.mark.parametrize(("scope", "found"), [("own", SELF), ("account", SET), ("team", SET), ("all", SET)])
def test_a_scope_of_the_grant_decides_before_the_sharing(scope: str, found: tuple[str, str]) -> None:
    crm = Crm()
    crm.give(crm.partner_user("ann"), "object:read", crm.object("Lead", "write", "write"), record_scope=scope)
    assert scopes(crm) == [found]


@pytest.mark.parametrize(("rule", "writing"), [("sharing:read", [SELF]), ("sharing:edit", [SET])])
def test_a_sharing_rule_widens_what_is_held_through_another_group(rule: str, writing: list[Any]) -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    lead = crm.object("Lead")
    crm.give(crm.group("profile", "Partner", ann), "object:read,object:edit", lead)
    crm.give(crm.group("role", "North", ann), rule, lead, source="sharing_rule")
    assert scopes(crm) == [SET]
    assert scopes(crm, verb="write-data") == writing


def test_a_sharing_rule_or_a_right_to_a_field_allows_nothing_alone() -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    crm.object("Lead")
    crm.give(crm.group("role", "North", ann), "sharing:edit", crm.object("Case"))
    crm.give(ann, "field:read,field:edit", crm.field("Lead", "Rating"))
    assert rows(crm.resolve(privileges.run), "select verb, level from privileges") == [("none", 0)]


def test_own_records_are_level_1() -> None:
    crm = Crm()
    crm.give(crm.partner_user("ann"), "object:read", crm.object("Lead"))
    assert rows(crm.resolve(privileges.run), "select verb, level from privileges") == [("read-data", 1)]


@pytest.mark.parametrize("dataset", ["grants.objects", "objects.sharing"])
def test_rights_to_objects_that_were_not_read_may_reach_all_data(dataset: str) -> None:
    crm = Crm(without=frozenset({dataset}))
    ann = crm.partner_user("ann")
    crm.give(ann, "object:read", crm.object("Lead"))
    con = crm.resolve()
    assert rows(con, "select level, level_high, is_admin from identity_facts") == [(1, 4, False)]


def test_what_many_hold_is_told_to_each_with_the_group_that_gives_it() -> None:
    crm = Crm()
    users = [crm.identity(f"u{number}") for number in range(4)]
    outer = crm.group("permission_set_group", "Bundle", *users[:3])
    inner = crm.group("permission_set", "Inner", users[3])
    crm.add(Membership(outer, inner))
    crm.give(inner, "ViewAllData")
    crm.give(users[0], "ViewAllData")
    con = crm.resolve(privileges.run)
    assert rows(
        con,
        "select i.name, p.verb, g.name, p.statement from privileges p join identities i using (identity_key) "
        "left join identities g on g.identity_key = p.via_key order by all",
    ) == [
        ("u0", "read-data", None, "ViewAllData"),
        ("u1", "read-data", "Inner", "ViewAllData"),
        ("u2", "read-data", "Inner", "ViewAllData"),
        ("u3", "read-data", "Inner", "ViewAllData"),
    ]


def test_insiders_and_outsiders_of_one_profile_are_told_apart() -> None:
    crm = Crm()
    staff, ann, unmarked = crm.identity("staff"), crm.partner_user("ann"), crm.identity("who", is_external=None)
    crm.give(crm.group("profile", "All", staff, ann, unmarked), "object:read", crm.object("Lead", "read", "private"))
    con = crm.resolve(privileges.run)
    assert rows(
        con,
        "select i.name, p.scope, p.certainty from privileges p join identities i using (identity_key) order by all",
    ) == [("ann", *SELF), ("staff", *SET), ("who", *SELF), ("who", *MAYBE)]
