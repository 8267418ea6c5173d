"""A year of weekly scans over one state directory, and an oracle that knows what really happened.

Everything that goes wrong in a year goes wrong here: systems that cannot be reached for weeks, refused datasets,
answers cut short, scans of some systems only, register rows that are not accepted, renamed partners and identities,
events that age out at the provider. The oracle never looks at the scans; it knows the world, and what each scan could
see of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from nhiscan.collect import Context
from nhiscan.errors import CollectError
from nhiscan.model import Contract, Partner, Quarantined, Record, RegisterFile, Tag
from nhiscan.rule import Rule
from tests.systems import DATASETS, START, System, covered, identity, key, register, rule, run, tenant, use

WEEKS = 52
HELD = timedelta(days=21)  # how long the providers keep events
TENANTS = {"portal": ("portal:a", "portal:b"), "crm": ("crm:eu",)}
COLOUR, ENDED, LEGACY = "life-key-colourless", "off-partner-ended", "life-key-legacy"


@dataclass
class App:
    """An identity as it is: without a colour it fails a rule, and so does a key of the old kind."""

    name: str
    colour: str | None
    partner: str
    key: str


@dataclass
class World:
    """What is really there."""

    chance: random.Random
    apps: dict[str, dict[str, App]] = field(default_factory=lambda: {t: {} for ts in TENANTS.values() for t in ts})
    ended: dict[str, bool] = field(default_factory=lambda: {"P-1": True, "P-2": False, "P-3": False})
    names: dict[str, str] = field(default_factory=lambda: {f"P-{n}": f"Partner {n}" for n in (1, 2, 3)})
    events: dict[str, dict[str, datetime]] = field(
        default_factory=lambda: {t: {} for ts in TENANTS.values() for t in ts}
    )
    made: int = 0

    def pass_a_week(self, now: datetime) -> None:
        chance = self.chance
        for tenant_id, apps in self.apps.items():
            for app_id in list(apps):
                app = apps[app_id]
                if chance.random() < 0.04:
                    del apps[app_id]
                    continue
                app.name = f"renamed {chance.randrange(9)}" if chance.random() < 0.2 else app.name
                app.colour = chance.choice([None, "blue"]) if chance.random() < 0.15 else app.colour
                app.partner = chance.choice(list(self.ended)) if chance.random() < 0.05 else app.partner
                if chance.random() < 0.1:
                    self.made += 1
                    app.key = f"{chance.choice(['legacy', 'modern'])}-{self.made}"
            while len(apps) < 4:
                self.made += 1
                apps[f"{tenant_id}:app/{self.made}"] = App(
                    f"app {self.made}",
                    chance.choice([None, "blue"]),
                    chance.choice(list(self.ended)),
                    f"legacy-{self.made}",
                )
            for n in range(chance.randrange(3)):
                at = now - timedelta(days=6 * chance.random() + 0.01)
                self.events[tenant_id][f"{tenant_id}:event/{now:%y%m%d}-{n}"] = at
        for partner in self.ended:
            self.names[partner] = f"Renamed {chance.randrange(99)}" if chance.random() < 0.1 else self.names[partner]
            self.ended[partner] ^= chance.random() < 0.06


@dataclass
class Weather:
    """What goes wrong in one week: how each tenant answers, which systems are scanned, which register row is bad."""

    answers: dict[str, str]
    only: frozenset[str] | None
    dropped: str | None

    def reads(self, system: str) -> bool:
        return self.only is None or system in self.only


def forecast(chance: random.Random) -> Iterator[Weather]:
    """Mostly one thing at a time; portal:b is out for five weeks in spring and the CRM for six in autumn."""
    systems = [*TENANTS, "register"]
    for week in range(WEEKS):
        answers = {
            tenant_id: chance.choices(["whole", "short", "no keys", "breaks off"], [8, 1, 1, 1])[0]
            for tenants in TENANTS.values()
            for tenant_id in tenants
        }
        if 12 <= week < 17:
            answers["portal:b"] = "unreachable"
        if 35 <= week < 41:
            answers["crm:eu"] = "unreachable"
        only = (
            frozenset(chance.sample(systems, 2 if chance.random() < 0.7 else 1))
            if week and chance.random() < 0.3
            else None
        )
        dropped = chance.choice(["P-1", "P-2", "P-3"]) if chance.random() < 0.2 else None
        yield Weather(answers, only, dropped)


def system_of(name: str, world: World, weather: Weather) -> System:
    def tell(ctx: Context) -> Iterator[Record]:
        for tenant_id in TENANTS[name]:
            if weather.answers[tenant_id] == "unreachable":
                continue
            yield tenant(tenant_id)
            yield from answered(tenant_id, world, weather.answers[tenant_id], ctx)
            if weather.answers[tenant_id] == "breaks off":
                raise CollectError(f"{name}: 500 from {tenant_id}")

    return System(name, tell)


def answered(tenant_id: str, world: World, answer: str, ctx: Context) -> Iterator[Record]:
    apps = world.apps[tenant_id]
    oldest = ctx.as_of - HELD
    since = ctx.since(tenant_id, "usage.calls")
    for event_id, at in world.events[tenant_id].items():
        if at >= max(oldest, since or oldest):
            yield use(tenant_id, event_id.rpartition("/")[2], at)
    for app_id in seen(apps, answer):
        app, name = apps[app_id], app_id.rpartition("/")[2]
        yield identity(tenant_id, name, name=app.name, purpose=app.colour)
        yield Tag(app_id, name="partner", value=app.partner)
        if answer != "no keys":
            yield key(tenant_id, name, app.key, kind=app.key.partition("-")[0])
    whole = set(DATASETS)
    if answer == "short":
        whole -= {"identities", "usage.calls"}
        yield from covered(tenant_id, status="partial", datasets=DATASETS - whole, at=ctx.as_of)
    elif answer == "no keys":
        whole -= {"credentials"}
        yield from covered(tenant_id, status="denied", datasets=DATASETS - whole, at=ctx.as_of)
    elif answer == "breaks off":
        whole = {"credentials"}
    yield from covered(tenant_id, datasets=whole, at=ctx.as_of, history_from=oldest)


def seen(apps: dict[str, App], answer: str) -> list[str]:
    """The identities of an answer: a short one lacks half of them."""
    return sorted(apps)[: len(apps) // 2] if answer == "short" else sorted(apps)


def register_of(world: World, weather: Weather) -> System:
    records: list[Record] = [RegisterFile("partners.csv", "partners", 3, 2 if weather.dropped else 3)]
    for partner, is_ended in world.ended.items():
        end = date(2025, 6, 30) if is_ended else date(2030, 1, 1)
        records.append(
            Contract(f"C{partner}", partner, "reseller", True, "active", date(2020, 1, 1), end, auto_renew=False)
        )
        if partner == weather.dropped:
            problem = "is not a partner's name"
            records.append(Quarantined("partners.csv", 3, "name", "", problem, partner_id=partner))
        else:
            records.append(Partner(partner, world.names[partner]))
    return register(*records, lost={"partners"} if weather.dropped else ())


@dataclass
class Known:
    """What the scans can know: rows as they were last read, and what follows from them."""

    apps: dict[str, dict[str, App]] = field(default_factory=dict)
    keys: dict[str, dict[str, App]] = field(default_factory=dict)
    ended: dict[str, bool] = field(default_factory=dict)
    states: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    partner_of: dict[tuple[str, str], str] = field(default_factory=dict)
    dropped: str | None = None
    events: dict[str, set[str]] = field(default_factory=lambda: {t: set() for ts in TENANTS.values() for t in ts})

    def learn(self, world: World, weather: Weather, now: datetime) -> None:
        if weather.reads("register"):
            self.dropped = weather.dropped
            self.ended = {partner: is_ended for partner, is_ended in world.ended.items() if partner != weather.dropped}
        for system, tenants in TENANTS.items():
            if weather.reads(system):
                for tenant_id in tenants:
                    self.apps.pop(tenant_id, None)
                    self.keys.pop(tenant_id, None)
                    if weather.answers[tenant_id] != "unreachable":
                        self._read(tenant_id, world, weather.answers[tenant_id], now)
                    if weather.answers[tenant_id] == "breaks off":
                        self._forget_after(tenants, tenant_id)
                        break
        self._conclude(weather, now)

    def _read(self, tenant_id: str, world: World, answer: str, now: datetime) -> None:
        apps = world.apps[tenant_id]
        self.apps[tenant_id] = {app_id: App(**vars(apps[app_id])) for app_id in seen(apps, answer)}
        if answer != "no keys":
            self.keys[tenant_id] = {f"{tenant_id}:key/{app.key}": app for app in self.apps[tenant_id].values()}
        self.events[tenant_id] |= {event for event, at in world.events[tenant_id].items() if at >= now - HELD}

    def _forget_after(self, tenants: tuple[str, ...], broken: str) -> None:
        for tenant_id in tenants[tenants.index(broken) + 1 :]:
            self.apps.pop(tenant_id, None)
            self.keys.pop(tenant_id, None)

    def _conclude(self, weather: Weather, now: datetime) -> None:
        """Fails are what the known rows say; fixed is only what a complete reading no longer shows."""
        fails: dict[tuple[str, str], str] = {}
        for apps in self.apps.values():
            fails |= {(COLOUR, i): app.partner for i, app in apps.items() if app.colour is None}
            fails |= {(ENDED, i): app.partner for i, app in apps.items() if self.ended.get(app.partner)}
        for keys in self.keys.values():
            fails |= {(LEGACY, i): app.partner for i, app in keys.items() if app.key.startswith("legacy")}
        for finding in fails:
            status, first = self.states.get(finding, ("open", now))
            self.states[finding] = ("reopened" if status == "fixed" else status, first)
        for finding, (status, first) in self.states.items():
            if finding not in fails and status != "fixed" and self._is_settled(finding, weather):
                self.states[finding] = ("fixed", first)
        self.partner_of |= {finding: partner if partner in self.ended else "" for finding, partner in fails.items()}

    def _is_settled(self, finding: tuple[str, str], weather: Weather) -> bool:
        rule_id, subject_id = finding
        tenant_id = ":".join(subject_id.split(":")[:2])
        system = tenant_id.partition(":")[0]
        tenants = TENANTS[system]
        reached = tenants[: tenants.index(tenant_id)]
        if weather.only is not None and not {system, "register"} <= weather.only:
            return False
        if any(weather.answers[earlier] == "breaks off" for earlier in reached):
            return False
        if weather.dropped is not None and self.partner_of.get(finding) == weather.dropped:
            return False
        fine = {"whole"} if rule_id == LEGACY else {"whole", "no keys"}
        return weather.answers[tenant_id] in fine


@pytest.fixture
def rules(tmp_path: Path) -> list[Rule]:
    """Three rules of the test's own: on an identity alone, on it and the register, and on a credential."""
    return [
        rule(
            tmp_path,
            COLOUR,
            "select identity_id as subject_id, tenant_id, name, case when purpose = 'blue' then 'pass' else 'fail' end "
            "as outcome from identity_facts",
            needs=("identities",),
        ),
        rule(
            tmp_path,
            ENDED,
            "select identity_id as subject_id, tenant_id, name, "
            "case when contract_is_ended then 'fail' else 'pass' end as outcome "
            "from identity_facts where partner_id is not null",
            needs=("identities", "register.contracts"),
        ),
        rule(
            tmp_path,
            LEGACY,
            "select credential_id as subject_id, tenant_id, native_id as name, case when kind = 'legacy' then 'fail' "
            "else 'pass' end as outcome from credential_facts",
            subject="credential",
            needs=("credentials",),
        ),
    ]


def test_a_year_of_scans_reopens_and_fixes_nothing_by_accident(tmp_path: Path, rules: list[Rule]) -> None:
    world, known, state = World(random.Random(5)), Known(), tmp_path / "state"
    firsts: dict[str, datetime] = {}
    statuses: set[str] = set()
    horizons: dict[str, datetime] = {}
    for week, weather in enumerate(forecast(random.Random(7))):
        now = START + timedelta(weeks=week)
        world.pass_a_week(now)
        systems = [*(system_of(name, world, weather) for name in TENANTS), register_of(world, weather)]
        published = run(state, systems, at=now, rules=rules, only=weather.only)
        known.learn(world, weather, now)
        with duckdb.connect(str(published.database), read_only=True) as con:
            found = con.execute(
                "select rule_id, subject_id, status, first_seen, finding_id from findings "
                "where outcome = 'fail' or score is not null"
            ).fetchall()
            used = con.execute("select tenant_id, event_id, occurred_at from usage").fetchall()
            reach = con.execute(
                "select tenant_id, history_from, collected_at from coverage "
                "where dataset = 'usage.calls' and coalesce(original_status, status) = 'complete'"
            ).fetchall()
        told = {(rule_id, subject_id): status for rule_id, subject_id, status, _, _ in found}
        assert told == {finding: status for finding, (status, _) in known.states.items()}, f"week {week}: {weather}"
        for _, _, status, first_seen, finding_id in found:
            assert firsts.setdefault(finding_id, first_seen) == first_seen, f"week {week}"
            statuses.add(status)
        assert len(used) == len({event_id for _, event_id, _ in used})
        for tenant_id, apps in known.apps.items():
            assert {e for t, e, _ in used if t == tenant_id} == known.events[tenant_id], f"week {week}: {apps}"
        for tenant_id, history_from, collected_at in reach:
            since, until = (moment.replace(tzinfo=START.tzinfo) for moment in (history_from, collected_at))
            horizons[tenant_id] = since
            there = {event for event, at in world.events[tenant_id].items() if since <= at <= until}
            assert there <= {e for t, e, _ in used if t == tenant_id}, f"week {week}: a gap since {since}"
    assert statuses == {"open", "fixed", "reopened"}
    # The portal's first tenant was read often enough; of the other two the provider forgot some meanwhile.
    assert horizons["portal:a"] == START - HELD
    assert horizons["portal:b"] > START
    assert horizons["crm:eu"] > START
