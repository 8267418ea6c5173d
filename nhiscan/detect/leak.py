"""What the secrets scanner says: a secret in a text, where it stands, and what could not be read.

A value is kept as a `Secret`, so that no text form of these, in a message or a traceback, shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, Protocol, TypeAlias

from nhiscan.secret import Secret

UNREAD: Final = frozenset(
    {
        "unreadable",  # permission, I/O error, vanished while it was read
        "out_of_time",
        "too_large",
        "damaged",  # an archive that cannot be unpacked, an object of git that does not parse
        "encrypted",
        "bomb",  # unpacks to more than is looked at
        "too_deep",  # an archive in an archive
        "symlink",  # leads out of what is scanned, or in a circle
        "special",  # a socket, pipe or device
        "lfs_pointer",
        "submodule",
        "missing_object",
        "shallow",
    }
)

ASSIGNED: Final = frozenset({"assigned_secret", "assigned_uuid", "assigned_password"})  # told by a name alone
VAGUE: Final = frozenset({"basic_auth_credentials", "named_secret"}) | ASSIGNED  # give way to what names its maker
KEYS: Final = frozenset({"private_key", "gcp_service_account_key"})  # texts of many lines, which all begin alike
_LONGEST_PREVIEW: Final = 4


def preview(kind: str, value: str) -> str | None:
    """A few signs for a person who compares by eye, never more than a quarter."""
    if kind in KEYS:
        return None
    # bytes of another encoding as escapes, which every output can write
    return value[: min(_LONGEST_PREVIEW, len(value) // 4)].encode("utf-8", "backslashreplace").decode() or None


@dataclass(frozen=True, slots=True)
class Leak:
    """One secret at `text[start:end]` of the decoded text; `line` counts from 1, a lone CR ends a line as well.

    `issuer`: provider that made it, and `issuer_tenant` its account there, as far as the value or what stands beside it
    says so. `native_id`: an id inside the value or beside it, such as an access key id. `inside`: member of an archive,
    or "base64". `expires_at`: as the value says.
    """

    kind: str
    secret: Secret
    line: int
    start: int
    end: int
    severity: str = "high"
    confidence: float = 0.8
    issuer: str | None = None
    issuer_tenant: str | None = None
    native_id: str | None = None
    name: str | None = None  # of the variable that holds it
    is_test: bool = False
    inside: str | None = None
    expires_at: datetime | None = None
    column: int | None = None  # of the value's first character on its line, from 1


@dataclass(frozen=True, slots=True)
class Commit:
    """`at` is the committer's time, `author` a mail address."""

    sha: str
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Leaked:
    """A leak of one file; `path` is relative to what was scanned, parted by /, with undecodable bytes as surrogates.

    Of a member of an archive it is the path of the archive, and `leak.inside` the member. What git has outside of any
    commit's files has the path "object " and its id, "commit message" or "tag message".
    `first`: the commit that brought this text in; `gone`: the first one that no longer has it. Both None outside git.
    """

    path: str
    leak: Leak
    first: Commit | None = None
    gone: Commit | None = None
    is_current: bool = True


@dataclass(frozen=True, slots=True)
class Unread:
    """A file, or a part of a history, that was not searched; `why` is one of UNREAD, `detail` a person's words."""

    path: str
    why: str
    detail: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What one scan looked at, said last; `skipped`: files left out on purpose, by reason (binary, empty, ...).

    Among those is also how many leaks a comment beside them allows.
    """

    files: int = 0
    bytes: int = 0
    commits: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


Said: TypeAlias = Leaked | Unread | Counts


class OutOfTimeError(Exception):
    """The budget of one file is used up; the file is reported, not skipped."""


class Profile(Protocol):
    """One way of searching; made once a process and safe to use for many files, not by two threads at once."""

    name: ClassVar[str]

    def leaks(self, data: bytes, path: str) -> Iterator[Leak]:
        """The secrets of one file's bytes, in order; `path` tells its type.

        Raises: OutOfTimeError when the budget of the file is used up.
        """
        ...
