from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nhiscan.model import ResourceTag, Tag
from tests.resolve.leak_estate import REPOSITORY, SPRING, access_key, found, key_id, leak, repository, resolved, user
from tests.resolve.register_estate import AS_OF, NORDWIND, A, rows

_KEY = key_id(A)
_SUMMER = datetime(2025, 8, 1, tzinfo=UTC)
_HELD = [*repository(), user("sync"), access_key(_KEY, of="sync", last_used_at=_SUMMER, last_used_known=True)]


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def test_a_value_in_several_files_of_a_place_is_one_leak() -> None:
    con = resolved(
        repository(),
        found("github_token", "f1", at="a.env", first_seen_at=_SUMMER),
        found("github_token", "f1", at="b.env", line=9, first_seen_at=SPRING, commit="c0"),
        found("github_token", "f2", at="b.env", n=2),
    )
    assert leak(con, "places, first_place, commit, first_seen_at", "places = 2") == (2, "b.env:9", "c0", _naive(SPRING))


def test_the_same_value_in_two_places_is_a_leak_of_each() -> None:
    other = repository("scripts")
    con = resolved(
        repository(),
        other,
        found("github_token", "f1"),
        found("github_token", "f1", resource_id="files:scripts:repository/scripts"),
    )
    assert rows(con, "select count(*), count(distinct value_number) from leak_facts") == [(2, 1)]


@pytest.mark.parametrize(
    ("kinds", "worst"),
    [
        (("repo_history", "repo"), "repo"),
        (("repo", "pipeline"), "pipeline"),
        (("repo_history", "repo_history"), "repo_history"),
    ],
)
def test_a_leak_is_where_it_is_worst(kinds: tuple[str, str], worst: str) -> None:
    con = resolved(
        repository(), [found("github_token", at=f"{n}.env", where_kind=kind) for n, kind in enumerate(kinds)]
    )
    assert leak(con, "where_kind") == (worst,)


def test_a_leak_still_stands_where_one_text_has_it() -> None:
    gone: dict[str, Any] = {"where_kind": "repo_history", "is_current": False, "last_seen_at": _SUMMER}
    con = resolved(repository(), found("github_token", at="a.env", **gone), found("github_token", at="b.env"))
    assert leak(con, "is_current, last_seen_at") == (True, None)


def test_a_leak_that_was_taken_out_everywhere_ended_with_the_last_text() -> None:
    def gone(when: datetime) -> dict[str, Any]:
        return {"where_kind": "repo_history", "is_current": False, "last_seen_at": when}

    con = resolved(
        repository(),
        found("github_token", at="a.env", **gone(SPRING)),
        found("github_token", at="b.env", **gone(_SUMMER)),
    )
    assert leak(con, "is_current, last_seen_at") == (False, _naive(_SUMMER))


def test_a_leak_keeps_its_id_when_the_value_spreads() -> None:
    first = found("github_token", at="z.env")
    con = resolved(repository(), first, found("github_token", at="a.env", first_seen_at=_SUMMER))
    assert leak(con, "leak_id") == (first.sighting_id,)


def test_what_a_leaked_key_opens_is_said_of_its_identity() -> None:
    held = [
        *_HELD,
        NORDWIND,
        Tag(f"aws:{A}:user/sync", name="partner", value="nordwind"),
        Tag(f"aws:{A}:user/sync", name="owner", value="ada@acme.example"),
    ]
    con = resolved(held, found("aws_secret_access_key", native_id=_KEY))
    assert leak(con, "is_live, identity_name, partner_id, partner_name, owner_mail, last_used_at") == (
        True,
        "sync",
        "P-1",
        "Nordwind GmbH",
        "ada@acme.example",
        _naive(_SUMMER),
    )


def test_a_leak_of_nobody_known_is_its_places_partners_and_owners() -> None:
    con = resolved(
        repository(audience="partner", environment="prod"),
        NORDWIND,
        ResourceTag(REPOSITORY, name="partner", value="nordwind"),
        ResourceTag(REPOSITORY, name="owner", value="ada@acme.example"),
        found("github_token", issuer="github"),
    )
    assert leak(con, "partner_id, owner_mail, audience, environment, link") == (
        "P-1",
        "ada@acme.example",
        "partner",
        "prod",
        "provider",
    )


@pytest.mark.parametrize(("days", "is_live"), [(-1, False), (0, False), (1, None)])
def test_a_token_that_has_run_out_by_its_own_word_is_dead(days: int, is_live: bool | None) -> None:
    con = resolved(repository(), found("json_web_token", expires_at=AS_OF + timedelta(days=days)))
    assert leak(con, "is_live") == (is_live,)


def test_a_leak_of_test_systems_only_is_one_of_tests() -> None:
    con = resolved(repository(), found("stripe_key", is_test=True), found("stripe_key", "f2", n=2, at="b.env"))
    assert rows(con, "select is_test from leak_facts order by 1") == [(False,), (True,)]


def test_what_another_scanner_found_on_the_same_line_is_the_same_leak() -> None:
    own = found("github_token", "f1", line=4)
    theirs = found(
        "generic_api_key", None, line=4, found_by="gitleaks", is_verified=True, first_seen_at=None, severity="low"
    )
    con = resolved(repository(), own, theirs)
    assert leak(con, "leak_id, kind, found_by, is_verified, severity") == (
        own.sighting_id,
        "github_token",
        "gitleaks, nhiscan",
        True,
        "critical",
    )


def test_what_another_scanner_found_without_a_value_is_a_leak_a_place() -> None:
    con = resolved(
        repository(),
        found("github_token", "f1", line=4),
        found("generic_api_key", None, line=9, n=1, found_by="gitleaks"),
        found("generic_api_key", None, line=12, n=2, found_by="gitleaks"),
    )
    assert rows(con, "select value_number is null, places from leak_facts order by all") == [
        (False, 1),
        (True, 1),
        (True, 1),
    ]


def test_a_line_with_two_values_does_not_tell_which_one_another_scanner_meant() -> None:
    con = resolved(
        repository(),
        found("github_token", "f1", line=4, n=1),
        found("slack_token", "f2", line=4, n=2),
        found("generic_api_key", None, line=4, found_by="gitleaks"),
    )
    assert rows(con, "select count(*) from leak_facts") == [(3,)]


def test_what_stands_in_a_workload_is_no_leak_of_a_place() -> None:
    con = resolved(repository(), found("github_token", where_kind="environment"))
    assert rows(con, "select * from leak_facts") == []


def test_two_runs_over_the_same_sightings_say_the_same() -> None:
    def told() -> list[tuple[Any, ...]]:
        con = resolved(_HELD, [found("github_token", f"f{n % 3}", at=f"{n}.env") for n in range(9)])
        return rows(con, "select * from leak_facts order by all")

    assert told() == told()
