"""Expressions compiled by vectorscan once and kept on disk: compiling takes up to a second, reading them back none.

A stored database is machine code in all but name, so it is taken only from a folder and a file of the same user that
nobody else may write. Whatever is wrong with it, the expressions are compiled anew; where nothing can be stored, each
process compiles for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

_DIGEST_BYTES: Final = 32
_SUFFIX: Final = ".hs"
_MOST_KEPT: Final = 48  # files of one kind: other versions and settings leave theirs behind


@cache
def vectorscan() -> Any:
    """The hyperscan module, None where no wheel of it exists."""
    try:
        return import_module("hyperscan")
    except ImportError:
        return None


def default_folder() -> Path | None:
    """Where databases are kept: ~/.cache/nhiscan, or below XDG_CACHE_HOME; None without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nhiscan"
    except RuntimeError:
        return None


def database(expressions: Sequence[tuple[bytes, int]], *, folder: Path | None = None) -> Any:
    """A block-mode database of (expression, flags), ids counting from 0; None without the hyperscan module.

    `folder`: where it is kept; None for the default one.
    Raises: ValueError when an expression is not vectorscan's.
    """
    hyperscan = vectorscan()
    if hyperscan is None:
        return None
    folder = folder or default_folder()
    if folder is None:
        return _compiled(hyperscan, expressions)
    path = folder / f"{_key(hyperscan, expressions)}{_SUFFIX}"
    loaded = _loaded(hyperscan, path)
    if loaded is None:
        loaded = _compiled(hyperscan, expressions)
        keep(path, hyperscan.dumpb(loaded))
    return loaded


def _key(hyperscan: Any, expressions: Sequence[tuple[bytes, int]]) -> str:
    said = (hyperscan.__version__, platform.machine(), platform.processor(), _cpu_features(), list(expressions))
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _cpu_features() -> str:
    """A database fits the instructions of one CPU; a home directory may be shared by several."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return ""


def _compiled(hyperscan: Any, expressions: Sequence[tuple[bytes, int]]) -> Any:
    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        made.compile(
            expressions=[expression for expression, _ in expressions],
            ids=list(range(len(expressions))),
            flags=[flags for _, flags in expressions],
        )
    except hyperscan.error as error:
        raise ValueError(f"vectorscan refuses an expression: {error}") from error
    return made


def stored(path: Path) -> bytes | None:
    """What `keep` stored; None where there is nothing, or something that another user may have written, or damage."""
    try:
        if not _is_ours_alone(path.parent.stat()):
            return None
        with path.open("rb") as file:
            if not _is_ours_alone(os.fstat(file.fileno())):
                return None
            digest, data = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    return data if hashlib.sha256(data).digest() == digest else None


def _loaded(hyperscan: Any, path: Path) -> Any:
    data = stored(path)
    if data is None:
        return None
    try:
        loaded = hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
        loaded.scratch = hyperscan.Scratch(loaded)
    except hyperscan.error:
        return None
    return loaded


def _is_ours_alone(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o022


def keep(path: Path, data: bytes) -> None:
    """Stores data that `stored` reads back: complete or not at all; where nothing can be stored, nothing happens."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours_alone(path.parent.stat()):
            return
        descriptor, draft = tempfile.mkstemp(dir=path.parent)  # 0600 from its first moment on
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
        kept = sorted(path.parent.glob(f"*{path.suffix}"), key=lambda file: file.stat().st_mtime_ns)
        for old in kept[:-_MOST_KEPT]:
            old.unlink(missing_ok=True)
