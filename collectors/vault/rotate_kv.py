"""One secret of a KV engine of version 2 by its path, as the remediation reads and writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nhiscan.remediate.contract import RefusedError, UnsupportedError

from .reading import Json
from .rotate_calls import Calls, data


@dataclass(frozen=True)
class Document:
    """The current version of a secret; `fields` None: it is deleted or destroyed. Its values are never shown."""

    version: str
    fields: Mapping[str, Any] | None

    def __repr__(self) -> str:
        return f"Document(version={self.version!r})"


@dataclass(frozen=True)
class Place:
    """`mount`: with its namespace before it, without a slash at its end."""

    calls: Calls
    mount: str
    path: str

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"

    def beside(self, ending: str) -> Place:
        return Place(self.calls, self.mount, f"{self.path}{ending}")

    def metadata(self) -> Json:
        """Versions and labels; empty where there is no such secret."""
        return data(self.calls.get(self._at("metadata")))

    def current(self) -> str:
        """The number of the current version, deleted or not; 0 where there is none."""
        return str(self.metadata().get("current_version") or 0)

    def names(self) -> list[str]:
        """The names in the current version, read without their values."""
        told = data(self.calls.get(self._at("subkeys"), {"depth": "1"}))
        return sorted(told.get("subkeys") or ())

    def fields(self, version: str) -> Mapping[str, Any] | None:
        """What a version holds; None where it is deleted, destroyed or was never there."""
        if version == "0":
            return None
        found = data(self.calls.get(self._at("data"), {"version": version}))
        return found.get("data")

    def document(self) -> Document:
        version = self.current()
        return Document(version, self.fields(version))

    def write(self, fields: Mapping[str, Any], version: str) -> str:
        """Writes the whole document where `version` is still current; gives back the new version."""
        body = {"data": dict(fields), "options": {"cas": int(version)}}
        return self._written(self.calls.post(self._at("data"), body, "create, update"), version)

    def merge(self, fields: Mapping[str, Any], version: str) -> str:
        """Writes some fields where `version` is still current, by the server: the other values are not read here."""
        body = {"data": dict(fields), "options": {"cas": int(version)}}
        return self._written(self.calls.patch(self._at("data"), body), version)

    def label(self, labels: Mapping[str, str | None]) -> None:
        """Adds to the custom metadata of a secret, or takes away what is None; the rest stays."""
        if self.calls.patch(self._at("metadata"), {"custom_metadata": dict(labels)}) is None:
            self.open({name: text for name, text in labels.items() if text is not None})

    def open(self, labels: Mapping[str, str]) -> None:
        """Makes the metadata of a secret that has no version yet."""
        self.calls.post(self._at("metadata"), {"custom_metadata": dict(labels)}, "create, update")

    def versions(self, what: str, version: str) -> Json | None:
        """`what`: delete, undelete or destroy. Each is repeatable."""
        return self.calls.post(self._at(what), {"versions": [int(version)]})

    def remove(self) -> None:
        """Every version and the metadata, for good."""
        self.calls.delete(self._at("metadata"))

    def _written(self, answer: Json | None, version: str) -> str:
        if answer is None:
            raise RefusedError(
                f"vault: version {version} of {self} is deleted, so nothing can be merged into it",
                hint="undelete it, or write it anew; nothing was changed",
            )
        return str(data(answer)["version"])

    def _at(self, what: str) -> str:
        return f"{self.mount}/{what}/{self.path}"


def place(calls: Calls, address: str) -> Place:
    """Where a secret is: `mount/path` with its namespace in front, as the inventory names it.

    Raises: UnsupportedError for what is not in a KV engine of version 2.
    """
    whole = address.strip("/")
    if not whole.startswith(calls.home):
        raise UnsupportedError(
            f"vault: {whole} is not below the namespace {calls.home}",
            hint="addresses begin at the root: write the namespace before the mount",
        )
    # Answers whoever may do anything at the path; the list of mounts would ask for more.
    told = data(calls.get(f"{calls.home}sys/internal/ui/mounts/{whole.removeprefix(calls.home)}"))
    named = str(told.get("path") or "").strip("/")
    # Of a namespace below ours the server tells the whole path, of our own the path inside it.
    mount = named if whole.startswith(f"{named}/") else f"{calls.home}{named}"
    if not named or not whole.startswith(f"{mount}/"):
        raise UnsupportedError(f"vault: {whole} is in no secret engine", hint="write mount/path")
    if told.get("type") not in ("kv", "generic") or str((told.get("options") or {}).get("version")) != "2":
        raise UnsupportedError(
            f"vault: {mount} is no KV engine of version 2",
            hint="version 1 keeps no earlier value and takes writes from two sides: upgrade it with "
            f"`vault kv enable-versioning {mount}/`, or take another store",
        )
    return Place(calls, mount, whole.removeprefix(f"{mount}/"))


def as_label(told: Mapping[str, object]) -> str:
    """Several facts as one label: a secret takes few of them."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def from_label(text: object) -> Mapping[str, Any]:
    """What `as_label` wrote; empty for anything else."""
    try:
        told = json.loads(str(text))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
