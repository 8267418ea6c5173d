"""A refusal of each object of Acme's Salesforce org in turn: no rule passes what it then cannot see.

Each refusal makes an org of its own in one scan, since one scan of fifty orgs takes seconds where fifty scans take
minutes. Rules about partners are left out: a partner is one in all of these orgs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from fixtures.acme import salesforce
from fixtures.acme.record import AS_OF
from fixtures.salesforce.login import key_pair
from fixtures.salesforce.simulator import running
from fixtures.salesforce.world import Fault, World
from nhiscan import check, config, scan
from nhiscan.collect import Context, load, run
from nhiscan.model import COVERED, REGISTER_DATASETS, Coverage, Record
from nhiscan.secret import Secret
from tests.faults.judged import Outcome, scanned
from tests.faults.tapes import DEMO
from tests.systems import System
from tests.systems import said as told

ORG: Final = "00D000000000001EAA"
REFUSED_PATHS: Final = ("apps/oauth/usage", "describe")
# One source that is refused in several orgs is told once.
ACROSS_ORGS: Final = "mon-failed-login-burst"


@dataclass(frozen=True)
class Judged:
    """What each org came to, by what was refused; None: nothing was."""

    passes: Mapping[str | None, set[Outcome]]
    findings: Mapping[str | None, set[Outcome]]
    short: Mapping[str | None, set[str]]  # datasets that are not covered


def read(world: World) -> list[Record]:
    collector: Any = load("salesforce")
    with running(world) as url:
        made = collector(
            url=url,
            login_url=url,
            client_id=salesforce.CLIENT_ID,
            username=salesforce.USERNAME,
            private_key=Secret(key_pair()[0]),
            metadata_folder=DEMO / "metadata",
            objects=("Account", "Contact", "Lead", "Opportunity"),
            fields=("Opportunity.Amount", "Opportunity.StageName", "Opportunity.CloseDate"),
        )
        return list(run(made, Context(as_of=AS_OF)))


def org_id(number: int) -> str:
    return f"00D00000000{number:04}EAA"


def moved(records: Iterable[Record], number: int) -> Iterator[Record]:
    """The records as an org with another id would have them."""
    for record in records:
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            if isinstance(value, str) and ORG in value:
                changes[field.name] = value.replace(ORG, org_id(number))
        yield dataclasses.replace(record, **changes) if changes else record


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    whole = salesforce.world(today=AS_OF)
    orgs: dict[str | None, list[Record]] = {None: read(whole)}
    asked = (call.soql.split(" FROM ")[1].split()[0] for call in whole.calls if call.soql is not None)
    for refused in dict.fromkeys((*asked, *REFUSED_PATHS)):
        world = salesforce.world(today=AS_OF)
        world.faults.append(Fault(refused, 403, "INSUFFICIENT_ACCESS", "not permitted"))
        orgs[refused] = read(world)
    names = list(orgs)
    settings = config.read(DEMO / "nhiscan.toml")
    (register,) = scan.collectors(settings, environ=None, strict=False, only=["register"])
    rows = list(run(register, Context(as_of=AS_OF)))
    said = [record for n, name in enumerate(names) for record in moved(orgs[name], n)]
    everywhere = [
        like for record in rows for like in dict.fromkeys(one for n in range(len(names)) for one in moved([record], n))
    ]
    settings = dataclasses.replace(
        settings,
        company=dataclasses.replace(
            settings.company, tenants={f"salesforce:{org_id(n)}": "prod" for n in range(len(names))}
        ),
        state=tmp_path_factory.mktemp("crm") / "state",
        collectors=(("register", {}), ("salesforce", {})),
    )
    return _judge(settings, names, {"register": everywhere, "salesforce": said})


def _judge(settings: config.Config, names: list[str | None], said: Mapping[str, list[Record]]) -> Judged:
    by_id = {org_id(n): name for n, name in enumerate(names)}
    systems = [System(name, told(*rows), REGISTER_DATASETS) for name, rows in said.items()]
    rules = [rule for rule in check.load() if rule.subject != "partner"]
    judged = scanned(settings, systems, rules, at=AS_OF)
    short: dict[str | None, set[str]] = {name: set() for name in names}
    for record in said["salesforce"]:
        if isinstance(record, Coverage) and record.status not in COVERED:
            short[by_id[record.tenant_id.partition(":")[2]]].add(record.dataset)

    def by_org(outcomes: Iterable[Outcome]) -> dict[str | None, set[Outcome]]:
        found: dict[str | None, set[Outcome]] = {name: set() for name in names}
        for rule, subject in outcomes:
            org = subject.partition(":")[2][: len(ORG)]
            if org in by_id:
                found[by_id[org]].add((rule, subject.replace(org, ORG)))
        return found

    return Judged(by_org(each for each in judged.passes if each[0] != ACROSS_ORGS), by_org(judged.findings), short)


def test_every_refusal_is_said(judged: Judged) -> None:
    unsaid = {name for name, short in judged.short.items() if name is not None and not short - judged.short[None]}
    assert unsaid == {"VerificationHistory"}  # what it says of second factors stands in the audit trail as well


def test_nothing_passes_because_it_could_not_be_seen(judged: Judged) -> None:
    """What was found in the whole org is found or unknown in each; what is gone from an org passes nowhere."""
    seen = judged.findings[None]
    blind = {name: sorted(passed & seen) for name, passed in judged.passes.items() if passed & seen}
    assert blind == {}
    assert len(seen) > 90
