"""Sign-ins of identities in the inventory: from where, with what and how."""

from __future__ import annotations

from datetime import timedelta

from nhiscan.model import Use
from nhiscan.resolve import sign_ins
from tests.resolve.crm_estate import AS_OF, ORG, Crm, rows

DEVICES = {
    "Chrome 120 Windows 10": "chrome windows",
    "Chrome 121 Windows 10": "chrome windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36": (
        "chrome windows"
    ),
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36 Edg/120.0": "edge windows",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1.15 Version/17 Safari/605.1.15": "safari mac",
    "Safari Mac OSX": "safari mac",
    "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0": "firefox linux",
    "Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile": "chrome android",
    "SFDC iPhone iOS/17": "sfdc ios",
    "Java (Salesforce.com) Unknown": "java",
    "Microsoft Operation Client/1.0": "microsoft",
    "Unknown": None,
    "": None,
    "'; drop table usage; --\n\x00<b>": "drop",
}


def test_a_device_is_a_program_and_a_platform_without_versions() -> None:
    crm = Crm()
    user = crm.partner_user("ann")
    for agent in DEVICES:
        crm.sign_in(user, user_agent=agent)
    con = crm.resolve(sign_ins.run)
    assert dict(rows(con, "select user_agent, device from usage join sign_ins using (event_id)")) == DEVICES


def test_a_sign_in_says_when_from_where_and_how() -> None:
    crm = Crm()
    user = crm.partner_user("ann")
    crm.sign_in(user, source_ip="203.0.113.77", country="de", app="Data Loader", flow="soap", is_interactive=False)
    crm.sign_in(user, source_ip="2001:DB8:12:34::1", outcome="failure", occurred_at=AS_OF + timedelta(seconds=61))
    crm.sign_in(user, source_ip="Salesforce.com IP", outcome="unsure", occurred_at=AS_OF + timedelta(hours=1))
    con = crm.resolve(sign_ins.run)
    start = int(AS_OF.timestamp()) // 60
    columns = "minute, is_success, is_interactive, network, country, device, app, flow"
    assert rows(con, f"select {columns} from sign_ins order by minute") == [
        (start, True, False, "203.0.113", "DE", None, "Data Loader", "soap"),
        (start + 1, False, None, "2001:db8:12", None, None, None, None),
        (start + 60, None, None, None, None, None, None, None),
    ]


def test_whoever_is_gone_from_the_inventory_and_whatever_is_no_sign_in_stays_out() -> None:
    crm = Crm()
    user = crm.partner_user("ann")
    crm.sign_in(f"{ORG}:user/gone")
    crm.add(Use(f"{ORG}:call/1", "salesforce", ORG, AS_OF, "call", "query", "success", identity_id=user))
    assert rows(crm.resolve(sign_ins.run), "select * from sign_ins") == []
