"""What an administrator retrieved with the Metadata API into a folder: the way to what needs a right to write to read.

Files of both forms are read, `Security.settings` and `Security.settings-meta.xml`. Secrets of apps that stand in them
are dropped while parsing. Nothing is written, and no file outside the folder is followed to.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_MOST_BYTES: Final = 20 * 1024 * 1024  # of one file: an object with thousands of fields has a few
_MOST_FILES: Final = 20_000
_DEEPEST: Final = 8
_SECRETS: Final = frozenset({"consumerSecret", "clientSecret"})
_APPS: Final = ("apps.scopes", "apps.settings")
_SETTINGS: Final = ("settings.sessions", "settings.passwords", "settings.sign_in", "settings.apps")
# Suffix of a file -> the datasets that are short when it cannot be read.
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "settings": _SETTINGS,
    "profilePasswordPolicy": ("settings.passwords",),
    "profileSessionSetting": ("settings.sessions",),
    "connectedApp": _APPS,
    "eca": _APPS,
    "ecaOauth": _APPS,
    "ecaOauthPlcy": _APPS,
    "ecaGlblOauth": _APPS,
    "ecaOauthSecurity": _APPS,
    "sharingRules": ("objects.sharing",),
    "sharingSet": ("objects.sharing",),
    "object": ("objects.guards",),
    "validationRule": ("objects.guards",),
}


class UnreadableError(ValueError):
    """Why a file is not taken for metadata."""


@dataclass(frozen=True, slots=True)
class Node:
    """One element: its text, and its children by name without namespace."""

    text: str = ""
    children: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)

    def parts(self, name: str) -> tuple[Node, ...]:
        return self.children.get(name, ())

    def part(self, name: str) -> Node:
        """The first child of this name; an empty one where there is none."""
        return next(iter(self.parts(name)), Node())

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(child.text for child in self.parts(name) if child.text)

    def one(self, name: str) -> str | None:
        return next(iter(self.texts(name)), None)

    def flag(self, name: str) -> bool | None:
        """None: it does not stand there, or is no boolean."""
        return {"true": True, "false": False}.get(self.one(name) or "")


@dataclass(frozen=True, slots=True)
class File:
    """One piece of metadata. `kind`: its type, like SecuritySettings; `parent`: the folder above its own."""

    kind: str
    name: str
    parent: str
    root: Node


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be read, and what is short without it."""

    file: str
    reason: str
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Retrieved:
    files: tuple[File, ...] = ()
    problems: tuple[Problem, ...] = ()

    def of(self, kind: str) -> Iterator[File]:
        return (file for file in self.files if file.kind == kind)

    def first(self, kind: str) -> Node | None:
        """The one file of a kind of which an org has one, such as its settings."""
        return next((file.root for file in self.of(kind)), None)


def read(folder: Path) -> Retrieved:
    """Every file of a known kind below the folder, in a stable order."""
    every = tuple(dict.fromkeys(name for names in _SUFFIXES.values() for name in names))
    if not folder.is_dir():
        return Retrieved(problems=(Problem(str(folder), "collectors.salesforce.metadata_folder is no folder", every),))
    files: list[File] = []
    problems: list[Problem] = []
    closed: list[OSError] = []
    for n, path in enumerate(_paths(folder, closed)):
        shown = str(path.relative_to(folder))
        datasets = _SUFFIXES.get(_suffix(path.name), every)
        if n == _MOST_FILES:
            problems.append(Problem(str(folder), f"more than {_MOST_FILES} files, the rest was not read", every))
            break
        try:
            kind, root = parse(_bytes(path))
        except UnreadableError as error:
            problems.append(Problem(shown, str(error), datasets))
            continue
        name = unquote(path.name.removesuffix("-meta.xml").rpartition(".")[0])
        files.append(File(kind, name, unquote(path.parent.parent.name), root))
    problems += [Problem(str(error.filename), f"cannot be read: {error.strerror}", every) for error in closed]
    return Retrieved(tuple(files), tuple(problems))


def parse(data: bytes) -> tuple[str, Node]:
    """The type and content of one file.

    Raises: UnreadableError for what is no XML, no UTF-8, or brings a document type: entities could grow without bound.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("is no text in UTF-8") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableError("has a document type, which metadata never has")
    try:
        root = ET.fromstring(text)  # noqa: S314 # without a document type there are no entities to expand
    except (ET.ParseError, ValueError) as error:
        raise UnreadableError(f"is no whole XML: {error}") from error
    return _local(root.tag), _node(root, 0)


def _paths(folder: Path, closed: list[OSError]) -> Iterator[Path]:
    """Files of known kinds, and linked folders, which are not gone into; what cannot be opened joins `closed`."""
    for top, folders, names in os.walk(folder, onerror=closed.append):
        folders.sort()
        yield from (path for name in folders if (path := Path(top, name)).is_symlink())
        yield from (Path(top, name) for name in sorted(names) if _suffix(name) in _SUFFIXES)


def _suffix(name: str) -> str:
    return name.removesuffix("-meta.xml").rpartition(".")[2]


def _bytes(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():  # a link may lead anywhere, and a pipe never ends
        raise UnreadableError("is a link or no plain file")
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise UnreadableError(f"is larger than {_MOST_BYTES} bytes")
    return data


def _node(element: ET.Element, depth: int) -> Node:
    children: dict[str, tuple[Node, ...]] = {}
    if depth < _DEEPEST:
        found: dict[str, list[Node]] = {}
        for child in element:
            name = _local(child.tag)
            if name not in _SECRETS:
                found.setdefault(name, []).append(_node(child, depth + 1))
        children = {name: tuple(nodes) for name, nodes in found.items()}
    return Node((element.text or "").strip(), children)


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
