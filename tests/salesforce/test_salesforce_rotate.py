"""The Salesforce adapter of remediation against the simulator: what it does, what it leaves alone, what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nhiscan.collect import Context
from nhiscan.config import build
from nhiscan.errors import CollectError, ConfigError
from nhiscan.remediate.contract import Observation, RefusedError, Step, Target, UnsupportedError, load, names
from nhiscan.remediate.plan import steps
from tests.salesforce.conftest import AS_OF, DAY, Acme, scan
from tests.salesforce.remediation import RIGHTS, USERNAME, Org, member, remediated, signed_in, token, user

NEVER: tuple[Step, ...] = ("create", "discard", "restore")


def without(right: str) -> frozenset[str]:
    return RIGHTS - {right}


# ---- users


def test_freezing_shuts_a_user_out_and_unfreezing_lets_it_in_again() -> None:
    with remediated() as org:
        target = user(org.acme, org.acme.partner_user)
        before = org.session.observe(target)
        org.session.effect("off", target, "key", before=before)
        assert org.session.observe(target).state == "off"
        assert org.login_of(org.acme.partner_user)["IsFrozen"] is True
        org.session.effect("on", target, "key", before=before)
        assert org.session.observe(target) == before
        assert before.state == "live"


def test_a_scan_after_the_freeze_sees_the_user_frozen() -> None:
    with remediated() as org:
        frozen = org.acme.user(org.acme.partner_user)
        was = scan(org.url).one("identities", identity_id=frozen)
        org.session.effect("off", user(org.acme, org.acme.partner_user), "key")
        found = scan(org.url)
        assert (was.status, found.one("identities", identity_id=frozen).status) == ("enabled", "disabled")
        assert found.one("credentials", identity_id=frozen, kind="password").status == "inactive"
        assert found.of("credentials", identity_id=frozen, kind="oauth_token")  # freezing leaves them alive


@pytest.mark.parametrize("step", ["off", "on"])
def test_doing_a_step_of_a_user_twice_is_doing_it_once(step: Step) -> None:
    with remediated() as org:
        target = user(org.acme, org.acme.bot, kind="service_account")
        before = org.session.observe(target)
        for _ in range(2):
            org.session.effect(step, target, "key", before=before)
        assert org.session.observe(target).state == ("off" if step == "off" else "live")


def test_what_is_seen_of_a_user_is_what_a_plan_rests_on() -> None:
    with remediated() as org:
        org.world.change(org.acme.anna, LastLoginDate="2026-01-30T12:00:00.000+0000")
        seen = org.session.observe(user(org.acme, org.acme.anna))
        assert seen.facts == {
            "username": "anna@acme.example",
            "is_active": "true",
            "user_login": org.login_of(org.acme.anna)["Id"],
        }
        assert (seen.last_used_at, seen.usage_known) == (AS_OF - DAY, True)
        org.world.change(org.acme.anna, LastLoginDate="2026-01-31T11:00:00.000+0000")
        assert org.session.observe(user(org.acme, org.acme.anna)).digest() == seen.digest()
        org.world.change(org.acme.anna, Username="renamed@acme.example")
        assert org.session.observe(user(org.acme, org.acme.anna)).digest() != seen.digest()


def test_a_user_that_somebody_deactivated_is_off_and_unfreezing_does_not_claim_to_let_it_in() -> None:
    with remediated() as org:
        target = user(org.acme, org.acme.bot)
        before = org.session.observe(target)
        org.session.effect("off", target, "key", before=before)
        org.world.change(org.acme.bot, IsActive=False)
        with pytest.raises(RefusedError, match="deactivated"):
            org.session.effect("on", target, "key", before=before)
        assert org.login_of(org.acme.bot)["IsFrozen"] is True
        org.world.change(org.login_of(org.acme.bot)["Id"], IsFrozen=False)
        assert org.session.observe(target).state == "off"


def test_who_was_frozen_before_stays_frozen_in_a_rollback() -> None:
    with remediated() as org:
        target = user(org.acme, org.acme.frozen_partner)
        with pytest.raises(RefusedError, match="could not sign in before"):
            org.session.effect("on", target, "key", before=org.session.observe(target))
        assert org.login_of(org.acme.frozen_partner)["IsFrozen"] is True


def test_a_user_is_frozen_and_never_deactivated() -> None:
    with remediated() as org:
        target = user(org.acme, org.acme.partner_user)
        can = org.session.capabilities(target)
        assert (can.overlap, can.maker, can.can_turn_off, can.can_delete) == (0, "nobody", True, False)
        planned = steps(
            "revoke",
            can,
            "routine",
            grace=DAY,
            observe=DAY,
            is_partner_owned=False,
            is_privileged=False,
            permissions={},
        )
        assert [step.step for step in planned] == ["off", "observe", "prove"]
        assert "tokens" in can.effects["off"].lower()
        with pytest.raises(RefusedError, match="not offered"):
            org.session.effect("delete", target, "key")
        assert org.row(org.acme.partner_user)["IsActive"] is True
        assert org.changes() == []


def test_a_user_without_a_userlogin_record_is_a_persons_task() -> None:
    with remediated() as org:
        target = user(org.acme, org.acme.guest)
        with pytest.raises(UnsupportedError, match="no UserLogin record"):
            org.session.capabilities(target)
        for call in (lambda: org.session.observe(target), lambda: org.session.effect("off", target, "key")):
            with pytest.raises(RefusedError, match="0 UserLogin records"):
                call()
        assert org.changes() == []


def test_a_user_that_is_not_shown_is_never_said_to_be_gone() -> None:
    with remediated(private_users=True) as org:
        with pytest.raises(RefusedError, match="shows no user") as refused:
            org.session.observe(user(org.acme, org.acme.anna))
        assert refused.value.permission == "View All Users"


# ---- memberships


def groups(org: Org) -> dict[str, str]:
    """One of each sort of group that a membership can be taken from, and what holds the memberships of the bot."""
    world = org.world
    bundle = world.add("PermissionSetGroup", DeveloperName="Partner_Bundle", MasterLabel="Partner bundle")
    world.add("PermissionSetAssignment", AssigneeId=org.acme.bot, PermissionSetGroupId=bundle, IsActive=True)
    public = world.add("Group", Name="Channel partners", DeveloperName="Channel_Partners", Type="Regular")
    world.add("GroupMember", GroupId=public, UserOrGroupId=org.acme.bot)
    return {"PermissionSet": org.acme.reader_set, "PermissionSetGroup": bundle, "Group": public}


@pytest.mark.parametrize("sort", ["PermissionSet", "PermissionSetGroup", "Group"])
def test_a_membership_is_taken_away_and_given_back(sort: str) -> None:
    with remediated() as org:
        found = groups(org)
        target = member(org.acme, org.acme.bot, found[sort])
        others = [member(org.acme, org.acme.bot, group) for name, group in found.items() if name != sort]
        before = org.session.observe(target)
        org.session.effect("off", target, "key", before=before)
        assert org.session.observe(target).state == "off"
        assert [org.session.observe(other).state for other in others] == ["live", "live"]
        made = org.session.effect("on", target, "key", before=before)
        after = org.session.observe(target)
        assert (before.state, after.state) == ("live", "live")
        assert after.facts["assignment"] == made.id != before.facts["assignment"]


@pytest.mark.parametrize("sort", ["PermissionSet", "PermissionSetGroup", "Group"])
def test_doing_a_step_of_a_membership_twice_is_doing_it_once(sort: str) -> None:
    with remediated() as org:
        target = member(org.acme, org.acme.bot, groups(org)[sort])
        before = org.session.observe(target)
        for step in ("off", "off", "on", "on"):
            org.session.effect(step, target, "key", before=before)
        assert len([change for change in org.changes() if change.startswith("POST")]) == 1
        assert len([change for change in org.changes() if change.startswith("DELETE")]) == 1


def test_a_scan_after_it_no_longer_lists_the_membership() -> None:
    with remediated() as org:
        bot, group = org.acme.user(org.acme.bot), f"{org.acme.tenant_id}:permission_set/{org.acme.reader_set}"
        assert group in scan(org.url).groups_of(bot)
        org.session.effect("off", member(org.acme, org.acme.bot, org.acme.reader_set), "key")
        assert group not in scan(org.url).groups_of(bot)


def test_only_the_assignment_of_this_user_goes() -> None:
    with remediated() as org:
        other = org.world.add(
            "PermissionSetAssignment", AssigneeId=org.acme.connector, PermissionSetId=org.acme.reader_set, IsActive=True
        )
        org.session.effect("off", member(org.acme, org.acme.bot, org.acme.reader_set), "key")
        assert org.world.find(other) is not None
        assert org.session.observe(member(org.acme, org.acme.connector, org.acme.reader_set)).state == "live"


def test_an_assignment_that_would_have_ended_comes_back_with_its_end() -> None:
    with remediated() as org:
        row = org.world.having("PermissionSetAssignment", "AssigneeId", [org.acme.bot])[0]
        org.world.change(row["Id"], ExpirationDate="2026-02-28T00:00:00.000+0000")
        target = member(org.acme, org.acme.bot, org.acme.reader_set)
        before = org.session.observe(target)
        org.session.effect("off", target, "key", before=before)
        made = org.session.effect("on", target, "key", before=before).id
        assert made is not None
        assert org.row(made)["ExpirationDate"] == "2026-02-28T00:00:00.000+0000"


def test_an_assignment_whose_end_has_come_is_not_given_back() -> None:
    now = [AS_OF]
    with remediated(clock=lambda: now[0]) as org:
        row = org.world.having("PermissionSetAssignment", "AssigneeId", [org.acme.bot])[0]
        org.world.change(row["Id"], ExpirationDate="2026-02-28T00:00:00.000+0000")
        target = member(org.acme, org.acme.bot, org.acme.reader_set)
        before = org.session.observe(target)
        org.session.effect("off", target, "key", before=before)
        now[0] = AS_OF + 28 * DAY
        with pytest.raises(RefusedError, match="would have ended by itself"):
            org.session.effect("on", target, "key", before=before)
        assert org.session.observe(target).state == "off"


@pytest.mark.parametrize("before", [None, Observation("off"), Observation("gone")])
def test_nothing_is_given_to_who_is_not_known_to_have_had_it(before: Observation | None) -> None:
    with remediated() as org:
        with pytest.raises(RefusedError, match="not known to have had"):
            org.session.effect("on", member(org.acme, org.acme.connector, org.acme.reader_set), "key", before=before)
        assert org.changes() == []


@pytest.mark.parametrize(
    "gives_nothing", [{"IsActive": False}, {"IsRevoked": True}, {"ExpirationDate": "2026-01-30T00:00:00.000+0000"}]
)
def test_an_assignment_that_gives_nothing_is_off(gives_nothing: dict[str, object]) -> None:
    with remediated() as org:
        row = org.world.having("PermissionSetAssignment", "AssigneeId", [org.acme.bot])[0]
        target = member(org.acme, org.acme.bot, org.acme.reader_set)
        before = org.session.observe(target)
        org.world.change(row["Id"], **gives_nothing)
        assert org.session.observe(target).state == "off"
        with pytest.raises(RefusedError, match="gives nothing"):
            org.session.effect("on", target, "key", before=before)


def test_an_org_without_user_access_policies_has_no_column_for_them() -> None:
    with remediated(hidden_fields={"PermissionSetAssignment.IsRevoked"}) as org:
        assert org.session.observe(member(org.acme, org.acme.bot, org.acme.reader_set)).state == "live"


def test_the_membership_of_a_group_that_was_deleted_is_gone() -> None:
    with remediated() as org:
        target = member(org.acme, org.acme.bot, groups(org)["Group"])
        org.world.remove(target.group_native_id)
        assert org.session.observe(target).state == "gone"


def test_somebody_elses_insert_between_look_and_insert_is_taken_for_it() -> None:
    with remediated() as org:
        target = member(org.acme, org.acme.bot, org.acme.reader_set)
        before = org.session.observe(target)
        org.session.effect("off", target, "key", before=before)
        org.world.stale_reads = 1
        again = org.world.having("PermissionSetAssignment", "AssigneeId", [org.acme.connector])[0]["Id"]
        org.world.will_change("PermissionSetAssignment")
        org.world.change(again, AssigneeId=org.acme.bot, PermissionSetId=org.acme.reader_set)
        org.session.effect("on", target, "key", before=before)
        assert org.session.observe(target).state == "live"
        assert len(org.world.having("PermissionSetAssignment", "AssigneeId", [org.acme.bot])) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Type": "Profile", "IsOwnedByProfile": True}, "profile's own"),
        ({"Type": "Group"}, "sums a group up"),
    ],
)
def test_a_set_that_no_assignment_of_its_own_gives_is_a_persons_task(changes: dict[str, object], says: str) -> None:
    with remediated() as org:
        org.world.change(org.acme.reader_set, **changes)
        with pytest.raises(UnsupportedError, match=says):
            org.session.capabilities(member(org.acme, org.acme.bot, org.acme.reader_set))


@pytest.mark.parametrize("sort", ["Profile", "UserRole", "DelegateGroup"])
def test_profiles_roles_and_delegated_groups_are_a_persons_task(sort: str) -> None:
    with remediated() as org:
        target = member(org.acme, org.acme.bot, org.world.add(sort), group_name="Managers")
        for call in (org.session.capabilities, org.session.observe):
            with pytest.raises(UnsupportedError, match="Managers is no permission set") as refused:
                call(target)
        assert "Setup" in refused.value.hint


def test_membership_has_an_off_switch_and_no_end() -> None:
    with remediated() as org:
        target = member(org.acme, org.acme.bot, org.acme.reader_set)
        can = org.session.capabilities(target)
        assert (can.can_turn_off, can.can_delete, can.usage) == (True, False, "none")
        with pytest.raises(RefusedError, match="taken away by off"):
            org.session.effect("delete", target, "key")


# ---- tokens


def legacy(org: Org) -> Target:
    """The token of the bot that a connected app holds."""
    (row,) = org.world.having("OauthToken", "UserId", [org.acme.bot])
    return token(org.acme, org.acme.bot, row["Id"])


def external(org: Org) -> Target:
    (token_id,) = org.world.app_tokens
    return token(org.acme, org.acme.bot, token_id)


@pytest.mark.parametrize("which", [legacy, external])
def test_a_token_is_revoked_for_good_and_no_other_with_it(which: Callable[[Org], Target]) -> None:
    with remediated() as org:
        target, other = which(org), (external if which is legacy else legacy)(org)
        seen = org.session.observe(target)
        assert (seen.state, seen.usage_known) == ("live", True)
        assert seen.last_used_at is not None
        for _ in range(2):
            org.session.effect("delete", target, "key", before=seen)
        assert org.session.observe(target).state == "gone"
        assert org.session.observe(other).state == "live"
        assert len(org.changes()) == 1


def test_a_token_is_only_ever_revoked() -> None:
    with remediated() as org:
        target = legacy(org)
        can = org.session.capabilities(target)
        planned = steps(
            "revoke",
            can,
            "routine",
            grace=DAY,
            observe=DAY,
            is_partner_owned=False,
            is_privileged=False,
            permissions={},
        )
        assert [(step.step, step.persons) for step in planned] == [("delete", 2), ("prove", 0)]
        for step in ("off", "on"):
            with pytest.raises(RefusedError):
                org.session.effect(step, target, "key")
        assert org.changes() == []


def test_a_scan_after_it_lists_the_token_no_more() -> None:
    with remediated() as org:
        listed = {row.native_id for row in scan(org.url).of("credentials", kind="oauth_token")}
        org.session.effect("delete", legacy(org), "key")
        assert {row.native_id for row in scan(org.url).of("credentials", kind="oauth_token")} == listed - {
            target.native_id for target in [token(org.acme, org.acme.bot, "0CR000000000001GAA")]
        }


def nameless(org: Org, *tokens: tuple[str, str]) -> list[str]:
    """Gives the bot these tokens alone, which show no id, and gives back the ids that a scan makes of them."""
    org.world.nameless.add("OauthToken")
    for row in list(org.world.rows("OauthToken")):
        org.world.remove(row["Id"])
    for n, (app, created) in enumerate(tokens):
        org.world.add("OauthToken", UserId=org.acme.bot, AppName=app, CreatedDate=created, DeleteToken=f"d{n}")
    found = scan(org.url).of("credentials", kind="oauth_token", identity_id=org.acme.user(org.acme.bot))
    return [row.native_id for row in found if row.native_id not in org.world.app_tokens]


FIRST, SECOND = "2026-01-01T00:00:00.000+0000", "2026-01-02T00:00:00.000+0000"


def test_a_token_without_an_id_is_found_by_user_app_and_creation() -> None:
    with remediated() as org:
        one, other = nameless(org, ("Loader", FIRST), ("Loader", SECOND))
        seen = org.session.observe(token(org.acme, org.acme.bot, one))
        assert seen.facts == {"app": "Loader", "created_at": FIRST}
        org.session.effect("delete", token(org.acme, org.acme.bot, other), "key")
        assert [row["CreatedDate"] for row in org.world.rows("OauthToken")] == [FIRST]
        assert org.session.observe(token(org.acme, org.acme.bot, other)).state == "gone"


def test_tokens_that_cannot_be_told_apart_are_a_persons_task() -> None:
    with remediated() as org:
        ids = nameless(org, ("Loader", FIRST), ("Loader", FIRST))
        assert len(set(ids)) == 2
        for native_id in ids:
            target = token(org.acme, org.acme.bot, native_id)
            for call in (
                lambda target=target: org.session.observe(target),
                lambda target=target: org.session.effect("delete", target, "key"),
            ):
                with pytest.raises(UnsupportedError, match="told apart"):
                    call()
        assert org.changes() == []


def test_the_one_left_of_two_alike_is_not_taken_for_the_second() -> None:
    with remediated() as org:
        _, second = nameless(org, ("Loader", FIRST), ("Loader", FIRST))
        nameless(org, ("Loader", FIRST))
        with pytest.raises(UnsupportedError, match="told apart"):
            org.session.observe(token(org.acme, org.acme.bot, second))


def test_a_scan_that_was_shown_no_creation_still_names_the_token() -> None:
    with remediated(hidden_fields={"OauthToken.CreatedDate"}) as org:
        (native_id,) = nameless(org, ("Loader", FIRST))
        org.world.hidden_fields.clear()
        target = token(org.acme, org.acme.bot, native_id)
        assert org.session.observe(target).state == "live"
        org.world.hidden_fields.add("OauthToken.CreatedDate")
        assert org.session.observe(target).state == "live"


@pytest.mark.parametrize("rights", [without("CustomizeApplication"), without("CustomizeApplication") - {"ManageUsers"}])
@pytest.mark.parametrize("which", [legacy, external])
def test_no_token_is_said_to_be_gone_by_who_is_not_shown_all(
    which: Callable[[Org], Target], rights: frozenset[str]
) -> None:
    with remediated() as org:
        target = which(org)
        org.session.effect("delete", target, "key")
        org.world.others[USERNAME] = rights
        with pytest.raises(RefusedError) as refused:
            org.session.observe(target)
        assert refused.value.permission == "Customize Application"


def test_without_the_right_to_usage_lists_nothing_is_said_of_a_token_there() -> None:
    with remediated() as org:
        target = external(org)
        org.world.others[USERNAME] = without("ExternalClientAppAdmin")
        with pytest.raises(RefusedError) as refused:
            org.session.observe(target)
        assert "External Client Apps" in (refused.value.permission or "")


def test_more_tokens_than_the_org_shows_are_a_persons_task() -> None:
    with remediated(page_size=2500) as org:
        for n in range(2501):
            org.world.add("OauthToken", UserId=org.acme.connector, AppName=f"App {n}", CreatedDate=FIRST)
        *_, last = org.world.having("OauthToken", "UserId", [org.acme.connector])
        with pytest.raises(RefusedError, match="more tokens than the org shows"):
            org.session.observe(token(org.acme, org.acme.connector, last["Id"]))


def test_a_token_of_which_only_the_place_in_a_list_is_known_is_a_persons_task() -> None:
    with remediated() as org:
        place = f"{org.acme.external_app}/{org.acme.bot}/0"
        with pytest.raises(UnsupportedError, match="no id of its own"):
            org.session.capabilities(token(org.acme, org.acme.bot, place))


# ---- what is left alone


def each_sort(org: Org) -> list[Target]:
    return [user(org.acme, org.acme.bot), member(org.acme, org.acme.bot, org.acme.reader_set), legacy(org)]


def of_the_adapter(org: Org) -> list[Target]:
    row = org.world.add("OauthToken", UserId=org.user_id, AppName="Remediation", DeleteToken="own")
    return [
        user(org.acme, org.user_id),
        user(org.acme, org.user_id[:15]),
        member(org.acme, org.user_id, org.acme.reader_set),
        token(org.acme, org.user_id, row),
    ]


def test_the_adapter_never_touches_its_own_user() -> None:
    with remediated() as org:
        for target in of_the_adapter(org):
            for step in ("off", "on", "delete"):
                with pytest.raises(UnsupportedError, match="lock itself out"):
                    org.session.effect(step, target, "key")
            with pytest.raises(UnsupportedError, match="lock itself out"):
                org.session.capabilities(target)
        assert org.changes() == []


@pytest.mark.parametrize("changes", [{"tenant_id": "salesforce:00D0000000000ZZEAA"}, {"provider": "hubspot"}])
def test_nothing_of_another_org_is_touched_although_the_ids_are_the_same(changes: dict[str, str]) -> None:
    with remediated() as org:
        others = [
            user(org.acme, org.acme.bot, **changes),
            member(org.acme, org.acme.bot, org.acme.reader_set, **changes),
            token(org.acme, org.acme.bot, legacy(org).native_id, **changes),
        ]
        for target in others:
            for step in ("off", "on", "delete"):
                with pytest.raises(UnsupportedError, match="signed in to"):
                    org.session.effect(step, target, "key")
        assert org.changes() == []


HOSTILE = [
    "",
    "005",
    "005000000000002' OR Id != '",
    "005000000000002AAB",  # the last three do not fit the first fifteen
    "../../../oauth2/revoke",
    "005000000000002AAA\n",
    "005000000000002AAA/x",
    "005\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660\u0661",  # digits of another script
    "x" * 20_000,
]


@pytest.mark.parametrize("native_id", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_id_is_never_asked_about(native_id: str) -> None:
    with remediated() as org:
        asked = len(org.world.calls)
        for target in (
            user(org.acme, native_id),
            member(org.acme, native_id, org.acme.reader_set),
            member(org.acme, org.acme.bot, native_id),
            token(org.acme, native_id, legacy(org).native_id),
            token(org.acme, org.acme.bot, native_id),
        ):
            for call in (
                lambda target=target: org.session.observe(target),
                lambda target=target: org.session.effect("off", target, "key"),
                lambda target=target: org.session.effect("delete", target, "key"),
            ):
                with pytest.raises((UnsupportedError, RefusedError)):
                    call()
        assert len(org.world.calls) == asked


@pytest.mark.parametrize(
    "app", ["O'Brien", "\\' OR UserId != '", "a\\", "line\nbreak", "tab\tand\r", "\u202eevil", "' LIMIT 0", "\x07"]
)
def test_the_name_of_an_app_cannot_change_the_question(app: str) -> None:
    with remediated() as org:
        (row,) = org.world.having("OauthToken", "UserId", [org.acme.bot])
        org.world.change(row["Id"], AppName=app)
        org.session.effect("delete", legacy(org), "key")
        assert org.world.find(row["Id"]) is None
        assert len(list(org.world.rows("OauthToken"))) == 1


@pytest.mark.parametrize(
    ("kind", "thing_kind"),
    [
        ("guest", "identity"),
        ("oauth_app", "app"),
        ("password", "credential"),
        ("certificate", "credential"),
        ("delegation", "grant"),
        ("", "secret"),
        ("group", "identity"),
    ],
)
def test_what_no_call_does_is_a_persons_task_with_the_page_for_it(kind: str, thing_kind: str) -> None:
    with remediated() as org:
        target = user(org.acme, org.acme.bot, kind=kind, thing_kind=thing_kind)
        with pytest.raises(UnsupportedError) as refused:
            org.session.capabilities(target)
        assert "Setup" in refused.value.hint
        with pytest.raises(UnsupportedError):
            org.session.effect("off", target, "key")
        assert org.changes() == []


def test_nothing_is_made_here() -> None:
    with remediated() as org:
        for target in each_sort(org):
            for call in (
                lambda target=target: org.session.make(target, "key"),
                lambda target=target: org.session.reconcile(target, Observation("live"), "key"),
                lambda target=target: org.session.accepts(target, "id", {}),
            ):
                with pytest.raises(UnsupportedError, match="no credential is made"):
                    call()
            for step in NEVER:
                with pytest.raises(RefusedError, match=f"no {step}"):
                    org.session.effect(step, target, "key")
        assert org.changes() == []


# ---- permissions


@pytest.mark.parametrize(
    ("right", "step", "which", "permission"),
    [
        ("ManageUsers", "off", 0, "Manage Users"),
        ("AssignPermissionSets", "off", 1, "Assign Permission Sets"),
        ("AssignPermissionSets", "on", 1, "Assign Permission Sets"),
    ],
)
def test_a_permission_that_went_away_midway_is_named(right: str, step: Step, which: int, permission: str) -> None:
    with remediated() as org:
        target = each_sort(org)[which]
        before = org.session.observe(target)
        if step == "on":
            org.session.effect("off", target, "key", before=before)
        org.world.others[USERNAME] = RIGHTS - {right} - ({"ManageUsers"} if which == 1 else set())
        was = org.session.observe(target) if which else None
        with pytest.raises(RefusedError) as refused:
            org.session.effect(step, target, "key", before=before)
        assert refused.value.permission == permission
        org.world.others[USERNAME] = RIGHTS
        assert org.session.observe(target) == (was or before)


def test_each_step_names_its_permissions_and_the_readme_all_of_them() -> None:
    adapter = load("salesforce")
    readme = (Path(__file__).parents[2] / "collectors/salesforce/README.md").read_text(encoding="utf-8")
    for kind, steps_of in adapter.permissions.items():
        assert {"observe", "prove"} < steps_of.keys(), kind
        for wanted in steps_of.values():
            assert wanted
            assert all(permission.partition(" (")[0] in readme for permission in wanted)


def test_no_right_of_the_readme_is_superfluous() -> None:
    """Each taken away stops something; together they are enough for all that the tests above do."""
    stopped = {}
    for right in sorted(RIGHTS):
        with remediated() as org:
            org.world.others[USERNAME] = without(right) - (
                {"ManageUsers"} if right == "AssignPermissionSets" else set()
            )
            targets = [*each_sort(org), external(org)]
            failed = 0
            for target in targets:
                step: Step = "delete" if target.kind == "oauth_token" else "off"
                try:
                    org.session.effect(step, target, "key")
                    org.session.observe(target)
                except RefusedError:
                    failed += 1
            stopped[right] = failed
    assert all(stopped.values()), stopped


# ---- settings and signing in


def test_the_adapter_is_found_by_its_name() -> None:
    assert "salesforce" in names()
    assert load("salesforce").stores == ()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "http://acme.example"}, r"remediation\.salesforce\.url"),
        ({"url": "https://acme.example/x"}, r"remediation\.salesforce\.url .* goes on after its host"),
        ({"login_url": "https://me:secret@login.example"}, r"remediation\.salesforce\.login_url"),
        ({"api_version": "62"}, r"remediation\.salesforce\.api_version"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict[str, str], says: str) -> None:
    with remediated() as org, pytest.raises(ConfigError, match=says):
        signed_in(org.url, **settings)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="username"):
        build(
            load("salesforce"),
            {"url": "https://acme.example", "client_id": "x", "private_key": "env:KEY"},
            where="nhiscan.toml: remediation.salesforce.",
            base=Path(),
            environ={"KEY": "x"},
        )


def test_a_login_that_is_refused_says_whose() -> None:
    with remediated() as org, pytest.raises(CollectError, match=r"nobody@acme\.example was refused: invalid_grant"):
        signed_in(org.url, username="nobody@acme.example")


def test_the_scanners_app_lets_the_remediation_user_not_in() -> None:
    with remediated() as org, pytest.raises(CollectError, match="approved"):
        signed_in(org.url, client_id="scanner-app")


def test_a_version_that_the_org_does_not_know_is_said_with_its_setting() -> None:
    with remediated() as org, pytest.raises(CollectError) as refused:
        signed_in(org.url, api_version="20.0")
    assert "remediation.salesforce.api_version" in refused.value.hint


def test_salesforce_keeps_no_secrets_for_others() -> None:
    adapter = load("salesforce")(url="https://acme.example", client_id="x", username="y", private_key=None)
    with pytest.raises(ConfigError, match="no secrets store"):
        adapter.store(Context(AS_OF))


def test_what_the_org_calls_a_membership_the_inventory_calls_so_too() -> None:
    """Targets are made of what a scan yields: the ids there are those that the adapter takes."""
    with remediated() as org:
        found = scan(org.url)
        made: Acme = org.acme
        (row,) = [
            row
            for row in found.of("memberships", identity_id=made.user(made.bot))
            if row.group_id.endswith(f"permission_set/{made.reader_set}")
        ]
        group = found.one("identities", identity_id=row.group_id)
        holder = found.one("identities", identity_id=row.identity_id)
        target = member(made, holder.native_id, group.native_id, group_name=group.name)
        assert org.session.observe(target).state == "live"
