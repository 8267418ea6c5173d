"""How the report tells the steps by which an identity of a case becomes an administrator."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.report.estate import AWS, HOSTILE, hostile, insert, small
from tests.report.test_report_page import Page, paint


def ways(html: str) -> list[str]:
    """The text of each table that tells a way, from its caption on."""
    return [part.split("What it can do")[0] for part in Page(html).text.split("How it becomes an administrator")[1:]]


def test_a_case_tells_each_step_with_what_allows_it_and_how_to_break_it() -> None:
    con = small()
    ((start, end),) = con.execute(
        "select min(i.identity_key), max(i.identity_key) from identities i join cases c on c.subject_id = i.identity_id"
    ).fetchall()
    insert(con, "policies", {"policy_key": 90, "policy_id": f"{AWS}:policy/assume", "name": "assume-anything"})
    insert(
        con,
        "access_edges",
        {
            "from_key": start,
            "to_key": end,
            "kind": "may-assume",
            "certainty": "definite",
            "policy_key": 90,
            "statement": "allow the assuming",
            "evidence": "the trust lets it in",
        },
    )
    insert(con, "reach", {"identity_key": start, "goal": "admin", "certainty": "definite", "hops": 1, "next_key": end})
    insert(con, "reach", {"identity_key": end, "goal": "admin", "certainty": "definite", "hops": 0})
    (told,) = ways(paint(con))
    for words in ("may assume it", "assume-anything", "allow the assuming", "the trust lets it in", "take the right"):
        assert words in told


def test_a_case_without_a_way_tells_none() -> None:
    assert ways(paint(small())) == []


@pytest.mark.parametrize(
    ("use", "told"),
    [
        ({"is_used": True, "last_used_at": datetime(2026, 1, 2)}, "2026-01-02"),
        ({"is_used": False, "known_from": datetime(2025, 11, 3)}, "not since 2025-11-03"),
        ({"is_used": None}, "cannot be known"),
    ],
)
def test_a_privilege_says_whether_it_was_used(use: dict[str, Any], told: str) -> None:
    con = small()
    con.execute("delete from privileges")
    ((key,),) = con.execute(
        "select min(i.identity_key) from identities i join cases c on c.subject_id = i.identity_id"
    ).fetchall()
    insert(con, "privileges", {"identity_key": key, "verb": "read-data", "scope": "all", "certainty": "definite"})
    insert(con, "unused_privileges", {"identity_key": key, "verb": "read-data", "level": 3, **use})
    (table, *_) = Page(paint(con)).text.split("What it can do")[1:]
    assert f"definite {told} not known" in table


def test_hostile_words_of_a_way_stay_words() -> None:
    con = hostile()
    ((key,),) = con.execute(
        "select min(i.identity_key) from identities i join cases c on c.subject_id = i.identity_id"
    ).fetchall()
    insert(con, "access_hubs", *({"hub_key": -number, "name": name} for number, name in enumerate(HOSTILE, 1)))
    insert(con, "reach", {"identity_key": key, "goal": "admin", "certainty": "definite", "hops": 1, "next_key": key})
    for word in HOSTILE:
        edge = {"kind": word, "certainty": "definite", "is_rewriting": True, "statement": word, "evidence": word}
        insert(con, "access_edges", {"from_key": key, "to_key": key, "path_id": word, **edge})
    page = Page(paint(con))
    assert len([1 for tag in page.tags("script", "img", "iframe")]) == len(Page(paint(hostile())).tags("script", "img"))
    assert "may rewrite its own rights" in page.text


def test_a_report_for_a_partner_tells_no_way_because_it_leads_through_others() -> None:
    con = small()
    for partner_id, identity_key in con.execute(
        "select partner_id, identity_key from identity_partners where verdict = 'asserted' order by all limit 1"
    ).fetchall():
        edge = {"kind": "may-change", "certainty": "definite", "is_rewriting": True, "evidence": "rewrites itself"}
        insert(con, "access_edges", {"from_key": identity_key, "to_key": identity_key, **edge})
        reach = {"goal": "admin", "certainty": "definite", "hops": 1, "next_key": identity_key}
        insert(con, "reach", {"identity_key": identity_key, **reach})
        assert "rewrites itself" not in paint(con, partner=partner_id)
