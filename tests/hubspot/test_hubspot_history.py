"""Security activity ages out at HubSpot; the inventory that was concluded from it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from fixtures.hubspot.account import ANNA, BEN
from fixtures.hubspot.simulator import ACTIVITY, Simulator
from nhiscan.collect import Context
from nhiscan.model import Use
from tests.hubspot.conftest import TENANT, Scan, collector, scan
from tests.systems import rows, run

SECURITY = f"{ACTIVITY}/security"
CONCLUDED = "select identity_id from identities where derived_from is not null and kind <> 'human_user' order by 1"
# All but what the login history of 90 days says.
SHOWN = (
    "select * exclude (identity_key, last_used_at, last_used_known, last_used_source) from identities "
    "order by identity_id"
)
EVERYTHING = [
    f"{TENANT}:{name}"
    for name in ("api_key/account", "app/8201", "app/8202", "private_app/8001", "service_key/8101", "service_key/8102")
]


def concluded(said: Scan) -> list[str]:
    """Apps and keys, without the users."""
    found = [record for record in said.of("identities") if record.derived_from and record.kind != "human_user"]
    return sorted(record.identity_id for record in found)


def later(simulator: Simulator, first: Scan, *, days: float, since: Sequence[str] = ("audit", "exports")) -> Scan:
    """A scan some days after `first`, of which everything was kept and the datasets `since` were read completely."""
    read_at = simulator.account.now
    simulator.account.pass_days(days)
    simulator.calls.clear()

    def kept(tenant_id: str, dataset: str) -> Sequence[Use]:
        assert tenant_id == TENANT
        return [use for use in first.of("usage") if use.dataset == dataset]

    watermarks = {(TENANT, f"usage.{name}"): read_at for name in since}
    return scan(simulator, ctx=Context(as_of=simulator.account.now, watermarks=watermarks, kept=kept))


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


# Through the state directory


def test_an_app_whose_events_have_aged_out_stays_as_it_was(tmp_path: Path, simulator: Simulator) -> None:
    run(tmp_path, [collector(simulator)], at=simulator.account.now)
    first = rows(tmp_path, SHOWN)
    simulator.account.pass_days(600)
    run(tmp_path, [collector(simulator)], at=simulator.account.now)
    assert rows(tmp_path, SHOWN) == first
    assert [row for (row,) in rows(tmp_path, CONCLUDED)] == EVERYTHING
    reach = rows(tmp_path, "select history_from from coverage where dataset = 'usage.audit'")
    assert reach == [(naive(simulator.account.ago(365)),)]  # a gap, since nobody looked for longer than that


def test_after_a_stream_that_broke_off_everything_is_asked_for_again(tmp_path: Path, simulator: Simulator) -> None:
    simulator.page = 4
    simulator.nasty.broken[SECURITY] = 4
    run(tmp_path, [collector(simulator)], at=simulator.account.now)
    assert len(rows(tmp_path, CONCLUDED)) < len(EVERYTHING)
    simulator.nasty.broken.clear()
    simulator.calls.clear()
    run(tmp_path, [collector(simulator)], at=simulator.account.now)
    assert "fromTimestamp" not in simulator.paths(SECURITY)[0]
    assert [row for (row,) in rows(tmp_path, CONCLUDED)] == EVERYTHING


# What the collector makes of what was kept


def test_only_what_is_new_is_asked_for(simulator: Simulator) -> None:
    read_at = simulator.account.now
    later(simulator, scan(simulator), days=7)
    (call,) = simulator.paths(SECURITY)
    assert f"fromTimestamp={int(read_at.timestamp() * 1000)}" in call


@pytest.mark.parametrize("since", [(), ("audit",), ("exports",)])
def test_unless_both_datasets_were_read_everything_is_asked_for(simulator: Simulator, since: tuple[str, ...]) -> None:
    later(simulator, scan(simulator), days=7, since=since)
    assert "fromTimestamp" not in simulator.paths(SECURITY)[0]


def test_kept_events_and_new_ones_are_folded_together(simulator: Simulator) -> None:
    first = scan(simulator)
    simulator.account.pass_days(390)
    simulator.account.do("PRIVATE_APP_ACCESS_TOKEN_DEACTIVATE", ANNA, 8001)
    simulator.account.do("SERVICE_KEY_ROTATE", BEN, 8101)
    again = later(simulator, first, days=1, since=())
    assert again.credential("private_app_token/8001").status == "inactive"
    assert again.credential("service_key_value/8101").created_at == simulator.account.ago(1)
    assert again.identity("service_key/8101").created_at == first.identity("service_key/8101").created_at


def test_an_event_that_is_read_again_counts_once(simulator: Simulator) -> None:
    first = scan(simulator)
    again = later(simulator, first, days=0, since=())
    assert again.of("usage") == first.of("usage")
    assert again.of("identities") == first.of("identities")


def test_settings_stay_as_the_last_known_change_left_them(simulator: Simulator) -> None:
    again = later(simulator, scan(simulator), days=500)
    assert again.setting("sso.required") == [("yes", None)]
    assert again.coverage("settings.sign_in").status == "unsupported"


def test_a_stream_that_is_refused_later_takes_nothing_away(simulator: Simulator) -> None:
    first = scan(simulator)
    simulator.nasty.statuses[SECURITY] = 500
    again = later(simulator, first, days=7)
    assert concluded(again) == EVERYTHING
    assert again.coverage("apps").status == "failed"


def test_without_its_history_an_app_is_gone_and_the_coverage_says_why(simulator: Simulator) -> None:
    simulator.account.pass_days(400)
    said = scan(simulator)
    assert concluded(said) == []
    assert said.coverage("apps").status == "unsupported"
    assert "nobody touched" in str(said.coverage("apps").reason)


def test_a_scan_sees_back_to_the_oldest_event_and_then_to_the_last_scan(simulator: Simulator) -> None:
    first = scan(simulator)
    assert first.coverage("usage.audit").history_from == simulator.account.ago(340)
    again = later(simulator, first, days=7)
    assert again.coverage("usage.audit").history_from == simulator.account.ago(7)


def test_a_scan_sees_no_further_back_than_hubspot_remembers(simulator: Simulator) -> None:
    again = later(simulator, scan(simulator), days=500)
    assert again.coverage("usage.exports").history_from == simulator.account.ago(365)
