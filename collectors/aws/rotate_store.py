"""Secrets Manager as the place where a new secret goes: staged beside the current version, current by one label's move.

API: Secrets Manager 2017-10-17, DescribeSecret, GetSecretValue, PutSecretValue, UpdateSecretVersionStage. An address is
a secret's ARN or `region/name`. The value has to be a JSON object; what else stands in it is kept.

Two versions come of one operation: one holds what was staged and nothing else, one the whole document. Their ids come
from the operation's key, so that putting either twice puts it once; a label of ours keeps AWS from deleting it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nhiscan.remediate.contract import Fields, RefusedError, UnsupportedError
from nhiscan.secret import Secret

from .fetch import Json
from .rotate_calls import NOT_FOUND, Calls, ask, find
from .rotate_secrets import CURRENT, label_command, labelled, region_of, version_id

PREFIX: Final = "aws-secretsmanager"
_LOOKS: Final = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": _LOOKS,
    "stage": ("secretsmanager:PutSecretValue", *_LOOKS),
    "publish": ("secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage", *_LOOKS),
    "restore": ("secretsmanager:UpdateSecretVersionStage", *_LOOKS),
    "discard": ("secretsmanager:UpdateSecretVersionStage", *_LOOKS),
}


@dataclass(frozen=True, slots=True)
class SecretsManager:
    """`calls_of`: the clients of the account with a number, or of the only one for an address without ARN."""

    calls_of: Callable[[str | None], Calls]

    def observe(self, address: str) -> Mapping[str, str]:
        place = self._place(address)
        described = place.described()
        current = _current(place, described)
        return {"version": current, "names": ",".join(sorted(place.document(current)))}

    def stage(self, address: str, key: str, fields: Fields) -> None:
        place = self._place(address)
        _current(place, place.described())  # of a secret without a value, AWS would make the first version current
        place.put(version_id(key, "staged"), _label(key), {name: value.reveal() for name, value in fields.items()})

    def staged(self, address: str, key: str) -> Fields | None:
        document = self._place(address).find(version_id(key, "staged"))
        return None if document is None else {name: Secret(str(value)) for name, value in document.items()}

    def publish(self, address: str, key: str, *, version: str) -> str:
        place = self._place(address)
        wanted = version_id(key, "published")
        described = place.described()
        current = _current(place, described)
        if current != wanted:
            if current != version:
                raise RefusedError(
                    f"aws: {place.id} is at version {current}, not {version}",
                    hint=f"somebody changed it since; nothing was published: {_moved(place, current, version)} and "
                    "resume, or roll back and make another plan",
                )
            if wanted not in described["VersionIdsToStages"]:
                new = place.find(version_id(key, "staged"))
                if new is None:
                    raise RefusedError(f"aws: nothing is staged in {place.id}", hint="nothing was published")
                place.put(wanted, _label(key), {**place.document(version), **new})
            place.move(CURRENT, away_from=version, to=wanted)
        place.unlabel(_label(key))
        return wanted

    def published(self, address: str, key: str) -> str | None:
        wanted = version_id(key, "published")
        return wanted if labelled(self._place(address).described(), CURRENT) == wanted else None

    def restore(self, address: str, key: str, *, version: str) -> None:
        place = self._place(address)
        current = labelled(place.described(), CURRENT)
        if current == version:
            return
        if current != version_id(key, "published"):
            raise RefusedError(
                f"aws: {place.id} is at version {current}, which is not of this operation",
                hint=f"somebody changed it since; nothing was put back: {_moved(place, current, version)} where that "
                "is right, and roll back again",
            )
        place.move(CURRENT, away_from=current, to=version)

    def discard(self, address: str, key: str) -> None:
        self._place(address).unlabel(_label(key))

    def _place(self, address: str) -> _Place:
        if address.startswith("arn:"):
            region, id_, account = region_of(address), address, address.split(":", 5)[4]
            return _Place(self.calls_of(account), region, id_)
        region, _, id_ = address.partition("/")
        if not region or not id_:
            raise UnsupportedError(
                f"aws: {address!r} is no address of a secret", hint=f"write {PREFIX}:REGION/NAME or {PREFIX}:ARN"
            )
        return _Place(self.calls_of(None), region, id_)


@dataclass(frozen=True, slots=True)
class _Place:
    """One secret. Values are in memory only, and in no error."""

    calls: Calls
    region: str
    id: str

    def described(self) -> Json:
        client = self.calls.reading("secretsmanager", self.region)
        found = find(client, "DescribeSecret", NOT_FOUND, SecretId=self.id)
        if found is None or found.get("DeletedDate"):
            raise RefusedError(
                f"aws: there is no secret {self.id} in {self.region}", hint="create it, or mend the address"
            )
        if found.get("RotationEnabled"):
            raise UnsupportedError(
                f"aws: {self.id} is written by its own rotation", hint="rotate that secret instead of storing in it"
            )
        return found

    def find(self, version: str) -> dict[str, Any] | None:
        """The document of a version; None: there is no such version."""
        client = self.calls.reading("secretsmanager", self.region)
        answer = find(client, "GetSecretValue", NOT_FOUND, SecretId=self.id, VersionId=version)
        return None if answer is None else self._read(answer)

    def document(self, version: str) -> dict[str, Any]:
        client = self.calls.reading("secretsmanager", self.region)
        return self._read(ask(client, "GetSecretValue", SecretId=self.id, VersionId=version))

    def put(self, version: str, label: str, document: Mapping[str, Any]) -> None:
        text = json.dumps(document, ensure_ascii=False)
        client = self.calls.changing("secretsmanager", self.region)
        own = {"SecretId": self.id, "ClientRequestToken": version, "VersionStages": [label]}
        ask(client, "PutSecretValue", **own, SecretString=text)

    def move(self, label: str, *, away_from: str, to: str) -> None:
        """AWS refuses it where the label is on another version by now: API reference, UpdateSecretVersionStage."""
        client = self.calls.changing("secretsmanager", self.region)
        own = {"SecretId": self.id, "VersionStage": label}
        ask(client, "UpdateSecretVersionStage", **own, RemoveFromVersionId=away_from, MoveToVersionId=to)

    def unlabel(self, label: str) -> None:
        version = labelled(self.described(), label)
        if version is not None:
            client = self.calls.changing("secretsmanager", self.region)
            own = {"SecretId": self.id, "VersionStage": label}
            ask(client, "UpdateSecretVersionStage", **own, RemoveFromVersionId=version)

    def _read(self, answer: Json) -> dict[str, Any]:
        try:
            document = json.loads(answer.get("SecretString") or "")
        except ValueError:
            document = None  # its error would quote the value
        if not isinstance(document, dict):
            raise UnsupportedError(
                f"aws: the value of {self.id} is no JSON object", hint="store it as one, with a name for each part"
            )
        return document


def _current(place: _Place, described: Json) -> str:
    current = labelled(described, CURRENT)
    if current is None:
        raise UnsupportedError(f"aws: {place.id} has no value yet", hint="put a first one, such as {}")
    return current


def _moved(place: _Place, current: str | None, version: str) -> str:
    return f"move {CURRENT} back by hand ({label_command(place.id, place.region, CURRENT, away=current, to=version)})"


def _label(key: str) -> str:
    return f"nhiscan-{version_id(key, 'label')}"
