"""Who of outsiders and partners' identities may read and change which records, how many, and by what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import pytest

from nhiscan.model import Alias, DataObject, Grant, Sign
from nhiscan.resolve import crm_facts, facts, partners
from tests.resolve.crm_estate import ACCOUNTS, AS_OF, Crm, rows

_WIDTHS: Final = {None: -1, "own": 0, "account": 1, "team": 2, "all": 3}
READ: Final = "object:read"


def access(
    crm: Crm, columns: str = "can_read, can_write, record_scope, record_scope_high"
) -> dict[tuple[str, str], tuple[Any, ...]]:
    found = rows(
        crm.resolve(partners.run, facts.run, crm_facts.run),
        f"select i.name, r.name, {columns} from record_access a join identities i using (identity_key) "
        "join resources r using (resource_key)",
    )
    return {(name, thing): tuple(rest) for name, thing, *rest in found}


def test_a_right_to_read_a_private_object_reaches_own_records_only() -> None:
    crm = Crm()
    profile = crm.group("profile", "Partner", crm.partner_user("ann"))
    crm.give(profile, "object:read,object:edit", crm.object("Opportunity"))
    assert access(crm) == {("ann", "Opportunity"): (True, True, "own", "own")}


def test_whoever_holds_no_right_to_an_object_has_no_row() -> None:
    crm = Crm()
    crm.partner_user("ann")
    crm.object("Opportunity", "write", "write")
    assert access(crm) == {}


def test_our_own_people_are_not_judged() -> None:
    crm = Crm()
    crm.give(crm.group("profile", "Sales", crm.identity("staff")), READ, crm.object("Opportunity"))
    assert access(crm) == {}


def test_an_outsider_of_nobody_is_judged() -> None:
    crm = Crm()
    crm.give(crm.group("profile", "Partner", crm.partner_user("zed", None)), READ, crm.object("Lead"))
    assert list(access(crm)) == [("zed", "Lead")]


def test_a_disabled_outsider_is_not_judged() -> None:
    crm = Crm()
    crm.give(crm.group("profile", "Partner", crm.partner_user("ann", status="disabled")), READ, crm.object("Lead"))
    assert access(crm) == {}


@pytest.mark.parametrize(
    ("internal", "external", "scope", "high"),
    [
        ("read", "private", "own", "own"),
        ("private", "read", "all", "all"),
        ("private", "write", "all", "all"),
        ("private", "parent", "own", "all"),
        ("read", None, "own", "all"),
    ],
)
def test_of_an_outsider_the_external_default_decides(
    internal: str, external: str | None, scope: str, high: str
) -> None:
    crm = Crm()
    crm.give(crm.group("profile", "Partner", crm.partner_user("ann")), READ, crm.object("Lead", internal, external))
    assert access(crm, "record_scope, record_scope_high") == {("ann", "Lead"): (scope, high)}


def test_of_a_partners_identity_with_our_licence_the_internal_default_decides() -> None:
    crm = Crm()
    robot = crm.identity("robot", "service_account", is_nhi=True)
    crm.add(Sign(robot, kind="salesforce_account", value=ACCOUNTS["P-1"]))
    crm.give(crm.group("profile", "Integration", robot), READ, crm.object("Lead", "read", "private"))
    assert access(crm, "record_scope, evidence") == {
        ("robot", "Lead"): ("all", "right from profile Integration; sharing default for insiders: read")
    }


def test_whether_an_unmarked_identity_is_an_outsider_leaves_its_scope_open_where_the_defaults_differ() -> None:
    crm = Crm()
    user = crm.partner_user("ann", is_external=None)
    profile = crm.group("profile", "Partner", user)
    crm.give(profile, READ, crm.object("Lead", "read", "private"))
    crm.give(profile, READ, crm.object("Case", "private", "private"))
    assert access(crm, "record_scope, record_scope_high") == {
        ("ann", "Lead"): ("own", "all"),
        ("ann", "Case"): ("own", "own"),
    }


def test_a_default_alone_opens_nothing_to_whoever_may_only_create() -> None:
    crm = Crm()
    crm.give(
        crm.group("profile", "Partner", crm.partner_user("ann")), "object:create", crm.object("Lead", "read", "read")
    )
    assert access(crm) == {("ann", "Lead"): (False, True, None, None)}


def test_viewing_all_reaches_all_records_and_names_the_set() -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    lead = crm.object("Lead")
    crm.give(crm.group("profile", "Partner", ann), READ, lead)
    crm.give(crm.group("permission_set", "Big", ann), "object:view_all", lead, record_scope="all")
    found = access(crm, "can_write, record_scope, evidence")[("ann", "Lead")]
    assert found == (False, "all", "right from permission_set Big; all records by permission_set Big")


def test_a_set_inside_a_permission_set_group_counts() -> None:
    crm = Crm()
    outer = crm.group("permission_set_group", "Bundle", crm.partner_user("ann"))
    inner = crm.group("permission_set", "Inner", outer)
    crm.give(inner, "object:read,object:modify_all", crm.object("Lead"), record_scope="all")
    assert access(crm, "can_write, record_scope") == {("ann", "Lead"): (True, "all")}


@pytest.mark.parametrize(("permission", "can_write"), [("ViewAllData", False), ("ModifyAllData", True)])
def test_a_right_to_all_data_reaches_objects_that_no_other_right_names(permission: str, can_write: bool) -> None:
    crm = Crm()
    crm.give(crm.group("profile", "Partner", crm.partner_user("ann")), f"RunReports,{permission}")
    crm.object("Lead")
    assert access(crm) == {("ann", "Lead"): (True, can_write, "all", "all")}


def test_a_right_to_all_data_stays_in_its_org() -> None:
    here, there = Crm(), Crm("salesforce:00D000000000002AAA")
    here.give(here.group("profile", "Partner", here.partner_user("ann")), "ViewAllData")
    there.object("Lead")
    here.add(*(record for record in there.records if record not in here.records))
    assert access(here) == {}


@pytest.mark.parametrize(("scope", "found"), [(None, "team"), ("account", "account")])
def test_a_sharing_rule_widens_the_right_that_another_group_gives(scope: str | None, found: str) -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    lead = crm.object("Lead")
    crm.give(crm.group("profile", "Partner", ann), READ, lead)
    crm.give(crm.group("role", "North", ann), "sharing:read", lead, source="sharing_rule", record_scope=scope)
    assert access(crm, "record_scope, evidence") == {
        ("ann", "Lead"): (found, "right from profile Partner; shared with role North")
    }


def test_a_sharing_rule_alone_gives_nothing() -> None:
    crm = Crm()
    crm.give(crm.group("role", "North", crm.partner_user("ann")), "sharing:edit", crm.object("Lead"))
    assert access(crm) == {}


def test_a_super_user_reaches_the_records_of_the_account() -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    crm.give(crm.group("profile", "Partner", ann), READ, crm.object("Lead"))
    crm.give(ann, "portal_super_user", record_scope="account")
    assert access(crm, "record_scope, record_scope_high") == {("ann", "Lead"): ("account", "account")}


def test_a_right_that_has_to_be_activated_is_possible_and_no_more() -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    crm.give(
        crm.group("permission_set", "JIT", ann),
        "object:read,object:view_all",
        crm.object("Lead"),
        has_other_conditions=True,
    )
    assert access(crm) == {("ann", "Lead"): (None, False, None, "all")}


def test_a_right_that_ended_counts_no_more() -> None:
    crm = Crm()
    crm.give(crm.group("profile", "Partner", crm.partner_user("ann")), READ, crm.object("Lead"), expires_at=AS_OF)
    assert access(crm) == {}


# How many


def counted(without: frozenset[str] = frozenset()) -> tuple[Crm, str, str]:
    crm = Crm(without=without)
    ann, ben, other = crm.partner_user("ann"), crm.partner_user("ben"), crm.partner_user("eve", "P-2")
    lead = crm.object("Lead", records=100)
    for user, owned in ((ann, 7), (ben, 5), (other, 9), (None, 79)):
        crm.owns(user, lead, owned)
    profile = crm.group("profile", "Partner", ann)
    crm.give(profile, READ, lead)
    return crm, ann, lead


def test_own_records_are_nobody_elses() -> None:
    crm, _, _ = counted()
    assert access(crm, "visible_records, foreign_records") == {("ann", "Lead"): (7, 0)}


def test_of_all_records_those_of_the_partner_are_not_foreign() -> None:
    crm, ann, lead = counted()
    crm.give(ann, "object:view_all", lead, record_scope="all")
    assert access(crm, "visible_records, foreign_records") == {("ann", "Lead"): (100, 88)}


def test_a_super_user_sees_what_colleagues_own() -> None:
    crm, ann, _ = counted()
    crm.give(ann, "portal_super_user", record_scope="account")
    assert access(crm, "visible_records, foreign_records") == {("ann", "Lead"): (12, 0)}


def test_how_many_records_a_team_has_is_not_known() -> None:
    crm, ann, lead = counted()
    crm.give(ann, "sharing:read", lead)
    assert access(crm, "record_scope, visible_records, foreign_records") == {("ann", "Lead"): ("team", None, None)}


@pytest.mark.parametrize(("more", "foreign"), [(0, 88), (1, None)])
def test_counts_that_do_not_make_up_the_whole_say_nothing_of_others(more: int, foreign: int | None) -> None:
    crm, ann, lead = counted(without=frozenset({"objects.records"}))
    crm.give(ann, "object:view_all", lead, record_scope="all")
    crm.records = [
        replace(record, records=100 + more) if isinstance(record, DataObject) else record for record in crm.records
    ]
    assert access(crm, "visible_records, foreign_records") == {("ann", "Lead"): (100 + more, foreign)}


@pytest.mark.parametrize(("without", "owned"), [((), 0), (("objects.records",), None)])
def test_without_counts_it_is_not_said_that_somebody_owns_nothing(without: tuple[str, ...], owned: int | None) -> None:
    crm = Crm(without=frozenset(without))
    crm.give(crm.partner_user("ann"), READ, crm.object("Lead", records=3))
    assert access(crm, "visible_records, foreign_records") == {("ann", "Lead"): (owned, owned)}


# Apps


def app_of_nordwind(crm: Crm, *scopes: tuple[str, str | None]) -> str:
    app = crm.app("sync", *scopes)
    crm.add(Sign(app, kind="publisher", value="nordwind.example"))
    return app


def of_partner(crm: Crm) -> Crm:
    crm.add(Alias("P-1", "publisher", "nordwind.example"))
    return crm


def test_an_app_of_a_partner_sees_what_the_user_sees_whose_token_it_holds() -> None:
    crm = of_partner(Crm())
    app, robot = app_of_nordwind(crm, ("api", "data")), crm.identity("robot")
    lead = crm.object("Lead", records=50)
    crm.owns(robot, lead, 10)
    crm.give(crm.group("profile", "Integration", robot), "object:read,object:view_all", lead, record_scope="all")
    crm.token(app, robot)
    assert access(crm, "can_read, record_scope, visible_records, foreign_records, evidence") == {
        ("sync", "Lead"): (
            True,
            "all",
            50,
            40,
            "by its live token of robot; right from profile Integration; all records by profile Integration",
        )
    }


def test_an_app_that_may_only_learn_who_somebody_is_sees_no_records() -> None:
    crm = of_partner(Crm())
    app, robot = app_of_nordwind(crm, ("openid", "self")), crm.identity("robot")
    crm.give(robot, READ, crm.object("Lead"))
    crm.token(app, robot)
    assert access(crm) == {}


def test_of_an_app_whose_scopes_are_not_known_nothing_is_definite() -> None:
    crm = of_partner(Crm())
    app, robot = app_of_nordwind(crm, ("new_scope", None)), crm.identity("robot")
    crm.give(robot, READ, crm.object("Lead", "read"))
    crm.token(app, robot)
    assert access(crm) == {("sync", "Lead"): (None, None, None, "all")}


def test_a_revoked_token_shows_an_app_nothing() -> None:
    crm = of_partner(Crm())
    app, robot = app_of_nordwind(crm, ("api", "all")), crm.identity("robot")
    crm.give(robot, READ, crm.object("Lead"))
    crm.token(app, robot, status="revoked")
    assert access(crm) == {}


def test_what_an_app_owns_by_several_users_is_summed_up() -> None:
    crm = of_partner(Crm())
    app, one, two = app_of_nordwind(crm, ("api", "all")), crm.identity("one"), crm.identity("two")
    lead = crm.object("Lead", records=50)
    for user, owned in ((one, 3), (two, 4)):
        crm.give(user, READ, lead)
        crm.owns(user, lead, owned)
        crm.token(app, user)
    assert access(crm, "record_scope, visible_records, foreign_records") == {("sync", "Lead"): ("own", 7, 0)}


# What has to hold whatever is granted and whatever was read

EXTRA: Final[dict[str, Callable[[Crm, str, str], None]]] = {
    "nothing": lambda crm, user, lead: None,
    "read": lambda crm, user, lead: crm.give(user, READ, lead),
    "own": lambda crm, user, lead: crm.give(user, READ, lead, record_scope="own"),
    "account": lambda crm, user, lead: crm.give(user, READ, lead, record_scope="account"),
    "team": lambda crm, user, lead: crm.give(user, READ, lead, record_scope="team"),
    "create": lambda crm, user, lead: crm.give(user, "object:create", lead),
    "shared": lambda crm, user, lead: crm.give(user, "sharing:edit", lead),
    "super": lambda crm, user, lead: crm.give(user, "portal_super_user", record_scope="account"),
    "all": lambda crm, user, lead: crm.give(user, "ViewAllData"),
    "conditional": lambda crm, user, lead: crm.give(user, "object:view_all", lead, has_other_conditions=True),
}
DEFAULTS: Final = ("private", "read", "parent", None)


@dataclass(frozen=True)
class Answer:
    width: int
    high: int
    can_read: bool | None


@cache
def answers(without: str | None = None) -> dict[tuple[str, str, str | None], Answer]:
    """What holds for every pair of grants and every sharing default."""
    crm = Crm(without=frozenset() if without is None else frozenset({without}))
    leads = {default: crm.object(f"Lead {default}", "private", default) for default in DEFAULTS}
    pairs = [(first, extra) for first in EXTRA for extra in EXTRA]
    for first, extra in pairs:
        user = crm.partner_user(f"{first} {extra}")
        for lead in leads.values():
            for name in dict.fromkeys((first, extra)):
                EXTRA[name](crm, user, lead)
    found = access(crm, "record_scope, record_scope_high, can_read")
    said = {
        (first, extra, default): found.get((f"{first} {extra}", f"Lead {default}"), (None, None, False))
        for first, extra in pairs
        for default in DEFAULTS
    }
    return {key: Answer(_WIDTHS[scope], _WIDTHS[high], can_read) for key, (scope, high, can_read) in said.items()}


def test_one_more_grant_never_narrows() -> None:
    found = answers()
    narrowed = [
        (first, extra, default)
        for (first, extra, default), both in found.items()
        for alone in (found[first, "nothing", default],)
        if both.width < alone.width or both.high < alone.high or (alone.can_read and not both.can_read)
    ]
    assert narrowed == []


def test_the_widest_that_is_possible_includes_what_is_definite() -> None:
    assert [key for key, answer in answers().items() if answer.high < answer.width] == []


@pytest.mark.parametrize("dataset", ["grants", "grants.objects", "memberships", "objects.sharing"])
def test_what_was_not_read_makes_no_answer_surer(dataset: str) -> None:
    whole = answers()
    surer = [
        key
        for key, less in answers(dataset).items()
        if less.width > whole[key].width
        or less.high < whole[key].high
        or (less.can_read is not whole[key].can_read and less.can_read is not None)
    ]
    assert surer == []


def test_the_org_itself_is_no_holder() -> None:
    crm = Crm()
    crm.partner_user("ann")
    crm.add(Grant(f"{crm.org}:grant/x", "salesforce", crm.org, "any", "*", READ, resource_id=crm.object("Lead")))
    assert access(crm) == {}


# Fields


def fields(crm: Crm) -> list[tuple[Any, ...]]:
    return rows(
        crm.resolve(partners.run, facts.run, crm_facts.run),
        "select i.name, r.name, evidence from field_access join identities i using (identity_key) "
        "join resources r using (resource_key) order by all",
    )


def test_a_field_changes_where_field_and_object_let_it() -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    lead, rating = crm.object("Lead"), crm.field("Lead", "Rating")
    crm.give(crm.group("profile", "Partner", ann), "object:read,object:edit", lead)
    crm.give(crm.group("permission_set", "Fields", ann), "field:read,field:edit", rating)
    assert fields(crm) == [("ann", "Lead.Rating", "right from permission_set Fields")]


@pytest.mark.parametrize(
    ("on_object", "on_field"),
    [("object:read", "field:edit"), ("object:edit", "field:read"), ("object:create", "field:edit")],
)
def test_a_field_stays_where_field_or_object_does_not_let_it_change(on_object: str, on_field: str) -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    crm.give(ann, on_object, crm.object("Lead"))
    crm.give(ann, on_field, crm.field("Lead", "Rating"))
    assert fields(crm) == []


def test_a_right_to_change_all_data_still_needs_the_field() -> None:
    crm = Crm()
    ann = crm.partner_user("ann")
    crm.object("Lead")
    rating, _ = crm.field("Lead", "Rating"), crm.field("Lead", "Score")
    crm.give(ann, "ModifyAllData")
    crm.give(ann, "field:edit", rating)
    assert fields(crm) == [("ann", "Lead.Rating", "right from a grant of its own")]


def test_an_app_changes_the_fields_that_its_user_may() -> None:
    crm = of_partner(Crm())
    app, robot = app_of_nordwind(crm, ("api", "all")), crm.identity("robot")
    crm.give(robot, "object:edit", crm.object("Lead"))
    crm.give(robot, "field:edit", crm.field("Lead", "Rating"))
    crm.token(app, robot)
    assert fields(crm) == [("sync", "Lead.Rating", "by its live token of robot; right from a grant of its own")]
