"""KV version 2 as a store of new secrets.

It has no labels for versions: what is written is current. So a value is staged beside its destination, under a path of
its own, and written to the destination once it was tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nhiscan.remediate.contract import Fields, RefusedError, UnansweredError
from nhiscan.secret import Secret

from .reading import Json
from .rotate_calls import Calls
from .rotate_kv import Place, as_label, from_label, place

PREFIX: Final = "vault"
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": ("read on <mount>/metadata/<path>", "read on <mount>/subkeys/<path>"),
    "stage": (
        "create, read, update on <mount>/metadata/<path>.nhiscan-*",
        "create, read, update on <mount>/data/<path>.nhiscan-*",
    ),
    "verify": ("read on <mount>/metadata/<path>.nhiscan-*", "read on <mount>/data/<path>.nhiscan-*"),
    "publish": (
        "read, patch, update on <mount>/data/<path>",
        "read, patch, create on <mount>/metadata/<path>",
        "read, delete on <mount>/metadata/<path>.nhiscan-*",
        "read on <mount>/data/<path>.nhiscan-*",
    ),
    "prove": ("read on <mount>/metadata/<path>", "read on <mount>/metadata/<path>.nhiscan-*"),
    "restore": (
        "read, patch, update on <mount>/data/<path>",
        "read on <mount>/metadata/<path>",
        "update on <mount>/delete/<path>",
    ),
    "discard": (
        "read on <mount>/data/<path>",
        "read, delete on <mount>/metadata/<path>.nhiscan-*",
        "read on <mount>/data/<path>.nhiscan-*",
    ),
}
_LABEL: Final = "nhiscan"  # in the custom metadata: which operation wrote which version and names, and no value
_FOLDER: Final = "data/"  # how the API writes an address


@dataclass(frozen=True)
class KeyValues:
    calls: Calls

    def observe(self, address: str) -> Mapping[str, str]:
        secret = self._place(address)
        return {"version": secret.current(), "names": ", ".join(secret.names())}

    def stage(self, address: str, key: str, fields: Fields) -> None:
        secret = self._place(address)
        staging = _staging(secret, key)
        wanted = _revealed(fields)
        found = staging.document()
        if found.fields is None:
            staging.open({_LABEL: as_label({"operation": key, "for": str(secret)})})
            try:
                staging.write(wanted, "0")
                return
            except RefusedError:
                found = staging.document()  # a first try, whose answer was lost, may have come late
                if found.fields is None:
                    raise
        if found.fields != wanted:
            raise RefusedError(
                f"vault: {staging} holds another value", hint="nothing was staged; look who wrote it, or remove it"
            )

    def staged(self, address: str, key: str) -> Fields | None:
        """Once it is published, it is read back from where it is current."""
        secret = self._place(address)
        fields = _staging(secret, key).document().fields
        if fields is not None:
            return {name: Secret(str(value)) for name, value in fields.items()}
        metadata = secret.metadata()
        names = _label(metadata, key).get("names") or ()
        if _labelled(metadata, key) is None:
            return None
        current = secret.fields(str(metadata["current_version"])) or {}
        return {name: Secret(str(current[name])) for name in names if name in current} or None

    def publish(self, address: str, key: str, *, version: str) -> str:
        secret = self._place(address)
        staged = _staging(secret, key).document().fields
        made = self._published(secret, key, staged)
        if made is None:
            if staged is None:
                raise RefusedError(f"vault: nothing is staged for {secret}", hint="nothing was published")
            # Ahead of the value, so that a label that cannot be written stops it. As long as the value is staged it is
            # compared and the label not believed: somebody else may write that version.
            self._say(secret, key, str(int(version) + 1), staged)
            made = secret.merge(staged, version) if version != "0" else secret.write(staged, version)
        if staged is not None:
            self._finish(secret, key, made, staged)
        return made

    def published(self, address: str, key: str) -> str | None:
        """Also ends what was staged, where a publish broke off before that: nobody asks for it again."""
        secret = self._place(address)
        staged = _staging(secret, key).document().fields
        made = self._published(secret, key, staged)
        if made is not None and staged is not None:
            self._finish(secret, key, made, staged)
        return made

    def restore(self, address: str, key: str, *, version: str) -> None:
        secret = self._place(address)
        now = secret.document()
        old = secret.fields(version)
        if now.version == version or (now.fields == old and (old is not None or version == "0")):
            return
        told = _label(secret.metadata(), key)
        names = told.get("names") or ()
        if now.fields and old and names and _same(names, now.fields, old):
            return
        if now.version != self.published(address, key):
            raise RefusedError(
                f"vault: {secret} is at version {now.version}, which is not of this operation",
                hint="somebody wrote it since; nothing was put back: write by hand what is right, and end the new "
                "credential at its provider once nobody needs it",
            )
        if old is None and version != "0":
            raise RefusedError(
                f"vault: version {version} of {secret} is deleted or no longer kept",
                hint="undelete it, or write its value back by hand; nothing was put back",
            )
        told = _label(secret.metadata(), key)  # of a publish that broke off, written only now
        if now.version != told.get("version"):  # what somebody else wrote beside it since stays
            secret.merge({name: (old or {}).get(name) for name in told["names"]}, now.version)
        elif old is None:
            secret.versions("delete", now.version)
        else:
            secret.write(old, now.version)

    def discard(self, address: str, key: str) -> None:
        if self.published(address, key) is not None:
            return
        secret = self._place(address)
        if _label(secret.metadata(), key):
            secret.label({_LABEL: None})  # it names a version that somebody else wrote, or none
        _staging(secret, key).remove()

    def _place(self, address: str) -> Place:
        found = place(self.calls, address)
        return Place(found.calls, found.mount, found.path.removeprefix(_FOLDER))

    def _published(self, secret: Place, key: str, staged: Mapping[str, Any] | None) -> str | None:
        """By the labels, or, as long as the value is staged, by comparing it with what is current.

        Somebody who writes another field makes another version, in which the new secret still is.
        """
        if staged is None:
            metadata = secret.metadata()
            made, told = _labelled(metadata, key), _label(metadata, key)
            if made is not None or not told:
                return made
            ours = secret.fields(str(told["version"])) or {}
            now = secret.document()
            return now.version if now.fields and ours and _same(told["names"], ours, now.fields) else None
        now = secret.document()
        current = now.fields or {}
        return now.version if all(name in current and current[name] == staged[name] for name in staged) else None

    def _say(self, secret: Place, key: str, version: str, staged: Mapping[str, Any]) -> None:
        told = {"operation": key, "version": version, "names": sorted(staged)}
        if _label(secret.metadata(), key) != told:
            secret.label({_LABEL: as_label(told)})

    def _finish(self, secret: Place, key: str, version: str, staged: Mapping[str, Any]) -> None:
        """Ends what was staged once it is current, and the label says so: somebody may have replaced the labels."""
        try:
            self._say(secret, key, version, staged)
            _staging(secret, key).remove()
        except RefusedError as error:
            raise UnansweredError(
                f"vault: version {version} of {secret} is current, and what was staged for it still there: "
                f"{error.message}{f'; grant {error.permission}' if error.permission else ''}",
            ) from error


def _staging(secret: Place, key: str) -> Place:
    return secret.beside(f".nhiscan-{key}")


def _same(names: Iterable[str], one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(name in one and name in other and one[name] == other[name] for name in names)


def _revealed(fields: Fields) -> dict[str, str]:
    return {name: value.reveal() for name, value in fields.items()}


def _label(metadata: Json, key: str) -> Mapping[str, Any]:
    """What our label says, where it is of this operation."""
    told = from_label((metadata.get("custom_metadata") or {}).get(_LABEL))
    return told if told.get("operation") == key else {}


def _labelled(metadata: Json, key: str) -> str | None:
    """The current version where the label says that this operation wrote it."""
    current = str(metadata.get("current_version") or 0)
    return current if _label(metadata, key).get("version") == current else None
