"""What nhiscan.toml says of a place: where it is, what kind, and who can read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nhiscan.config import nearest
from nhiscan.errors import ConfigError

from .pipelines import is_pipeline

# Kind of place -> kind of resource.
_KINDS: Final = {"folder": "folder", "repository": "repository", "shared": "shared_space"}
_AUDIENCES: Final = ("internal", "partner", "public")
_ENVIRONMENTS: Final = ("prod", "staging", "test", "dev", "sandbox")
_NAME: Final = re.compile(r"[\w%@][\w.\-%@+]{0,199}")  # ids are made of it


@dataclass(frozen=True)
class Place:
    """`kind`: folder, repository, or shared for a folder that holds what others are shown.

    `audience`: who can read it: internal, partner or public. `tags`: as on any resource; they say whose it is.
    `branch`: of a repository, the one whose newest commit is current; None: HEAD's.
    """

    name: str
    path: Path
    kind: str
    audience: str | None = None
    environment: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    branch: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"collectors.files.places: {self.name!r} is no name for a place",
                hint="use letters, digits and . _ - @ + and begin with a letter or digit",
            )
        self._check("kind", self.kind, _KINDS)
        self._check("audience", self.audience, _AUDIENCES)
        self._check("environment", self.environment, _ENVIRONMENTS)

        if self.branch is not None and not self.is_repository:
            raise ConfigError(
                f"collectors.files.places: {self.name!r} has a branch and is no repository",
                hint='set kind = "repository", or leave branch out',
            )

    def _check(self, key: str, value: str | None, known: Mapping[str, str] | tuple[str, ...]) -> None:
        if value is not None and value not in known:
            raise ConfigError(
                f"collectors.files.places: {self.name!r} has the unknown {key} {value!r}", hint=nearest(value, known)
            )

    @property
    def is_repository(self) -> bool:
        return self.kind == "repository"

    @property
    def tenant_id(self) -> str:
        return f"files:{self.name}"

    @property
    def resource_kind(self) -> str:
        return _KINDS[self.kind]

    @property
    def resource_id(self) -> str:
        return f"{self.tenant_id}:{self.resource_kind}/{self.name}"

    def where_kind(self, path: str, *, is_current: bool) -> str:
        """The kind of text that a file of the place is, in the words of Where."""
        if not self.is_repository:
            return "shared" if self.kind == "shared" else "file"
        if not is_current:
            return "repo_history"
        return "pipeline" if is_pipeline(path) else "repo"
