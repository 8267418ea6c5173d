"""Apps and keys from what was done to them: every order of events, and what stays unknown."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fixtures.hubspot.account import ANNA, BEN, Account
from fixtures.hubspot.simulator import Simulator
from tests.hubspot.conftest import TENANT, Scan, scan

TOKEN = "PRIVATE_APP_ACCESS_TOKEN"
KEY = "SERVICE_KEY"


def lived(simulator: Simulator, *steps: tuple[str, float], by: int = ANNA, object_id: object = 1) -> Scan:
    """A scan of an account in which only this happened: (type, days ago)."""
    simulator.account.security.clear()
    for action, days_ago in steps:
        simulator.account.do(action, by, object_id, days_ago=days_ago)
    return scan(simulator)


def shown(said: Scan, name: str, credential: str, account: Account) -> dict[str, Any]:
    identity, key = said.identity(name), said.credential(credential)

    def days_ago(moment: Any) -> float | None:
        return None if moment is None else (account.now - moment).total_seconds() / 86_400

    return {
        "born": days_ago(identity.created_at),
        "made": days_ago(key.created_at),
        "is_live": (identity.status, key.status) == ("enabled", "active"),
    }


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([("CREATE", 100)], {"born": 100, "made": 100, "is_live": True}),
        ([("CREATE", 100), ("ROTATE", 50)], {"born": 100, "made": 50, "is_live": True}),
        ([("CREATE", 100), ("VIEW", 50)], {"born": 100, "made": 100, "is_live": True}),
        ([("CREATE", 100), ("DEACTIVATE", 50)], {"born": 100, "made": 100, "is_live": False}),
        ([("CREATE", 100), ("DEACTIVATE", 50), ("VIEW", 40)], {"born": 100, "made": 100, "is_live": False}),
        ([("CREATE", 100), ("DEACTIVATE", 50), ("CREATE", 40)], {"born": 100, "made": 40, "is_live": True}),
        ([("CREATE", 100), ("ROTATE", 50), ("DEACTIVATE", 20)], {"born": 100, "made": 50, "is_live": False}),
        ([("CREATE", 100), ("ROTATE", 50), ("DEACTIVATE", 43)], {"born": 100, "made": 50, "is_live": True}),
        ([("CREATE", 100), ("DEACTIVATE", 50), ("ROTATE", 45)], {"born": 100, "made": 45, "is_live": True}),
        ([("VIEW", 100)], {"born": None, "made": None, "is_live": True}),
        ([("ROTATE", 100)], {"born": None, "made": 100, "is_live": True}),
        ([("DEACTIVATE", 100)], {"born": None, "made": None, "is_live": False}),
        ([("VIEW", 100), ("CREATE", 50)], {"born": None, "made": 50, "is_live": True}),
        ([("ROTATE", 20), ("DEACTIVATE", 15), ("DEACTIVATE", 5)], {"born": None, "made": 20, "is_live": False}),
    ],
)
def test_a_private_app_is_as_its_events_left_it(
    simulator: Simulator, steps: list[tuple[str, float]], wanted: dict[str, Any]
) -> None:
    said = lived(simulator, *((f"{TOKEN}_{step}", days) for step, days in steps))
    assert shown(said, "private_app/1", "private_app_token/1", simulator.account) == wanted


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_in_which_events_come_does_not_matter(simulator: Simulator, order: tuple[int, ...]) -> None:
    steps = [(f"{KEY}_CREATE", 90.0), (f"{KEY}_REVEAL", 80.0), (f"{KEY}_DEACTIVATE", 70.0)]
    said = lived(simulator, *(steps[place] for place in order))
    account = simulator.account
    assert shown(said, "service_key/1", "service_key_value/1", account) == {"born": 90, "made": 90, "is_live": False}
    assert said.tags("service_key/1")["revealed_at"] == f"{account.ago(80):%Y-%m-%d}"


def test_of_one_moment_the_beginning_comes_before_the_end(simulator: Simulator) -> None:
    said = lived(simulator, (f"{KEY}_DEACTIVATE", 5), (f"{KEY}_CREATE", 5))
    assert said.credential("service_key_value/1").status == "inactive"


def test_what_is_derived_says_from_what_and_since_when(simulator: Simulator) -> None:
    said = lived(simulator, (f"{TOKEN}_VIEW", 100), (f"{TOKEN}_ROTATE", 3))
    since = f"security activity since {simulator.account.ago(100):%Y-%m-%d}"
    assert said.identity("private_app/1").derived_from == since


def test_whoever_made_a_thing_is_a_hint_at_its_owner(simulator: Simulator) -> None:
    said = lived(simulator, (f"{KEY}_CREATE", 9), by=BEN)
    assert said.tags("service_key/1") == {"created_by": "ben@acme.example"}


def test_whoever_made_a_thing_is_known_after_leaving(simulator: Simulator) -> None:
    simulator.account.do(f"{KEY}_CREATE", BEN, 1, days_ago=9)
    simulator.account.remove_user(str(BEN), by=ANNA)
    assert scan(simulator).tags("service_key/1")["created_by"] == "ben@acme.example"


def test_a_rotation_by_schedule_is_one(simulator: Simulator) -> None:
    said = lived(simulator, (f"{KEY}_CREATE", 90), (f"{KEY}_ROTATION_SCHEDULE_SET", 90), (f"{KEY}_AUTO_ROTATE", 2))
    assert said.credential("service_key_value/1").created_at == simulator.account.ago(2)
    assert said.tags("service_key/1")["rotation_schedule"] == "set"


def test_a_schedule_that_was_taken_away_is_said(simulator: Simulator) -> None:
    said = lived(simulator, (f"{KEY}_ROTATION_SCHEDULE_SET", 90), (f"{KEY}_ROTATION_SCHEDULE_REMOVED", 2))
    assert said.tags("service_key/1")["rotation_schedule"] == "removed"


@pytest.mark.parametrize(
    ("action", "name"),
    [("PRIVATE_APP_SCOPE_GROUPS_UPDATE", "private_app/1"), ("SERVICE_KEY_PERMISSIONS_UPDATE", "service_key/1")],
)
def test_a_change_of_scopes_is_dated(simulator: Simulator, action: str, name: str) -> None:
    said = lived(simulator, (action, 7))
    assert said.identity(name).role_changed_at == simulator.account.ago(7)


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([("INSTALL_INTEGRATION", 50)], (True, "enabled")),
        ([("INSTALL_INTEGRATION", 50), ("UNINSTALL_INTEGRATION", 20)], (False, "disabled")),
        ([("UNINSTALL_INTEGRATION", 20)], (False, "disabled")),
        ([("UNINSTALL_INTEGRATION", 20), ("INSTALL_INTEGRATION", 10)], (True, "enabled")),
        ([("PUBLIC_APP_CLIENT_SECRET_VIEW", 10)], (None, "enabled")),
    ],
)
def test_an_installed_app_is_as_its_last_installation_left_it(
    simulator: Simulator, steps: list[tuple[str, float]], wanted: tuple[bool | None, str]
) -> None:
    app = lived(simulator, *steps).identity("app/1")
    assert (app.is_installed, app.status) == wanted
    assert app.kind == "oauth_app"


def test_an_app_shows_its_id_to_the_register(simulator: Simulator) -> None:
    said = lived(simulator, ("INSTALL_INTEGRATION", 50), object_id=8201)
    sign = said.one("signs", identity_id=f"{TENANT}:app/8201")
    assert (sign.kind, sign.value) == ("client_id", "8201")


def test_an_app_holds_a_token_of_the_account_while_it_is_installed(simulator: Simulator) -> None:
    token = lived(simulator, ("INSTALL_INTEGRATION", 50)).credential("app_token/1")
    assert (token.kind, token.status, token.created_at) == ("oauth_token", "active", simulator.account.ago(50))
    assert token.app_id == token.identity_id == f"{TENANT}:app/1"
    simulator.account.do("UNINSTALL_INTEGRATION", ANNA, 1, days_ago=2)
    assert scan(simulator).credential("app_token/1").status == "inactive"


def test_an_app_that_was_only_developed_here_holds_no_token(simulator: Simulator) -> None:
    assert lived(simulator, ("PUBLIC_APP_CLIENT_SECRET_VIEW", 50)).of("credentials") == []


def test_the_accounts_one_api_key_is_one_whatever_its_events_name(simulator: Simulator) -> None:
    simulator.account.security.clear()
    simulator.account.do("HAPIKEY_CREATE", ANNA, 77, days_ago=90)
    simulator.account.do("HAPIKEY_DEACTIVATE", ANNA, days_ago=2)
    said = scan(simulator)
    assert (said.identity("api_key/account").status, said.identity("api_key/account").kind) == ("disabled", "api_key")
    assert said.coverage("apps").status == "unsupported"


def test_an_smtp_token_is_a_service_account(simulator: Simulator) -> None:
    said = lived(simulator, ("SMTP_TOKEN_CREATED", 90), ("SMTP_TOKEN_PASSWORD_RESET", 9))
    assert said.identity("smtp_token/1").kind == "service_account"
    assert said.credential("smtp_token_value/1").created_at == simulator.account.ago(9)


def test_a_personal_key_is_a_credential_of_the_user_who_made_it(simulator: Simulator) -> None:
    said = lived(simulator, ("PERSONAL_ACCESS_KEY_CREATE", 9), by=BEN, object_id=8)
    key = said.credential("personal_access_key/8")
    assert (key.identity_id, key.kind, key.status) == (f"{TENANT}:user/{BEN}", "personal_access_key", "active")
    assert {record.kind for record in said.of("identities")} == {"human_user", "group"}


def test_a_personal_key_without_an_id_is_the_users_only_one(simulator: Simulator) -> None:
    said = lived(simulator, ("PERSONAL_ACCESS_KEY_CREATE", 9), by=BEN, object_id=None)
    assert said.credential(f"personal_access_key/{BEN}").identity_id == f"{TENANT}:user/{BEN}"


def test_the_holder_of_a_personal_key_is_there_even_when_no_list_knows_the_user(simulator: Simulator) -> None:
    simulator.account.security.clear()
    simulator.account.do("PERSONAL_ACCESS_KEY_CREATE", 999, 8, days_ago=9, actingUser="gone@acme.example")
    said = scan(simulator)
    gone = said.identity("user/999")
    assert (gone.status, gone.mail) == ("disabled", "gone@acme.example")
    assert str(gone.derived_from).startswith("security activity since")


def test_ids_of_different_sorts_do_not_mix(simulator: Simulator) -> None:
    said = lived(simulator, (f"{KEY}_CREATE", 9), (f"{TOKEN}_CREATE", 8), (f"{TOKEN}_DEACTIVATE", 2))
    assert said.identity("service_key/1").status == "enabled"
    assert said.identity("private_app/1").status == "disabled"


@pytest.mark.parametrize(
    ("name", "is_known"),
    [("private_app_token/1", True), ("service_key_value/1", False)],
)
def test_only_a_token_that_is_documented_to_live_for_ever_is_said_to(
    simulator: Simulator, name: str, is_known: bool
) -> None:
    key = lived(simulator, (f"{KEY}_CREATE", 9), (f"{TOKEN}_CREATE", 8)).credential(name)
    assert (key.expires_at, key.expiry_known) == (None, is_known)
