"""`nhiscan doctor` on an account: a few calls, and every refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.aws.simulator import Simulator, denied
from nhiscan import collect, doctor, rule
from nhiscan.cli import cli
from tests.aws.conftest import AS_OF, OUR_SCAN


def gaps(simulator: Simulator) -> dict[str, doctor.Gap]:
    ctx = collect.Context(as_of=AS_OF, is_sample=True)
    collector = collect.load("aws")(endpoint_url=simulator.url, **OUR_SCAN)
    return {
        gap.dataset: gap
        for tenant in doctor.examine([collector], ctx, rule.load())
        for gap in tenant.gaps
        if tenant.tenant_id == "aws:111111111111"
    }


def test_a_missing_permission_is_named_with_what_it_hides(simulator: Simulator) -> None:
    before = gaps(simulator)
    simulator.faults.append(denied("iam:ListAccessKeys"))
    after = gaps(simulator)
    assert "credentials" not in before
    assert after["credentials"].missing_permission == "iam:ListAccessKeys"
    assert "life-key-age-exceeded" in after["credentials"].hides


def test_many_users_cost_no_more_calls_than_a_few(simulator: Simulator) -> None:
    gaps(simulator)
    few = len(simulator.calls)
    account = simulator.world.accounts["111111111111"]
    template = account["users"][0]
    account["users"] += [
        template | {"UserName": f"u{n}", "UserId": f"AIDA{n:017d}", "Arn": f"arn:aws:iam::111111111111:user/u{n}"}
        for n in range(50)
    ]
    gaps(simulator)
    assert len(simulator.calls) - few == few


def test_the_command_says_it_and_exits_3(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nhiscan.toml").write_text(
        f'[company]\nname = "Acme"\n[collectors.aws]\nendpoint_url = "{simulator.url}"\n', encoding="utf-8"
    )
    simulator.faults.append(denied("iam:ListSAMLProviders"))
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 3
    assert "needs iam:ListSAMLProviders" in result.stdout
    assert "not known before the first scan" in result.stdout
    assert not Path(".nhiscan").exists()
