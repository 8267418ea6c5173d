"""The scanner on one place: a tree of files, or the history of a repository."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from nhiscan.detect.git import process, repository
from nhiscan.detect.leak import Counts, Said
from nhiscan.detect.precise.profile import Precise
from nhiscan.detect.reading import tree
from nhiscan.errors import CollectError

from .places import Place

if TYPE_CHECKING:
    from nhiscan.collect import Context

ALLOWED: Final = "allowed"  # what a comment beside it lets stand


def read(place: Place, ctx: Context) -> Iterator[Said]:
    """Raises: CollectError for a place that is not there or cannot be opened."""
    _open(place)
    if ctx.is_sample:
        return
    profile = Precise()
    progress = partial(ctx.progress, f"texts of {place.name}")
    if place.is_repository:
        yield from repository.scan(place.path, lambda: profile, branch=place.branch, on_progress=progress)
    else:
        yield from tree.scan([place.path], lambda: profile, on_progress=progress)
    yield Counts(skipped={ALLOWED: profile.allowed})


def _open(place: Place) -> None:
    """Tries whether there is something to read, without reading it."""
    try:
        if place.path.is_file():
            place.path.open("rb").close()
        else:
            os.scandir(place.path).close()
            if place.is_repository:
                process.opened(os.fspath(place.path))
    except OSError as error:
        raise CollectError(
            f"{place.path} cannot be opened: {error.strerror}", hint="check the path and the scanner's permissions"
        ) from error
