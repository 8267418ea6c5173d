"""Plans in the state directory: each in a folder of its own, with what people said and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nhiscan import atomic
from nhiscan.config import nearest
from nhiscan.errors import ConfigError
from nhiscan.remediate import plan as plans
from nhiscan.remediate.plan import Plan, PlanError

_FOLDER: Final = "remediation"
_NAME: Final = "plan.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan and its folder, which may not be there yet."""

    plan: Plan
    folder: Path

    def keep(self) -> None:
        """Puts the plan beside what is said and done about it.

        Raises: PlanError where another one is there, StoreError where it cannot be written.
        """
        file = self.folder / _NAME
        if file.exists():
            if plans.read(file) != self.plan:
                raise PlanError(
                    f"{file} is another plan with the same id {self.plan.plan_id}",
                    hint="go on with that one, or make another",
                )
            return
        atomic.make_folder(self.folder)
        plans.write(file, self.plan)


def find(state: Path, name: str) -> Kept:
    """A plan by its id in the state directory, or by its file anywhere.

    Raises: PlanError where the file is none, ConfigError where there is no such plan.
    """
    file, own = Path(name), state / _FOLDER / name / _NAME
    if plans.is_id(name):
        if own.exists():
            file = own
        elif not file.exists():
            raise ConfigError(f"no plan {name!r}", hint=nearest(name, ids(state)))
    plan = plans.read(file)
    return Kept(plan, state / _FOLDER / plan.plan_id)


def ids(state: Path) -> list[str]:
    """Of every plan that was approved or begun; whether its file is one, `find` says."""
    return sorted(file.parent.name for file in (state / _FOLDER).glob(f"*/{_NAME}"))
