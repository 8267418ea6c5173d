"""From findings and offboardings to a plan: what is acted on, in which order, who uses it and what stops a plan."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from nhiscan import config, ledger, rule
from nhiscan.config import Company, Config
from nhiscan.errors import ConfigError
from nhiscan.lifecycle import offboard as lifecycle
from nhiscan.model import Offboarding, OffboardingStep
from nhiscan.remediate import plan as plans
from nhiscan.remediate import planning
from nhiscan.remediate.contract import Capabilities, Observation, RefusedError, Target, UnsupportedError
from nhiscan.remediate.plan import Action, Guided, Mode, Operation, Plan, PlanError
from nhiscan.remediate.planning import Given, Systems
from nhiscan.scan import STAGES
from tests.demo import Run
from tests.lifecycle.offboarded import ACCOUNT, AWS, CRM, HUB, KINDS, NOW, VAULT, Case, scanned
from tests.remediation import recorded
from tests.remediation.recorded import REQUESTER, Persons

HOUR: Final = timedelta(hours=1)
KEY: Final = f"{AWS}:user/etl-1/access_key"
ETL: Final = f"{AWS}:user/etl-1"
ROLE: Final = f"{AWS}:role/deploy-1"
DANA: Final = f"{CRM}:user/dana-1"
SHARED: Final = f"{AWS}:secret/shared-1"
PLACE: Final = ("vault:kv/data/acme/etl", {"access_key_id": "id", "secret_access_key": "key"})
# What a provider can do with each kind of thing, as adapters tell it.
CAN: Final[Mapping[str, Capabilities]] = {
    "credential": Capabilities(2, "provider", True, True, usage="last_used", usage_lag=4 * HOUR),
    "identity": Capabilities(0, "nobody", True, False, effects={"off": "it cannot sign in"}),
    "app": Capabilities(0, "nobody", False, True),
    "trust": Capabilities(0, "nobody", False, True),
    "grant": Capabilities(0, "nobody", False, True),
    "membership": Capabilities(0, "nobody", True, False),
    "secret": Capabilities(2, "provider", False, False, stores_itself=True),
}


@dataclass
class Provider:
    """A session that looks and never acts. `can`: instead of CAN, by kind of thing; `worlds`: by id."""

    can: dict[str, Capabilities] = field(default_factory=dict)
    worlds: dict[str, Observation] = field(default_factory=dict)
    unsupported: str = ""
    looked: list[Target] = field(default_factory=list)

    def capabilities(self, target: Target) -> Capabilities:
        if self.unsupported:
            raise UnsupportedError(self.unsupported)
        return {**CAN, **self.can}[target.thing_kind]

    def observe(self, target: Target) -> Observation:
        self.looked.append(target)
        return self.worlds.get(target.thing_id, Observation("live", {}, {"digest": "1"}))

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a plan calls {name}")


@dataclass
class Vault:
    """A store that is looked at only."""

    def observe(self, address: str) -> Mapping[str, str]:
        return {"version": "7", "names": f"of {address}"}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a plan calls {name} of a store")


@pytest.fixture(scope="module")
def who(tmp_path_factory: pytest.TempPathFactory) -> Persons:
    return recorded.persons(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def estate() -> duckdb.DuckDBPyConnection:
    """Partner P-1, whose contract has ended, was left with one residue of every kind."""
    case = Case(1)
    case.left = [kind(case, True) for kind in KINDS]
    con = scanned([case])
    for stage in STAGES:
        stage(con)
    return con


@pytest.fixture
def scan(estate: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The estate, as it was for each test."""
    estate.execute("begin")
    yield estate
    estate.execute("rollback")


@dataclass
class Desk:
    """Where a person plans."""

    con: duckdb.DuckDBPyConnection
    who: Persons
    settings: Config
    provider: Provider = field(default_factory=Provider)
    adapters: tuple[str, ...] = ("aws", "vault", "salesforce", "hubspot")
    permissions: dict[str, Any] = field(default_factory=dict)
    stores: Mapping[str, Vault] = field(default_factory=lambda: {"vault": Vault()})

    def flag(
        self, finding_id: str, rule_id: str, kind: str, subject: str, status: str = "open", outcome: str = "fail"
    ) -> None:
        provider, tenant = subject.partition(":")[0], ":".join(subject.split(":")[:2])
        self.con.execute(
            "insert into findings (finding_id, rule_id, subject_kind, subject_id, subject_name, provider, tenant_id, "
            "outcome, status, message) values (?, ?, ?, ?, 'name', ?, ?, ?, ?, ?)",
            [finding_id, rule_id, kind, subject, provider, tenant, outcome, status, f"{subject} is flagged"],
        )

    def plan(
        self, *findings: str, offboarding: str | None = None, mode: Mode = "routine", action: Action | None = None,
        **given: Any,
    ) -> Plan:  # fmt: skip
        made = planning.make(
            self.con,
            self.settings,
            rule.load(),
            Given(mode, given.pop("reason", "CHG-1"), action, **given),
            Systems(dict.fromkeys(self.adapters, self.provider), self.stores, self.permissions),
            findings=findings,
            offboarding_id=offboarding,
            requester=self.who.signer(REQUESTER),
            at=NOW,
        )
        plans.check(made, self.who.listed, NOW)
        planning.check(self.con, made)
        assert plans.parse(plans.text(made).encode("ascii")) == made
        return made

    def one(self, *findings: str, **given: Any) -> Operation:
        (operation,) = self.plan(*findings, **given).operations
        return operation

    def by_hand(self, *findings: str, **given: Any) -> Guided:
        made = self.plan(*findings, **given)
        assert not made.operations
        (task,) = made.guided
        return task

    def refused(self, *findings: str, **given: Any) -> PlanError:
        with pytest.raises(PlanError) as caught:
            self.plan(*findings, **given)
        assert caught.value.hint
        return caught.value


@pytest.fixture
def desk(scan: duckdb.DuckDBPyConnection, who: Persons, tmp_path: Path) -> Desk:
    made = Desk(scan, who, Config(tmp_path / "nhiscan.toml", Company("Acme"), tmp_path / "state", (), {}))
    made.flag("aaaaaa0001", "life-key-age-exceeded", "credential", KEY)
    made.flag("aaaaaa0002", "off-contract-ended-access", "identity", DANA)
    made.flag("aaaaaa0003", "off-shared-secret-not-rotated", "resource", SHARED)
    made.flag("aaaaaa0004", "auth-password-policy-weak", "setting", f"{CRM}:setting/password.min_length")
    made.flag("aaaaaa0005", "dep-public-trust-principal", "identity", ROLE)
    return made


def names(operation: Operation) -> list[str]:
    return [step.step for step in operation.steps]


def test_a_key_is_replaced_where_its_new_value_has_a_place(desk: Desk) -> None:
    desk.provider.worlds[KEY] = seen = Observation("live", {}, {"digest": "2"}, usage_known=True)
    desk.permissions = {
        "aws": {"access_key": {"observe": ("iam:ListAccessKeys",), "stage": ("x",)}},
        "vault": {"vault": {"stage": ("create kv/data/*",), "observe": ("read kv/*",)}},
    }
    operation = desk.one("aaaaaa0001", destinations={"access_key-etl-1": PLACE}, observe=2 * HOUR)

    assert (operation.number, operation.action, operation.adapter) == (1, "rotate", "aws")
    assert operation.target == Target(
        "credential", KEY, AWS, "aws", "access_key", "access_key-etl-1", "access_key-etl-1",
        holder_kind="service_account", holder_name="etl-1", holder_native_id="etl-1",
    )  # fmt: skip
    assert names(operation) == ["create", "stage", "verify", "publish", "quiet", "off", "observe", "delete", "prove"]
    waits = {step.step: step.wait_s for step in operation.steps if step.wait_s}
    assert waits == {"quiet": 24 * 3600, "observe": 2 * 3600}
    assert operation.state == seen.digest()
    assert operation.observed == {"state": "live", "digest": "2", "last_used_at": "never"}
    assert operation.destination is not None
    assert operation.destination.observed == {"version": "7", "names": "of kv/data/acme/etl"}
    assert operation.steps[1].permissions == ("x", "create kv/data/*")
    assert operation.is_partner_owned
    assert operation.finding_ids == ("aaaaaa0001",)
    assert operation.why == f"{KEY} is flagged"


PARTS: Final = ("access_key_id", "secret_access_key")


@dataclass
class Kept(Vault):
    """A store whose document has these names."""

    names: str

    def observe(self, address: str) -> Mapping[str, str]:
        return {"version": "7", "names": self.names}


def placed(desk: Desk, stored: str, **names: str) -> Plan:
    desk.provider.can["credential"] = dataclasses.replace(CAN["credential"], parts=PARTS)
    desk.stores = {"vault": Kept(stored)}
    return desk.plan("aaaaaa0001", destinations={"aaaaaa0001": ("vault:kv/data/acme/etl", names)})


@pytest.mark.parametrize("stored", ["access_key_id, region, secret_access_key", "secret_access_key,access_key_id"])
def test_parts_keep_their_own_names_where_all_of_them_stand_there(desk: Desk, stored: str) -> None:
    (operation,) = placed(desk, stored).operations
    assert operation.destination is not None
    assert operation.destination.names == {"access_key_id": "access_key_id", "secret_access_key": "secret_access_key"}
    assert not [warning for warning in operation.warnings if "keeps no" in warning]


@pytest.mark.parametrize(
    ("stored", "names", "says"),
    [
        ("", {}, "under which name access_key_id and secret_access_key of the credential"),
        ("access_key_id", {}, "under which name access_key_id and secret_access_key of the credential"),
        ("access_key_id, secret_access_key", {"access_key_id": "ID"}, "under which name secret_access_key of"),
        ("ID, KEY", {"access_key_id": "ID", "secret_access_ke": "KEY"}, "under which name secret_access_key of"),
        ("", {"access_key_id": "ID", "secret_access_key": "ID"}, "is not told under which name"),
        ("", {"access_key_id": "ID", "secret_access_key": "KEY", "token": "T"}, "--as names token, which no new"),
    ],
)
def test_no_part_is_without_a_name_of_its_own(desk: Desk, stored: str, names: dict[str, str], says: str) -> None:
    with pytest.raises(PlanError) as caught:
        placed(desk, stored, **names)
    assert says in caught.value.message
    assert caught.value.hint


def test_a_name_that_the_document_does_not_have_yet_is_said(desk: Desk) -> None:
    (operation,) = placed(desk, "ID, KEY", access_key_id="ID", secret_access_key="KEI").operations
    assert (
        "vault:kv/data/acme/etl keeps no KEI yet, but ID, KEY: whoever reads those goes on with the old one"
    ) in operation.warnings


def test_a_requester_cannot_leave_a_part_without_its_name(desk: Desk) -> None:
    made = placed(desk, "access_key_id, secret_access_key")
    (operation,) = made.operations
    assert operation.destination is not None
    place = dataclasses.replace(operation.destination, names={"access_key_id": "access_key_id"})
    asked = dataclasses.replace(made, operations=(dataclasses.replace(operation, destination=place),))
    with pytest.raises(PlanError, match="does not say where each part of the new one is kept"):
        plans.check(plans.signed(asked, desk.who.signer(REQUESTER)), desk.who.listed, NOW)


@pytest.mark.parametrize("name", ["grace", "observe"])
@pytest.mark.parametrize("length", [timedelta(days=367), timedelta(days=700_000)])
def test_a_wait_without_end_is_not_planned(desk: Desk, name: str, length: timedelta) -> None:
    assert f"--{name} is more than 366 days" in desk.refused("aaaaaa0002", **{name: length}).message


def test_a_plan_is_signed_by_whoever_asks_and_ends_in_a_day(desk: Desk) -> None:
    made = desk.plan("aaaaaa0002")
    assert (made.requested_by, made.scan_id, made.reason, made.mode) == (REQUESTER, "s", "CHG-1", "routine")
    assert (made.made_at, made.expires_at) == (NOW.isoformat(), (NOW + 24 * HOUR).isoformat())


def test_a_key_without_a_place_for_the_new_value_is_not_planned(desk: Desk) -> None:
    told = desk.refused("aaaaaa0001")
    assert told.message == f"where is the new value of {KEY} to go?"
    assert "--store access_key-etl-1=ADDRESS" in told.hint
    assert "--action revoke" in told.hint


def test_a_key_can_be_ended_instead(desk: Desk) -> None:
    operation = desk.one("aaaaaa0001", action="revoke")
    assert names(operation) == ["off", "observe", "delete", "prove"]
    assert operation.destination is None


def test_a_leak_can_be_stopped_first(desk: Desk) -> None:
    operation = desk.one("aaaaaa0001", mode="contain", destinations={"aaaaaa0001": PLACE})
    assert names(operation) == ["off", "create", "stage", "verify", "publish", "observe", "delete", "prove"]
    assert any(warning.startswith("contain: the old one goes before") for warning in operation.warnings)


@pytest.mark.parametrize("state", ["live", "off"])
def test_a_full_slot_stops_a_plan_and_is_never_freed(desk: Desk, state: Any) -> None:
    desk.provider.worlds[KEY] = Observation("live", {"AKIAOTHER": state})
    told = desk.refused("aaaaaa0001", destinations={"aaaaaa0001": PLACE})
    assert told.message == f"{KEY} has no free slot: of 2 the others are AKIAOTHER"
    assert "no slot is ever freed by itself" in told.hint


def test_a_slot_that_was_freed_is_free(desk: Desk) -> None:
    desk.provider.worlds[KEY] = Observation("live", {"AKIAOTHER": "gone"})
    assert desk.one("aaaaaa0001", destinations={"aaaaaa0001": PLACE}).action == "rotate"


def test_a_full_slot_does_not_stop_who_only_ends_a_key(desk: Desk) -> None:
    desk.provider.worlds[KEY] = Observation("live", {"AKIAOTHER": "live"})
    assert desk.one("aaaaaa0001", action="revoke").observed == {"state": "live", "other AKIAOTHER": "live"}


def test_an_outage_is_said_where_only_one_can_live(desk: Desk) -> None:
    desk.provider.can["credential"] = dataclasses.replace(CAN["credential"], overlap=1)
    warnings = desk.one("aaaaaa0001", destinations={"aaaaaa0001": PLACE}).warnings
    assert any("whoever agrees to the start agrees to that outage" in warning for warning in warnings)


def test_what_nothing_can_replace_is_for_a_person_unless_somebody_insists(desk: Desk) -> None:
    desk.provider.can["credential"] = dataclasses.replace(CAN["credential"], overlap=0)
    assert "nothing can be put in its place" in desk.by_hand("aaaaaa0001").why
    assert "nothing can be put in the place of" in desk.refused("aaaaaa0001", action="rotate").message


def test_what_the_provider_cannot_switch_off_is_for_a_person(desk: Desk) -> None:
    desk.provider.can["identity"] = Capabilities(0, "nobody", False, False)
    assert "the provider can neither switch it off nor end it" in desk.by_hand("aaaaaa0002").why


def test_a_user_of_a_crm_is_frozen(desk: Desk) -> None:
    operation = desk.one("aaaaaa0002")
    assert (operation.adapter, operation.target.native_id, operation.target.kind) == (
        "salesforce", "dana-1", "human_user",
    )  # fmt: skip
    assert names(operation) == ["off", "observe", "prove"]
    assert "off: it cannot sign in" in operation.warnings
    assert operation.steps[0].persons == 2


def test_a_secret_that_its_store_rotates_needs_no_place(desk: Desk) -> None:
    operation = desk.one("aaaaaa0003")
    assert (operation.action, operation.target.thing_kind, operation.target.region) == (
        "rotate", "secret", "eu-central-1",
    )  # fmt: skip
    assert operation.destination is None
    assert names(operation)[:2] == ["create", "verify"]


def test_a_setting_is_for_a_person(desk: Desk) -> None:
    task = desk.by_hand("aaaaaa0004")
    assert (task.number, task.thing_kind, task.finding_ids) == (1, "setting", ("aaaaaa0004",))
    assert task.commands or task.page


def test_a_finding_whose_rule_ends_nothing_is_for_a_person(desk: Desk) -> None:
    task = desk.by_hand("aaaaaa0005")
    assert "switching something off is not the answer" in task.why
    assert not desk.provider.looked


def trusts(desk: Desk) -> None:
    """Three trusts of the role: one of ours, two of others, each shown in the evidence."""
    ((key,),) = desk.con.execute("select identity_key from identities where identity_id = ?", [ROLE]).fetchall()
    for number, account in enumerate((ACCOUNT, "700000000001", "700000000009")):
        desk.con.execute(
            "insert into trusts (trust_key, trust_id, identity_key, tenant_id, mechanism, principal_kind, principal, "
            "account, statement) values (?, ?, ?, ?, 'assume_role', 'account', ?, ?, ?)",
            [1000 + number, f"t{number}", key, AWS, f"arn:aws:iam::{account}:root", account, f"statement {number}"],
        )
        desk.con.execute(
            "insert into finding_evidence values ('aaaaaa0005', ?, 'trust', ?)", [1000 + number, f"statement {number}"]
        )


def test_of_a_role_the_trusts_that_let_others_in_are_taken_away(desk: Desk) -> None:
    trusts(desk)
    made = desk.plan("aaaaaa0005", action="revoke")
    assert [operation.target.thing_id for operation in made.operations] == ["t1", "t2"]
    target = made.operations[0].target
    assert (target.thing_kind, target.holder_name, target.principal, target.kind, target.tenant_id) == (
        "trust", "deploy-1", "arn:aws:iam::700000000001:root", "assume_role", AWS,
    )  # fmt: skip
    assert names(made.operations[0]) == ["delete", "prove"]


def test_of_a_role_only_the_trust_that_the_finding_names_is_taken_away(desk: Desk) -> None:
    trusts(desk)
    desk.con.execute(
        "insert into finding_evidence values ('aaaaaa0005', 1, 'principal', 'arn:aws:iam::700000000009:root')"
    )
    assert desk.one("aaaaaa0005", action="revoke").target.thing_id == "t2"


def test_two_findings_on_one_thing_are_one_operation_and_the_stronger_counts(desk: Desk) -> None:
    desk.flag("aaaaaa0006", "off-dormant-credential-active", "credential", KEY)
    operation = desk.one("aaaaaa0001", "aaaaaa0006")
    assert (operation.action, operation.finding_ids) == ("revoke", ("aaaaaa0001", "aaaaaa0006"))


def test_two_statements_that_let_one_in_are_one_operation(desk: Desk) -> None:
    trusts(desk)
    desk.con.execute("update trusts set principal = 'arn:aws:iam::700000000001:root' where trust_id in ('t1', 't2')")
    assert desk.one("aaaaaa0005", action="revoke").target.thing_id == "t1"


def test_a_system_that_is_not_configured_leaves_a_task(desk: Desk) -> None:
    desk.adapters = ("aws",)
    task = desk.by_hand("aaaaaa0002")
    assert task.why.endswith("by hand, since [remediation.salesforce] is not in nhiscan.toml")
    assert task.commands


def test_what_an_adapter_hints_at_is_told(desk: Desk) -> None:
    def refuse(target: Target) -> Capabilities:
        raise UnsupportedError("it is elsewhere", hint="set accounts")

    desk.provider.capabilities = refuse  # type: ignore[method-assign]
    assert desk.by_hand("aaaaaa0002").why.endswith("by hand, since it is elsewhere (set accounts)")


def test_what_an_adapter_does_not_do_leaves_a_task_that_says_why(desk: Desk) -> None:
    desk.provider.unsupported = "salesforce: this is the remediation's own user"
    assert desk.by_hand("aaaaaa0002").why.endswith("by hand, since salesforce: this is the remediation's own user")


def test_an_adapter_that_cannot_look_makes_no_plan(desk: Desk) -> None:
    def refuse(target: Target) -> Observation:
        raise RefusedError("iam:ListAccessKeys is denied", permission="iam:ListAccessKeys")

    desk.provider.observe = refuse  # type: ignore[method-assign]
    with pytest.raises(RefusedError):
        desk.plan("aaaaaa0001", action="revoke")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("ffffff0000", "finding ffffff0000 is not in the current scan: it was mended, or never there"),
        ("aaaaaa", "5 findings begin with aaaaaa"),
        ("aaaaa", "'aaaaa' is no id of a finding"),
        ("AAAAAA0001", "'AAAAAA0001' is no id of a finding"),
        ("aaaaaa0001%", "'aaaaaa0001%' is no id of a finding"),
        ("\x1b[2J", "'\\u001b[2J' is no id of a finding"),
        ("", "'' is no id of a finding"),
    ],
)
def test_a_finding_that_is_not_there_is_refused(desk: Desk, word: str, says: str) -> None:
    assert desk.refused(word).message == says


def test_the_beginning_of_an_id_is_enough_where_it_means_one(desk: Desk) -> None:
    assert desk.one("aaaaaa0002"[:10]).finding_ids == ("aaaaaa0002",)
    desk.flag("bbbbbb7777", "off-contract-ended-access", "identity", DANA)
    assert desk.one("bbbbbb").finding_ids == ("bbbbbb7777",)


def test_a_case_is_no_finding(desk: Desk) -> None:
    desk.con.execute("insert into cases (case_id) values ('cccccc1234')")
    assert desk.refused("cccccc").message == "finding cccccc is a case, not a finding"


@pytest.mark.parametrize("status", ["fixed", "accepted"])
def test_a_finding_that_is_settled_is_refused(desk: Desk, status: str) -> None:
    desk.flag("dddddd0001", "off-contract-ended-access", "identity", DANA, status=status)
    assert desk.refused("dddddd0001").message == f"finding dddddd0001 is {status}: nothing is to be done about it"
    assert "is to be done" in desk.refused("dddddd0001", action="revoke").message


def test_a_finding_that_is_not_known_to_hold_is_refused_unless_somebody_insists(desk: Desk) -> None:
    desk.flag("dddddd0002", "off-contract-ended-access", "identity", DANA, outcome="unknown")
    assert "is not known to hold" in desk.refused("dddddd0002").message
    assert desk.one("dddddd0002", action="revoke").action == "revoke"


def test_what_is_gone_at_the_provider_is_not_planned(desk: Desk) -> None:
    desk.provider.worlds[DANA] = Observation("gone")
    assert "is not there any more" in desk.refused("aaaaaa0002").message


def test_what_is_off_already_is_not_planned_unless_it_can_be_ended(desk: Desk) -> None:
    desk.provider.worlds = {DANA: Observation("off"), KEY: Observation("off")}
    assert "is switched off already" in desk.refused("aaaaaa0002").message
    assert "it is switched off already" in desk.one("aaaaaa0001", action="revoke").warnings


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reason": "\t"}, "a plan needs a reason"),
        ({"grace": timedelta(seconds=-1)}, "--grace is below zero"),
        ({"observe": timedelta(seconds=-1)}, "--observe is below zero"),
        (
            {"destinations": {"AKIANOBODY": PLACE, KEY: PLACE}},
            "is given for AKIANOBODY, which this plan does not rotate",
        ),
        ({"destinations": {"aaaaaa0001": PLACE, KEY: PLACE}}, "is given 2 destinations"),
        ({"destinations": {KEY: ("kv/data/x", PLACE[1])}}, "kv/data/x names no store"),
        ({"destinations": {KEY: ("aws-secrets:x", PLACE[1])}}, "aws-secrets:x names no store"),
        ({"destinations": {KEY: ("vault:", PLACE[1])}}, "vault: names no store"),
        ({"destinations": {KEY: (PLACE[0], {})}}, "under which name each part"),
        ({"destinations": {KEY: (PLACE[0], {"a": "x", "b": "x"})}}, "under which name each part"),
    ],
)
def test_what_was_given_has_to_fit(desk: Desk, given: dict[str, Any], says: str) -> None:
    assert says in desk.refused("aaaaaa0001", **given).message


def test_two_new_values_need_two_places(desk: Desk) -> None:
    other = f"{AWS}:user/push-1/access_key"
    desk.flag("aaaaaa0101", "life-key-age-exceeded", "credential", other)
    both = ("aaaaaa0001", "aaaaaa0101")
    told = desk.refused(*both, destinations={"aaaaaa": PLACE})
    assert "the destination of aaaaaa is given for more than" in told.message
    assert "two new values would go to" in desk.refused(*both, destinations={KEY: PLACE, other: PLACE}).message
    places = {"aaaaaa0001": PLACE, other: ("vault:kv/data/acme/push", PLACE[1])}
    assert len(desk.plan(*both, destinations=places).operations) == 2


def test_only_what_is_a_credential_or_a_secret_is_rotated(desk: Desk) -> None:
    assert "is of a kind that is not rotated: identity" in desk.refused("aaaaaa0002", action="rotate").message


def test_a_plan_is_for_findings_or_for_an_offboarding(desk: Desk) -> None:
    assert "for findings or for one offboarding" in desk.refused().message
    assert "for findings or for one offboarding" in desk.refused("aaaaaa0001", offboarding="O-1").message


@pytest.mark.parametrize(
    ("wanted", "usage", "lag", "waits"),
    [
        (None, "last_used", 4, 24),
        (None, "none", 0, 30 * 24),
        (None, "last_used", 20, 40),
        (48, "last_used", 4, 48),
        (2, "last_used", 4, 8),
        (0, "last_used", 0, 0),
        (60 * 24, "none", 0, 60 * 24),
    ],
)
def test_nobody_may_have_used_it_for_twice_what_the_provider_tells_late(
    wanted: int | None, usage: Any, lag: int, waits: int
) -> None:
    can = Capabilities(2, "provider", True, True, usage=usage, usage_lag=lag * HOUR)
    assert planning.grace(None if wanted is None else wanted * HOUR, can) == waits * HOUR


def test_a_shorter_wait_than_usual_is_said(desk: Desk) -> None:
    warnings = desk.one("aaaaaa0001", destinations={"aaaaaa0001": PLACE}, grace=9 * HOUR).warnings
    assert "the old one goes after 9 hours without use; 24 hours is usual" in warnings
    warnings = desk.one("aaaaaa0001", destinations={"aaaaaa0001": PLACE}).warnings
    assert not [warning for warning in warnings if "is usual" in warning]


def test_where_the_same_credential_stands_is_told(desk: Desk) -> None:
    desk.con.execute(
        "insert into secret_places (place_id, value_number, is_secret, kind, where_kind, location, name, provider, "
        "tenant_id, holder_id, credential_id, evidence) values "
        "('p1', 900, true, 'k', 'environment', 'function sync', 'KEY', 'aws', ?, ?, ?, 'its id stands beside it'), "
        "('p2', 900, true, 'k', 'repo', 'deploy/env.sh:3', null, 'files', 'files:x', 'files:x', null, null), "
        "('p3', 901, true, 'k', 'repo', 'other.sh:1', null, 'files', 'files:x', 'files:x', null, null)",
        [AWS, f"{AWS}:function/f-1", KEY],
    )
    desk.con.execute("insert into credential_sources values (?, '192.0.2', 'aws-cli', 12, ?)", [KEY, "2026-01-30"])
    operation = desk.one("aaaaaa0001", action="revoke")
    told = {(consumer.kind, consumer.where): consumer.evidence for consumer in operation.consumers}
    assert told["environment", "function sync"] == "holds the same value in KEY; its id stands beside it"
    assert told["repo", "deploy/env.sh:3"] == "holds the same value"
    assert told["use", "192.0.2, aws-cli"] == "12 recorded uses, the last at 2026-01-30 00:00 UTC"
    assert ("repo", "other.sh:1") not in told
    assert not [warning for warning in operation.warnings if "nobody is known" in warning]


def test_a_key_that_nobody_is_known_to_use_is_not_called_unused(desk: Desk) -> None:
    warnings = desk.one("aaaaaa0001", action="revoke").warnings
    assert "nobody is known to use it, which is not to say that nobody does" in warnings


def test_who_may_read_a_secret_is_told(desk: Desk) -> None:
    desk.con.execute(
        "insert into access_edges (from_key, to_key, kind, certainty, resource_key, evidence) "
        "select i.identity_key, i.identity_key, 'can-read-secret-of', 'definite', r.resource_key, 'a policy' "
        "from identities i, resources r where i.identity_id = ? and r.resource_id = ?",
        [f"{AWS}:role/reader-1", SHARED],
    )
    (reader,) = [consumer for consumer in desk.one("aaaaaa0003").consumers if consumer.kind == "reader"]
    assert (reader.where, reader.evidence) == (f"{AWS}:role/reader-1", "may read it (definite): a policy")


def test_consumers_beyond_what_a_person_reads_are_counted(desk: Desk) -> None:
    desk.con.execute("insert into credential_sources select ?, '192.0.' || i, 'x', 1, null from range(60) t(i)", [KEY])
    operation = desk.one("aaaaaa0001", action="revoke")
    assert len(operation.consumers) == 50
    assert "11 more use it than are named here" in operation.warnings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aws:cloudformation:stack-name", "partners"),
        ("terraform", "true"),
        ("managed-by", "opentofu"),
        ("ManagedBy", "x"),
        ("acme:managed_by", "pulumi"),
        ("app.kubernetes.io/managed-by", "helm"),
        ("created-with", "Terraform"),
    ],
)
def test_what_code_keeps_is_said(desk: Desk, name: str, value: str) -> None:
    desk.con.execute(
        "insert into tags select identity_key, ?, ? from identities where identity_id = ?", [name, value, ETL]
    )
    warnings = desk.one("aaaaaa0001", action="revoke").warnings
    assert any(f"it is kept by code ({name}: {value})" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["owner", "partner", "determined", "formation", "decdkey"])
def test_other_tags_are_no_code(desk: Desk, name: str) -> None:
    desk.con.execute("insert into tags select identity_key, ?, 'x' from identities where identity_id = ?", [name, ETL])
    assert not [each for each in desk.one("aaaaaa0001", action="revoke").warnings if "kept by code" in each]


def test_a_scan_that_is_old_or_has_gaps_is_said(desk: Desk) -> None:
    assert not [each for each in desk.one("aaaaaa0001", action="revoke").warnings if "scan" in each]
    desk.con.execute("update scans set is_complete = false, as_of = as_of - interval 3 day")
    desk.con.execute("update coverage set status = 'denied' where tenant_id = ? and dataset = 'credentials'", [AWS])
    warnings = desk.one("aaaaaa0001", action="revoke").warnings
    assert "the scan is 3 days old: who uses it may have changed since" in warnings
    assert "the scan is incomplete: others may use it than those named here" in warnings
    assert f"not all of {AWS} was read: credentials denied" in warnings


@pytest.mark.parametrize(
    ("level", "is_admin", "is_privileged"),
    [(3, False, False), (4, False, True), (0, True, True), (None, False, True), (2, None, True)],
)
def test_what_cannot_be_said_is_taken_for_the_worse(
    desk: Desk, level: int | None, is_admin: bool | None, is_privileged: bool
) -> None:
    desk.con.execute(
        "update identity_facts set level = ?, is_admin = ?, partner_id = null where identity_id = ?",
        [level, is_admin, ETL],
    )
    desk.con.execute("delete from identity_partners")
    desk.con.execute("delete from partner_holdings")
    operation = desk.one("aaaaaa0001", action="revoke")
    assert (operation.is_privileged, operation.is_partner_owned) == (is_privileged, False)
    assert [step.persons for step in operation.steps if step.decision] == [2 if is_privileged else 1, 2]


@pytest.mark.parametrize("verdict", ["asserted", "conflict"])
def test_a_claim_of_a_partner_makes_it_a_partners(desk: Desk, verdict: str) -> None:
    desk.con.execute("delete from partner_holdings")
    desk.con.execute("update identity_partners set verdict = ?", [verdict])
    assert desk.one("aaaaaa0001", action="revoke").is_partner_owned


def test_reach_is_told(desk: Desk) -> None:
    desk.con.execute(
        "update identity_facts set level = 3, level_high = 5, is_admin = false, admin_hops = 2, admin_next_id = 'x' "
        "where identity_id = ?",
        [ETL],
    )
    reach = desk.one("aaaaaa0001", action="revoke").reach
    assert reach[:2] == ("an administrator in 2 steps, the next by x", "level 3 of 5, more cannot be ruled out")


def test_names_from_outside_reach_a_plan_unchanged_and_do_no_harm(desk: Desk) -> None:
    name = "'; drop table findings; --\x1b[2J\u202e\n\"é{x}%s"
    for table, column in (("identities", "name"), ("identities", "native_id"), ("identity_facts", "name")):
        desk.con.execute(f"update {table} set {column} = ? where identity_id in (?, ?)", [name, DANA, ETL])
    desk.con.execute("update findings set message = ?", [name])
    made = desk.plan("aaaaaa0001", "aaaaaa0002", action="revoke")
    text = plans.text(made)
    assert {operation.target.name for operation in made.operations} == {"access_key-etl-1", name}
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["operations"][0]["why"] == name
    desk.adapters = ()
    for task in desk.plan("aaaaaa0001", "aaaaaa0002", action="revoke").guided:
        assert not any("\x1b" in line or "\n" in line for line in task.commands)


def order(made: Plan) -> list[str]:
    return [item.thing_id if isinstance(item, Guided) else item.target.thing_id for item in in_order(made)]


def in_order(made: Plan) -> list[Operation | Guided]:
    return sorted([*made.operations, *made.guided], key=lambda item: item.number)


def phase(item: Operation | Guided) -> str:
    return item.why.split(": ")[1].split(" ")[0].rstrip(";")


def offboard(desk: Desk, **more: Any) -> None:
    ledger.append(desk.settings.state, [Offboarding("O-1", "P-1", "C-1", opened_at=NOW, **more)], at=NOW, by=REQUESTER)


def test_an_offboarding_goes_through_all_systems_in_a_safe_order(desk: Desk) -> None:
    made = desk.plan(offboarding="O-1")
    items = in_order(made)
    assert [item.number for item in items] == list(range(1, len(items) + 1))
    assert (made.offboarding_id, made.partner_id) == ("O-1", "P-1")
    assert {operation.adapter for operation in made.operations} == {"aws", "vault", "salesforce", "hubspot"}
    phases = [phase(item) for item in items]
    ranks = ["revoke_access", "remove_delegation", "rotate_shared_secret", "close_integration", "return_data", "notify"]
    held = [each for each, item in zip(phases, items, strict=True) if not _is_held_back(item)]
    assert held == sorted(held, key=ranks.index)
    assert set(phases) == set(ranks)


def test_the_order_is_that_of_what_is_asked_for_and_not_of_who_wrote_the_steps(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backwards(*said: Any, **more: Any) -> Any:
        told = planned(*said, **more)
        return dataclasses.replace(told, tasks=tuple(reversed(told.tasks)))

    planned = lifecycle.plan
    monkeypatch.setattr(lifecycle, "plan", backwards)
    phases = [phase(item) for item in in_order(desk.plan(offboarding="O-1")) if not _is_held_back(item)]
    assert phases.index("remove_delegation") > phases.index("revoke_access")
    last = max(number for number, each in enumerate(phases) if each == "revoke_access")
    assert last < min(number for number, each in enumerate(phases) if each == "rotate_shared_secret")


def _is_held_back(item: Operation | Guided) -> bool:
    return isinstance(item, Operation) and item.target.thing_kind == "app"


def test_a_door_is_shut_before_what_came_in_by_it_is_thrown_out(desk: Desk) -> None:
    there = order(desk.plan(offboarding="O-1"))
    assert there.index(ETL) < there.index(KEY)


def test_what_is_ended_for_good_goes_after_what_hangs_on_it(desk: Desk) -> None:
    desk.provider.can["identity"] = Capabilities(0, "nobody", False, True)
    there = order(desk.plan(offboarding="O-1"))
    assert there.index(KEY) < there.index(ETL)
    assert there.index(f"{ROLE}<-") < there.index(ROLE)


def test_every_step_of_an_offboarding_is_in_the_plan(desk: Desk) -> None:
    desk.adapters = ()
    made = desk.plan(offboarding="O-1")
    steps = sorted(task.step or 0 for task in made.guided)
    assert steps == list(range(1, len(steps) + 1))
    assert all(task.says for task in made.guided)
    with_adapters = Desk(desk.con, desk.who, desk.settings).plan(offboarding="O-1")
    assert sorted(item.step or 0 for item in in_order(with_adapters)) == steps


def test_a_step_that_was_done_is_left_out(desk: Desk) -> None:
    before = order(desk.plan(offboarding="O-1"))
    done = OffboardingStep("O-1", 1, "revoke_access", "identity", ETL, NOW, REQUESTER, "T-1")
    ledger.append(desk.settings.state, [done], at=NOW, by=REQUESTER)
    assert set(before) - set(order(desk.plan(offboarding="O-1"))) == {ETL}


def test_a_shared_secret_without_a_place_is_for_a_person(desk: Desk) -> None:
    desk.provider.can["secret"] = CAN["credential"]
    (task,) = [task for task in desk.plan(offboarding="O-1").guided if task.thing_id == SHARED]
    assert "no destination is given for the new one" in task.why
    native = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:shared-1"
    made = desk.plan(offboarding="O-1", destinations={native: ("vault:kv/data/shared", {"value": "value"})})
    assert SHARED in {operation.target.thing_id for operation in made.operations}


def test_what_is_gone_from_the_world_is_left_to_the_next_scan(desk: Desk) -> None:
    desk.provider.worlds = {ETL: Observation("gone"), DANA: Observation("off")}
    tasks = {task.thing_id: task.why for task in desk.plan(offboarding="O-1").guided}
    assert "it is not there any more; the next scan confirms that" in tasks[ETL]
    assert "it is switched off already; the next scan confirms that" in tasks[DANA]


@pytest.mark.parametrize("offboarding_id", ["O-2", "", "o-1", "O-1'"])
def test_an_offboarding_that_is_not_there_is_refused(desk: Desk, offboarding_id: str) -> None:
    told = desk.refused(offboarding=offboarding_id)
    assert told.message.startswith("no offboarding")


def test_an_offboarding_that_is_closed_is_refused(desk: Desk) -> None:
    desk.con.execute("update offboardings set closed_at = opened_at")
    assert "offboarding O-1 was closed on" in desk.refused(offboarding="O-1").message


def test_an_offboarding_that_is_to_be_closed_some_day_is_open(desk: Desk) -> None:
    desk.con.execute("update offboardings set closed_at = ?", [(NOW + timedelta(days=30)).replace(tzinfo=None)])
    assert desk.plan(offboarding="O-1").operations


def test_a_step_that_is_to_be_done_some_day_is_left_to_do(desk: Desk) -> None:
    before = order(desk.plan(offboarding="O-1"))
    some_day = NOW + timedelta(days=30)
    step = OffboardingStep("O-1", 1, "revoke_access", "identity", ETL, some_day, REQUESTER, "T-1")
    ledger.append(desk.settings.state, [step], at=NOW, by=REQUESTER)
    assert set(order(desk.plan(offboarding="O-1"))) == set(before)


def test_an_offboarding_of_the_ledger_is_planned_too(desk: Desk) -> None:
    desk.con.execute("delete from offboardings")
    assert "no offboarding" in desk.refused(offboarding="O-1").message
    offboard(desk)
    assert desk.plan(offboarding="O-1").operations


def test_an_offboarding_says_itself_what_is_done(desk: Desk) -> None:
    assert "says itself what is done" in desk.refused(offboarding="O-1", action="revoke").message


def test_a_plan_with_the_scanners_credential_is_not_made(desk: Desk) -> None:
    desk.settings = dataclasses.replace(
        desk.settings,
        collectors=(("hubspot", {"token": "env:HUB"}),),
        remediation={"hubspot": {"token": "env:HUB"}},
    )
    with pytest.raises(ConfigError, match=r"remediation\.hubspot\.token is the credential of collectors\.hubspot"):
        desk.plan("aaaaaa0001", action="revoke")
    assert not desk.provider.looked


def test_of_every_rule_a_finding_of_the_demo_can_be_planned(demo: Run, who: Persons) -> None:
    desk = Desk(demo.scan, who, config.read(demo.config))
    rows = demo.scan.execute(
        "select rule_id, min(finding_id) from findings where outcome = 'fail' and status = 'open' "
        "group by rule_id, provider = 'aws' order by all"
    ).fetchall()
    assert len(rows) > 90
    done: dict[str, set[str]] = {}
    for rule_id, finding_id in rows:
        try:
            made = desk.plan(finding_id)
        except PlanError as error:
            assert "where is the new value of" in error.message, rule_id
            made = desk.plan(finding_id, destinations={finding_id: PLACE})
        done.setdefault(rule_id, set()).update(operation.action for operation in made.operations)
        assert all(task.says and (task.commands or task.page) for task in made.guided), rule_id
    assert done["life-key-age-exceeded"] == {"rotate"}
    assert done["off-contract-ended-access"] == {"revoke"}
    assert done["off-shared-secret-not-rotated"] == {"rotate"}
    assert done["auth-password-policy-weak"] == set()


def test_the_open_offboardings_of_the_demo_can_be_planned(demo: Run, who: Persons) -> None:
    desk = Desk(demo.scan, who, config.read(demo.config))
    made = desk.plan(offboarding="O-3")
    (user, key) = ("aws:111111111111:user/svc-silberfisch-push", "aws:111111111111:access_key/AKIADEMOSILBERFISC01")
    assert order(made)[:4] == [user, user, "hubspot:4711001:private_app_token/8001", key]
    assert [operation.target.thing_id for operation in made.operations].count(user) == 1  # by name in the register, too
    assert "closed" in desk.refused(offboarding="O-1").message


def test_the_tenants_of_these_tests_are_those_of_the_estate(scan: duckdb.DuckDBPyConnection) -> None:
    tenants = {tenant for (tenant,) in scan.execute("select distinct tenant_id from identities").fetchall()}
    assert tenants == {AWS, VAULT, CRM, HUB}
