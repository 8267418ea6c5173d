"""A year of a partner's life: each step raises and clears exactly these findings, of all rules and all subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from nhiscan import store
from tests.lifecycle.year_estate import (
    APPROLE,
    AWS,
    DANA,
    ERIKA,
    JONAS,
    NORDWIND,
    OUTSIDE,
    OWN_BUCKET,
    ROLE,
    SECRET,
    USER,
    WHOLE_BUCKET,
    World,
    moment,
    review,
)

SECOND_KEY, THIRD_KEY, FOURTH_KEY = (f"AKIAEXAMPLEYEAR0000{n}" for n in (2, 3, 4))

Finding = tuple[str, str]


def key(native_id: str) -> str:
    return f"{AWS}:access_key/{native_id}"


@dataclass(frozen=True)
class Step:
    """What happens before a scan, and the findings of which it then says something else than the scan before."""

    name: str
    on: date
    happens: Callable[[World], None]
    changes: Mapping[Finding, str] = field(default_factory=dict)


def onboard(world: World) -> None:
    """Let in on 20 January, with access since the 27th, before anybody assessed it."""


def assess(world: World) -> None:
    world.partner(
        due_diligence_at=date(2025, 2, 20),
        due_diligence_result="pass",
        due_diligence_valid_to=date(2026, 6, 30),
        stage="enablement",
    )


def package(world: World) -> None:
    world.add(
        "package_assignments",
        partner_id=NORDWIND,
        package_id="K-1",
        assigned_at=date(2025, 3, 14),
        assigned_by=JONAS,
    )
    world.partner(stage="measurement")


def drift(world: World) -> None:
    """Somebody lets it write another bucket, while its key is replaced in time."""
    world.statements = [OWN_BUCKET, WHOLE_BUCKET]
    world.keys = {SECOND_KEY: date(2025, 4, 15)}
    internal_reviews(world, date(2025, 4, 24))


def attest(world: World) -> None:
    for kind in ("access", "nhi_inventory", "leavers"):
        world.attest(kind, at=moment(date(2025, 5, 20)))


def renew(world: World) -> None:
    world.row("contracts", "C-1")["end"] = date(2025, 11, 30)
    world.add("contract_events", contract_id="C-1", type="renewed", occurred=date(2025, 7, 1))
    internal_reviews(world, date(2025, 5, 27))
    world.keys = {THIRD_KEY: date(2025, 7, 4)}


def hold_the_review(world: World) -> None:
    world.register["reviews"].append(review("V-11", NORDWIND, "access", moment(date(2025, 8, 8))))
    for scope in ("secrets", "delegated", "package"):
        world.add("reviews", **review(f"V-11-{scope}", NORDWIND, scope, moment(date(2025, 8, 8))))
    world.register["contract_events"][-1]["done"] = date(2025, 8, 8)


def suffer_an_incident(world: World) -> None:
    world.add(
        "incidents",
        incident_id="I-1",
        partner_id=NORDWIND,
        scope="partner_breach",
        disclosed_at=moment(date(2025, 9, 1)),
        severity="high",
    )


def rotate(world: World) -> None:
    world.keys = {FOURTH_KEY: date(2025, 9, 12)}
    world.secret_changed = date(2025, 9, 12)
    world.row("incidents", "I-1")["closed_at"] = moment(date(2025, 9, 12))


def accept(world: World) -> None:
    world.add(
        "acceptances",
        acceptance_id="E-1",
        rule_id="priv-package-drift",
        subject_id=USER,
        partner_id=NORDWIND,
        reason="the billing interface moves in November",
        compensating_control="writes are alerted on",
        requested_by=ERIKA,
        approved_by=JONAS,
        approved_at=moment(date(2025, 9, 26)),
        expires_at=date(2025, 10, 31),
        renewals=0,
    )


def let_it_expire(world: World) -> None:
    for scope in ("access", "secrets", "delegated", "package"):
        world.add("reviews", **review(f"V-12-{scope}", NORDWIND, scope, moment(date(2025, 10, 30))))
    for kind in ("access", "nhi_inventory", "leavers"):
        world.add(
            "attestations",
            attestation_id=f"T2-P1-{kind}",
            partner_id=NORDWIND,
            kind=kind,
            attested_by="dana@nordwind.example",
            attested_at=moment(date(2025, 10, 28)),
        )


def end(world: World) -> None:
    """Its last day passes, it goes on using what it has, and nobody notices."""
    world.add("contract_events", contract_id="C-1", type="expired", occurred=date(2025, 11, 30))
    world.statements = [OWN_BUCKET]
    world.register["acceptances"].clear()


def open_the_offboarding(world: World) -> None:
    """Ten days late: the contract gives 48 hours."""
    world.add(
        "offboardings",
        offboarding_id="O-1",
        partner_id=NORDWIND,
        contract_id="C-1",
        opened_at=moment(date(2025, 12, 10)),
        due_at=moment(date(2025, 12, 3)),
    )
    world.partner(stage="offboarding")
    world.last_use = date(2025, 12, 9)


def close_it_half_done(world: World) -> None:
    """All steps are said to be done; the key still works."""
    world.has_role = world.has_approle = world.is_dana_enabled = False
    world.secret_changed = date(2025, 12, 19)
    for step, action, kind, target in (
        (1, "revoke_access", "identity", USER),
        (2, "remove_delegation", "trust", f"{ROLE}<-{OUTSIDE[NORDWIND]}"),
        (3, "rotate_shared_secret", "secret", SECRET),
        (4, "close_integration", "identity", APPROLE),
        (5, "revoke_access", "identity", DANA),
        (6, "return_data", None, None),
    ):
        world.add(
            "offboarding_steps",
            offboarding_id="O-1",
            step=step,
            action=action,
            target_kind=kind,
            target_id=target,
            done_at=moment(date(2025, 12, 19 if action == "rotate_shared_secret" else 18)),
            done_by=ERIKA,
            evidence="CHG-4711",
        )
    world.row("offboardings", "O-1")["closed_at"] = moment(date(2025, 12, 20))


def take_the_key(world: World) -> None:
    world.keys = {}
    world.row("offboardings", "O-1").update(verified_at=moment(date(2026, 1, 10)), verified_by=JONAS)
    world.partner(stage="ended")


def internal_reviews(world: World, day: date) -> None:
    for scope in ("access", "secrets", "delegated", "package"):
        world.add("reviews", **review(f"V-{day:%m%d}-{scope}", NORDWIND, scope, moment(day)))


STEPS = [
    Step(
        "onboarded without diligence",
        date(2025, 2, 3),
        onboard,
        {
            ("tp-due-diligence-missing", NORDWIND): "open",
            ("gov-package-missing", NORDWIND): "open",
            ("gov-attestation-overdue", NORDWIND): "open",
        },
    ),
    Step("assessed", date(2025, 2, 24), assess, {("tp-due-diligence-missing", NORDWIND): "fixed"}),
    Step("given a package", date(2025, 3, 17), package, {("gov-package-missing", NORDWIND): "fixed"}),
    Step("drifted", date(2025, 4, 28), drift, {("priv-package-drift", USER): "open"}),
    Step("attested", date(2025, 5, 26), attest, {("gov-attestation-overdue", NORDWIND): "fixed"}),
    Step(
        "renewed without review",
        date(2025, 8, 4),
        renew,
        {
            ("gov-renewal-without-review", NORDWIND): "open",
            ("off-contract-event-no-checkpoint", NORDWIND): "open",
        },
    ),
    Step(
        "reviewed",
        date(2025, 8, 11),
        hold_the_review,
        {
            ("gov-renewal-without-review", NORDWIND): "fixed",
            ("off-contract-event-no-checkpoint", NORDWIND): "fixed",
        },
    ),
    Step(
        "hit by an incident", date(2025, 9, 5), suffer_an_incident, {("tp-incident-unrotated", key(THIRD_KEY)): "open"}
    ),
    Step("rotated", date(2025, 9, 15), rotate, {("tp-incident-unrotated", key(THIRD_KEY)): "fixed"}),
    Step("excess accepted", date(2025, 9, 29), accept, {("priv-package-drift", USER): "accepted"}),
    Step(
        "acceptance expired",
        date(2025, 11, 10),
        let_it_expire,
        {("priv-package-drift", USER): "open", ("gov-exception-expired", "E-1"): "open"},
    ),
    Step(
        "ended",
        date(2025, 12, 8),
        end,
        {
            ("priv-package-drift", USER): "fixed",
            ("gov-exception-expired", "E-1"): "fixed",
            ("off-contract-ended-access", USER): "open",
            ("off-contract-ended-access", ROLE): "open",
            ("off-contract-ended-access", APPROLE): "open",
            ("off-contract-ended-access", DANA): "open",
            ("off-used-after-contract-end", USER): "open",
            ("off-used-after-contract-end", ROLE): "open",
            ("off-used-after-contract-end", APPROLE): "open",
            ("off-used-after-contract-end", DANA): "open",
            ("off-shared-secret-not-rotated", SECRET): "open",
            ("off-contract-event-no-checkpoint", NORDWIND): "reopened",
        },
    ),
    Step(
        "offboarding opened late",
        date(2025, 12, 15),
        open_the_offboarding,
        {
            ("off-contract-event-no-checkpoint", NORDWIND): "fixed",
            ("off-revoke-sla-breached", NORDWIND): "open",
            ("life-key-age-exceeded", key(FOURTH_KEY)): "open",
        },
    ),
    Step(
        "closed with a step that the scan contradicts",
        date(2025, 12, 22),
        close_it_half_done,
        {
            ("off-contract-ended-access", ROLE): "fixed",
            ("off-contract-ended-access", APPROLE): "fixed",
            ("off-contract-ended-access", DANA): "fixed",
            ("off-used-after-contract-end", ROLE): "fixed",
            ("off-used-after-contract-end", APPROLE): "fixed",
            ("off-shared-secret-not-rotated", SECRET): "fixed",
            ("off-unverified-closure", NORDWIND): "open",
        },
    ),
    # That Dana's account was used after the end stays true; so does that it took too long.
    Step(
        "verified",
        date(2026, 1, 12),
        take_the_key,
        {
            ("off-contract-ended-access", USER): "fixed",
            ("off-used-after-contract-end", USER): "fixed",
            ("off-unverified-closure", NORDWIND): "fixed",
            ("life-key-age-exceeded", key(FOURTH_KEY)): "fixed",
        },
    ),
]


@dataclass(frozen=True)
class Told:
    """What a step's scan says differently than the scan before, and how `partner verify` ends after it."""

    changes: Mapping[Finding, str]
    verify: int


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    world = World(tmp_path_factory.mktemp("year"))
    before: dict[Finding, str] = {}
    told = {}
    with pytest.MonkeyPatch.context() as patch:
        for module in ("cli_attest", "cli_partner"):
            patch.setattr(f"nhiscan.{module}.now", lambda: world.clock)
        for step in STEPS:
            world.today = step.on
            step.happens(world)
            world.scan()
            now = findings(world)
            changes = {finding: word for finding, word in now.items() if before.get(finding) != word}
            changes |= {finding: "gone" for finding in before if finding not in now}
            ended = world.run("partner", "verify", NORDWIND, at=world.now + timedelta(hours=1))
            told[step.name] = Told(changes, ended.exit_code)
            before = now
    return told


def findings(world: World) -> dict[Finding, str]:
    """Every finding of the newest scan and its status; of what could not be judged the status is `unknown`."""
    with store.open_published(world.folder / ".nhiscan") as con:
        rows = con.execute(
            "select rule_id, subject_id, case when outcome = 'unknown' then 'unknown' else status end from findings"
        ).fetchall()
    return {(rule_id, subject_id): word for rule_id, subject_id, word in rows}


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_a_step_raises_and_clears_exactly_these_findings(step: Step, year: dict[str, Told]) -> None:
    assert year[step.name].changes == step.changes


def test_nothing_is_verified_to_be_gone_before_the_last_step(year: dict[str, Told]) -> None:
    assert [year[step.name].verify for step in STEPS] == [1] * (len(STEPS) - 1) + [0]
