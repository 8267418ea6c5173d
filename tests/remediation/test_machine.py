"""Tool, second tool, people at the console, slow consumers and late logs in any order: nothing live is cut off."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nhiscan.errors import NhiscanError
from nhiscan.remediate.contract import Effect, Fields, Observation, Step, Target
from nhiscan.remediate.plan import Decision, Operation
from tests.remediation import trials
from tests.remediation.model import CLASSES, OLD, Documents, Keys, around, planned
from tests.remediation.trials import Clock, CrashError, Trial

KINDS: Final = ("shown once", "made by us", "switched off, then deleted")
CRASHES: Final = st.one_of(st.none(), st.integers(min_value=1, max_value=24))


@dataclasses.dataclass
class Watched(Keys):
    """The provider, which notes what a tool may never ask for."""

    is_clock_true: bool = True
    wrong: list[str] = dataclasses.field(default_factory=list)
    rotates: bool = True

    def effect(
        self,
        step: Step,
        target: Target,
        key: str,
        *,
        id: str | None = None,
        fields: Fields | None = None,
        before: Observation | None = None,
    ) -> Effect:
        ended = {"off": target.native_id, "delete": target.native_id, "discard": id}.get(step)
        if ended in self.keys:
            self._note(step, ended)
        return super().effect(step, target, key, id=id, fields=fields, before=before)

    def _note(self, step: Step, ended: str) -> None:
        if ended in self.kept.by_hand:
            self.wrong.append(f"{step} of {ended}, which a person made")
        if not self.rotates or self.keys[ended].state != "live":
            return
        if self.keys[ended].secret == self.kept.versions[-1]["secret"].reveal():
            self.wrong.append(f"I1 {step} of {ended}, which the store holds")
        if self.is_clock_true and self.kept.delays and ended in self.kept.held_at(self.clock.at):
            self.wrong.append(f"{step} of {ended}, which somebody still uses")


class Remediation(RuleBasedStateMachine):
    """A plan of each of two tools for the same target, with state folders of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.tools: list[Trial] = []
        self.touched: set[str] = set()
        self.clock = Clock()

    @initialize(
        kind=st.sampled_from(KINDS),
        lag=st.integers(min_value=0, max_value=3),
        delays=st.lists(st.integers(min_value=1, max_value=30), min_size=1, max_size=3),
    )
    def begins(self, kind: str, lag: int, delays: list[int]) -> None:
        can, self.action, self.mode = CLASSES[kind]
        is_told = can.usage != "none"
        consumers = tuple(timedelta(hours=hours) for hours in delays)
        kept = Documents(self.clock, delays=consumers if is_told else ())
        self.keys = Watched(self.clock, can, kept, lag, rotates=self.action == "rotate")
        self.add_tool()

    def add_tool(self) -> None:
        plan = planned(self.keys, self.action, self.mode)
        trial = Trial(lambda clock: around(self.keys, plan), self.folder / str(len(self.tools)))
        trial.clock = self.clock
        self.tools.append(trial)

    def run(self, trial: Trial, crash: int | None, *, goes_back: bool) -> None:
        trial.crashes = set() if crash is None else {trial.boundaries + crash}
        with contextlib.suppress(CrashError, NhiscanError):
            (trial.roll_back_once if goes_back else trial.apply)()

    @rule(crash=CRASHES)
    def the_tool_runs(self, crash: int | None) -> None:
        self.run(self.tools[0], crash, goes_back=False)

    @rule(crash=CRASHES)
    def the_tool_rolls_back(self, crash: int | None) -> None:
        self.run(self.tools[0], crash, goes_back=True)

    @precondition(lambda self: len(self.tools) == 1 and self.keys._states().get(OLD) == "live")
    @rule()
    def a_second_tool_plans(self) -> None:
        with contextlib.suppress(NhiscanError):
            self.add_tool()

    @precondition(lambda self: len(self.tools) > 1)
    @rule(crash=CRASHES, goes_back=st.booleans())
    def the_second_tool_runs(self, crash: int | None, goes_back: bool) -> None:
        self.run(self.tools[1], crash, goes_back=goes_back)

    @rule(lacking=st.sets(st.sampled_from(["start", "off", "delete"])))
    def people_change_their_mind(self, lacking: set[Decision]) -> None:
        def approved(operation: Operation, decision: Decision) -> list[str]:
            return ["not agreed"] if decision in lacking else []

        for trial in self.tools:
            trial.world = dataclasses.replace(trial.world, approved=approved)

    @precondition(lambda self: len(self.keys.keys) < 4)
    @rule()
    def somebody_makes_a_key(self) -> None:
        self.touched.add(self.keys.add())

    @rule(data=st.data(), state=st.sampled_from(["off", "live", "gone"]))
    def somebody_changes_a_key(self, data: st.DataObject, state: Any) -> None:
        if self.keys.keys:
            id = data.draw(st.sampled_from(sorted(self.keys.keys)))
            self.touched.add(id)
            self.keys.set(id, state)

    @rule(version=st.integers(min_value=0, max_value=3))
    def somebody_puts_a_value_back(self, version: int) -> None:
        versions = self.keys.kept.versions
        self.keys.kept.put(versions[min(version, len(versions) - 1)])

    @rule(hours=st.one_of(st.integers(min_value=1, max_value=30), st.integers(min_value=48, max_value=240)))
    def time_passes(self, hours: int) -> None:
        self.clock.wait(hours * 3600)

    @rule(hours=st.integers(min_value=1, max_value=48))
    def the_clock_is_set_back(self, hours: int) -> None:
        self.clock.wait(-hours * 3600)
        self.keys.is_clock_true = False

    @invariant()
    def nothing_that_anybody_needs_was_ended(self) -> None:
        assert not getattr(self, "keys", None) or not self.keys.wrong

    @invariant()
    def what_has_ended_was_decided_on(self) -> None:
        if not self.tools or OLD in self.touched:
            return
        decided = {
            record.data["decision"] for trial in self.tools for record in trial.records if record.kind == "decided"
        }
        state = self.keys._states().get(OLD, "gone")
        assert state == "live" or {"off": "off", "gone": "delete"}[state] in decided

    @invariant()
    def every_key_is_known_to_somebody(self) -> None:
        if not self.tools:
            return
        known: set[Any] = {OLD, *self.keys.kept.by_hand}
        known |= {record.data.get("id") for trial in self.tools for record in trial.records}
        unknown = set(self.keys.keys) - known
        last = [[record.kind for record in trial.records if record.step == "create"][-1:] for trial in self.tools]
        is_open = [
            kinds for kinds in last if kinds and kinds[0] not in ("done", "orphan")
        ]  # a run that broke off, which the next one looks into
        assert len(unknown) <= len(is_open)

    @invariant()
    def nothing_was_deleted_before_it_was_watched(self) -> None:
        for trial in self.tools:
            trial._check_times()
            trial._check_secrets()
            assert not trial.violations

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


Remediation.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestRemediation = Remediation.TestCase


def test_the_machine_reaches_the_end_of_a_plan(tmp_path: Path) -> None:
    clock = Clock()
    can, action, mode = CLASSES["shown once"]
    keys = Watched(clock, can, Documents(clock, delays=(timedelta(hours=3),)))
    plan = planned(keys, action, mode)
    trial = Trial(lambda own: around(keys, plan), tmp_path)
    trial.clock = clock
    trial.carry_on()

    assert trial.end == ("closed", ("gone", ["live"], True))
    assert clock.at - trials.NOW > trials.GRACE
    assert not keys.wrong
