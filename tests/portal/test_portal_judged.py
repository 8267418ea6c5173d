"""From the CSV files of a portal to findings: who shares, guesses, exports, sleeps or left, and what is too lax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nhiscan import check, collect, config, scan
from nhiscan.model import Alias, Partner, Person, Record
from tests.systems import register, rows, run

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
RULES = {
    "auth-mfa-missing-privileged",
    "auth-password-policy-weak",
    "auth-session-timeout-weak",
    "auth-sso-not-enforced",
    "human-no-individual-accounts",
    "human-shared-account",
    "life-issued-never-used",
    "mon-bulk-export",
    "mon-failed-login-burst",
    "mon-unusual-login-pattern",
    "off-dormant-account-enabled",
    "off-partner-person-left",
}
USERS = """id,mail,name,status,created_at,invited_at,last_sign_in_at,mfa,roles
ana,ana@borealis.example,Ana,active,2024-01-01,,2026-01-30,yes,Sales
team,team@cirrus.example,Team,active,2024-01-01,,2026-01-30,yes,Sales
guess,guess@borealis.example,Gus,active,2024-01-01,,2026-01-30,yes,Sales
rio,rio@borealis.example,Rio,active,2024-01-01,,2026-01-30,yes,Sales
bulk,bulk@borealis.example,Bea,active,2024-01-01,,2026-01-30,yes,Sales
sleep,sleep@borealis.example,Sid,active,2024-01-01,,2025-06-01,yes,Sales
away,away@borealis.example,Una,active,2024-01-01,,never,yes,Sales
late,late@borealis.example,Lee,invited,,2025-12-01,never,,
fresh,fresh@borealis.example,Flo,invited,,2026-01-25,never,,
gone,gone@borealis.example,Gil,active,2024-01-01,,2026-01-10,yes,Sales
off,off@borealis.example,Oda,disabled,2024-01-01,,2025-01-01,no,Admin
boss,boss@borealis.example,Bo,active,2024-01-01,,2026-01-30,no,Admin
ours,olaf@acme.example,Olaf,active,2024-01-01,,2026-01-30,no,Admin
"""
LOG = "at,user,outcome,ip,country,user_agent,flow\n"
BROWSERS = ("Firefox Windows", "Chrome Windows", "Edge Windows", "Safari Mac")


def line(at: datetime, user: str, *, outcome: str = "success", ip: str = "192.0.2.1", country: str = "NL") -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ},{user},{outcome},{ip},{country},Firefox Windows,password\n"


def habits(first: date, last: date) -> Iterator[str]:
    """Each day of everybody who signs in."""
    for n in range((last - first).days + 1):
        day = datetime(first.year, first.month, first.day, 8, tzinfo=UTC) + timedelta(days=n)
        for user in ("ana", "guess", "rio", "bulk", "boss", "ours"):
            yield line(day, user)
        for number, browser in enumerate(BROWSERS):
            at = day + timedelta(hours=2 * number)
            yield line(at, "team", ip=f"198.51.{number}.9").replace("Firefox Windows", browser)


def incidents() -> Iterator[str]:
    for n in range(12):
        yield line(datetime(2026, 1, 29, 20, 0, 40 + n, tzinfo=UTC), "guess", outcome="failure", ip="203.0.113.9")
    yield line(datetime(2026, 1, 29, 20, 9, tzinfo=UTC), "guess")
    yield line(datetime(2026, 1, 30, 3, tzinfo=UTC), "rio", ip="203.0.113.77", country="BR")


EXPORTS = "at,user,target,rows\n2026-01-05T09:00Z,ana,leads,120\n2026-01-30T22:00Z,bulk,leads,48200\n"
STATED = {
    "sso_required": False,
    "session_idle_minutes": 480,
    "session_max_hours": 8,
    "password_min_length": 7,
    "lockout_attempts": 5,
    "keys_issued": False,
}


def files(**more: str) -> dict[str, str]:
    log = LOG + "".join(sorted([*habits(date(2025, 10, 1), date(2026, 1, 30)), *incidents()]))
    return {"users.csv": USERS, "sign_ins.csv": log, "exports.csv": EXPORTS, **more}


def people() -> list[Record]:
    return [
        Partner("P-1", "Borealis", register_row="partners.csv:2"),
        Partner("P-2", "Cirrus", register_row="partners.csv:3"),
        Alias("P-1", "mail_domain", "borealis.example", exclusive=True),
        Alias("P-2", "mail_domain", "cirrus.example", exclusive=True),
        Person("gone@borealis.example", side="partner", partner_id="P-1", status="left", left_on=date(2026, 1, 15)),
        *(Person(f"p{n}@cirrus.example", side="partner", partner_id="P-2", status="active") for n in range(3)),
    ]


def judge(folder: Path, given: Mapping[str, str], *, at: datetime = AT, **settings: Any) -> scan.Published:
    exports = folder / "hub"
    exports.mkdir(exist_ok=True)
    for old in exports.iterdir():
        old.unlink()
    for name, text in given.items():
        (exports / name).write_text(text)
    listed = {"path": "hub/users.csv", "holds": "users", "never": ["never"]}
    portal = config.build(
        collect.load("portal"),
        {
            "tenant": "hub",
            "path": "hub",
            "files": [listed],
            "exported_at": at,
            "timezone": "UTC",
            "rights": {"Sales": "read-data of own", "Admin": "admin"},
            "settings": STATED,
            **settings,
        },
        where="",
        base=folder,
        environ={},
    )
    rules = [rule for rule in check.load() if rule.rule_id in RULES]
    return run(folder / "state", [portal, register(*people())], at=at, rules=rules)


def found(folder: Path, outcome: str = "fail") -> dict[str, dict[str, str]]:
    """Severity by subject, by rule."""
    told: dict[str, dict[str, str]] = {}
    for rule_id, subject, severity in rows(
        folder / "state",
        f"select rule_id, replace(subject_id, 'portal:hub:', ''), severity from findings "
        f"where outcome = '{outcome}' and status <> 'fixed' order by all",
    ):
        told.setdefault(rule_id, {})[subject] = severity
    return told


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portal")
    assert judge(folder, files()).is_complete
    return folder


def test_each_rule_finds_what_was_planted_and_nothing_else(judged: Path) -> None:
    assert found(judged) == {
        "auth-mfa-missing-privileged": {"user/boss": "high"},
        "auth-password-policy-weak": {"setting/password.min_length": "high"},
        "auth-session-timeout-weak": {"setting/session.idle_minutes": "medium"},
        "auth-sso-not-enforced": {"setting/sso.required": "medium"},
        "human-no-individual-accounts": {"P-2": "medium"},
        "human-shared-account": {"user/team": "medium"},
        "life-issued-never-used": {"invitation/late": "low"},
        "mon-bulk-export": {"user/bulk": "high"},
        "mon-failed-login-burst": {"user/guess": "high"},
        "mon-unusual-login-pattern": {"user/rio": "high"},
        "off-dormant-account-enabled": {"user/away": "medium", "user/sleep": "medium"},
        "off-partner-person-left": {"user/gone": "high"},
    }


def test_only_what_nobody_stated_is_unknown(judged: Path) -> None:
    assert found(judged, "unknown") == {"auth-password-policy-weak": {"setting/password.breached_check": "high"}}


def test_people_of_a_portal_and_open_invitations_are_access(judged: Path) -> None:
    access = dict(rows(judged / "state", "select native_id, has_access from identity_facts where provider = 'portal'"))
    assert {name for name, has_access in access.items() if not has_access} == {"off"}
    assert access["late"] is True


def test_users_are_attributed_by_their_address_and_ours_are_not(judged: Path) -> None:
    partners = dict(
        rows(judged / "state", "select native_id, partner_id from identity_facts where provider = 'portal'")
    )
    assert (partners["ana"], partners["team"], partners["ours"]) == ("P-1", "P-2", None)


def test_without_rights_strength_is_unknown_and_not_none(tmp_path: Path) -> None:
    judge(tmp_path, files(), rights={})
    levels = rows(tmp_path / "state", "select distinct level, is_admin from identity_facts where provider = 'portal'")
    assert levels == [(None, None)]
    assert found(tmp_path, "unknown")["auth-mfa-missing-privileged"] == {"user/boss": "high"}


def test_without_a_long_log_habits_are_unknown_and_nothing_passes(tmp_path: Path) -> None:
    log = LOG + "".join(sorted([*habits(date(2025, 12, 20), date(2026, 1, 30)), *incidents()]))
    judge(tmp_path, files(**{"sign_ins.csv": log}))
    assert "mon-unusual-login-pattern" not in found(tmp_path)
    assert "user/rio" in found(tmp_path, "unknown")["mon-unusual-login-pattern"]


def test_an_old_export_passes_nobody(tmp_path: Path) -> None:
    published = judge(tmp_path, files(), exported_at=date(2026, 1, 10))
    assert not published.is_complete
    passed = rows(tmp_path / "state", "select rule_id, passed from rule_results where passed > 0 order by all")
    assert [rule_id for rule_id, _ in passed if rule_id.startswith(("mon-", "off-dormant", "human-"))] == []


def test_a_list_of_users_that_lost_its_first_line_clears_nothing(tmp_path: Path) -> None:
    judge(tmp_path, files())
    before = found(tmp_path)
    judge(tmp_path, files(**{"users.csv": USERS.partition("\n")[2]}), at=AT + timedelta(days=1))
    kept = rows(tmp_path / "state", "select distinct status from findings where rule_id = 'off-partner-person-left'")
    assert before["off-partner-person-left"] == {"user/gone": "high"}
    assert kept == [("open",)]


def test_exports_that_overlap_make_one_history(tmp_path: Path) -> None:
    """The second log alone would be too short to know anybody's habits."""
    first = sorted(habits(date(2025, 10, 1), date(2025, 12, 31)))
    second = sorted([*habits(date(2025, 12, 20), date(2026, 1, 30)), *incidents()])
    judge(tmp_path, files(**{"sign_ins.csv": LOG + "".join(first)}), at=datetime(2026, 1, 1, tzinfo=UTC))
    judge(tmp_path, files(**{"sign_ins.csv": LOG + "".join(second)}))
    ((events, ids),) = rows(
        tmp_path / "state", "select count(*), count(distinct event_id) from usage where dataset = 'usage.logins'"
    )
    assert events == ids == len({*first, *second})
    assert found(tmp_path)["mon-unusual-login-pattern"] == {"user/rio": "high"}
