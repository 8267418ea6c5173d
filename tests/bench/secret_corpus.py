"""Real source to search: the text files of pinned releases from the package registries, kept between runs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_LIST: Final = Path(__file__).with_name("secret_packages.toml")
_MOST_BYTES: Final = 10_000_000  # a file; larger ones are data rather than source
_PATIENCE_S: Final = 600


class AbsentError(Exception):
    """Something that the benchmark takes from outside cannot be had here."""


def listed() -> dict[str, Any]:
    return tomllib.loads(_LIST.read_text(encoding="utf-8"))


def build(folder: Path) -> Path:
    """The folder with the corpus: one folder a package. Made when the list has changed since it was made last.

    Raises: AbsentError when a package cannot be fetched.
    """
    corpus, mark = folder / "tree" / "clean", folder / "clean.made-of"
    made_of = hashlib.sha256(repr(listed()["corpus"]).encode() + Path(__file__).read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text(encoding="ascii") == made_of:
        return corpus
    shutil.rmtree(corpus, ignore_errors=True)
    for group in listed()["corpus"]:
        for name in group["names"]:
            archive = fetch(group["registry"], name, folder / "packages")
            target = corpus / name.replace("/", "-").replace("==", "-")
            for path, data in texts(archive):
                if _kept(path, group.get("one_in", 1)):
                    (target / path).parent.mkdir(parents=True, exist_ok=True)
                    (target / path).write_bytes(data)
    mark.write_text(made_of, encoding="ascii")
    return corpus


def fetch(registry: str, name: str, folder: Path) -> Path:
    """The archive of one release.

    Raises: AbsentError when the registry does not give it.
    """
    own = folder / name.replace("/", "-")
    if not own.is_dir():
        partial = own.with_name(f"{own.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        commands = {
            "pypi": [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"),
                *("--only-binary", ":all:", "--dest", ".", name),
            ],
            "npm": ["npm", "pack", "--silent", name],
        }
        try:
            subprocess.run(commands[registry], cwd=partial, check=True, capture_output=True, timeout=_PATIENCE_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise AbsentError(f"{name} cannot be fetched") from error
        partial.rename(own)
    return next(own.iterdir())


def texts(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of the text files of a wheel or an npm package."""
    for path, data in _members(archive):
        parts = Path(path).parts
        if 0 < len(data) < _MOST_BYTES and b"\0" not in data and ".." not in parts and not path.startswith("/"):
            yield path, data


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.is_dir():
                    yield entry.filename, opened.read(entry)
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            content = packed.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name.partition("/")[2], content.read()


def _kept(path: str, one_in: int) -> bool:
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") % one_in == 0


def size(folder: Path) -> tuple[int, int]:
    """(files, bytes)."""
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
