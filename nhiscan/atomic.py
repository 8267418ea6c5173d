"""Files that are there in full or not at all, and folders, for their owner only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from nhiscan.errors import StoreError


def make_folder(path: Path) -> None:
    """Makes a folder that may be there already, and those above it that are not, for their owner only.

    Raises: StoreError.
    """
    try:
        for each in (*reversed(path.parents), path):
            if not each.is_dir():
                each.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def settle(draft: Path, path: Path) -> None:
    """Moves a file that was written elsewhere on the disk to its place: there in full, or not at all."""
    sync(draft)
    draft.rename(path)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replaces a file in one step, mode 0600; a crash leaves the old one or the new one.

    A terminal, pipe or device, such as /dev/stdout, is written to and stays what it is.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8", newline="")
            return
    except OSError as error:
        raise _unwritable(path, error) from error
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="")
        settle(draft, path)


@contextlib.contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A file beside `path`, empty and mode 0600, which is gone afterwards unless it was moved to its place."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        yield draft
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path}: {error.strerror}", hint="check the path, its permissions and the free space"
    )


def sync(path: Path) -> None:
    """Returns when a file, or which files a folder holds, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
