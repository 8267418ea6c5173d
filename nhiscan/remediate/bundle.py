"""A bundle of evidence as a file: a zip that its members make in one way only, and a signed statement about them.

Nothing is compressed and nothing depends on when, where or by whom it is written, so that the same evidence has the
same bytes, and whatever is not what its members make is refused. The statement is in-toto's Statement v1 in a DSSE
envelope: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and
https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nhiscan.errors import NhiscanError

MANIFEST: Final = "manifest.json"
STATEMENT: Final = "statement.json"
_NAME: Final = re.compile(
    r"plan\.json|journal\.jsonl|manifest\.json|statement\.json|scans/(?:before|after)\.json"
    r"|approvals/[0-9A-Za-z][0-9A-Za-z._@+-]{0,150}\.json"
)
_MOST_BYTES: Final = 256 * 1024 * 1024
_MOST_MEMBERS: Final = 2000
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can hold
_FOR_OWNER: Final = 0o100600 << 16
_UNIX: Final = 3
_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE: Final = "urn:nhiscan:remediation-evidence:1"
# What zipfile and struct make of bytes that somebody chose.
_DAMAGE: Final = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError, OverflowError, RuntimeError,
    ValueError, IndexError, struct.error,
)  # fmt: skip


class BundleError(NhiscanError):
    """The file is no bundle of evidence, or not as it was written: nothing in it counts."""

    exit_code = 1


def text(value: Any) -> bytes:
    """JSON that one value makes in one way only."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode("ascii")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(members: Mapping[str, bytes]) -> bytes:
    """Raises: BundleError for a member that a bundle cannot hold."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            if not _NAME.fullmatch(name):
                raise BundleError(f"a bundle holds no {name!r}")
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = _UNIX, _FOR_OWNER
            archive.writestr(info, members[name])
    return out.getvalue()


def read(path: Path) -> bytes:
    """The content of a file that may be a bundle. Raises: BundleError."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}", hint="check the path") from error


def unpacked(data: bytes) -> dict[str, bytes]:
    """The members of a bundle; the file holds them and nothing else.

    Raises: BundleError saying what is wrong with it.
    """
    if len(data) > _MOST_BYTES:
        raise BundleError(f"is larger than the {_MOST_BYTES} bytes that a bundle may have")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            if len(listed) > _MOST_MEMBERS:
                raise BundleError(f"has {len(listed)} members; a bundle has at most {_MOST_MEMBERS}")
            members: dict[str, bytes] = {}
            room = len(data)
            for info in listed:
                room -= info.file_size
                if not _NAME.fullmatch(info.filename):
                    raise BundleError(f"holds a member that no bundle has: {info.filename!r}")
                if info.filename in members:
                    raise BundleError(f"holds {info.filename} twice")
                if info.compress_type != zipfile.ZIP_STORED or room < 0:
                    raise BundleError(f"{info.filename} is compressed: a bundle never is")
                members[info.filename] = archive.read(info)
    except _DAMAGE as error:
        raise BundleError(f"is no zip that can be read: {error}") from error
    if packed(members) != data:
        raise BundleError("is not the archive that its members make: bytes were added, moved or changed")
    return members


def manifest(members: Mapping[str, bytes], told: Mapping[str, Any]) -> bytes:
    """What the bundle is, and size and SHA-256 of every other member."""
    listed = {name: {"sha256": sha256(data), "size": len(data)} for name, data in members.items()}
    return text({**told, "schema_version": 1, "members": listed})


def statement(members: Mapping[str, bytes], told: Mapping[str, Any]) -> bytes:
    """The payload to sign: every member by its digest."""
    subject = [{"name": name, "digest": {"sha256": sha256(members[name])}} for name in sorted(members)]
    return text(
        {"_type": _STATEMENT_TYPE, "subject": subject, "predicateType": _PREDICATE_TYPE, "predicate": dict(told)}
    )


def to_sign(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the type is signed with the content."""
    kind = _PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(payload: bytes, signature: bytes, *, key_id: str) -> bytes:
    return text(
        {
            "payloadType": _PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode("ascii"),
            "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode("ascii")}],
        }
    )


def opened(data: bytes) -> tuple[bytes, bytes, str]:
    """Payload, signature and the key's name of an envelope; nothing is checked by a key yet.

    Raises: BundleError where it is no envelope as we write them.
    """
    try:
        told = json.loads(data)
        (signed,) = told["signatures"]
        payload = base64.b64decode(told["payload"], validate=True)
        signature = base64.b64decode(signed["sig"], validate=True)
        key_id = str(signed["keyid"])
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise BundleError(f"{STATEMENT} is no signed statement: {error}") from error
    if envelope(payload, signature, key_id=key_id) != data:
        raise BundleError(f"{STATEMENT} is not as nhiscan writes it")
    return payload, signature, key_id
