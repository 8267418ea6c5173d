"""Baselines of detect-secrets: findings that are known already, with what an audit said of them.

The file is stock's own, so that `detect-secrets scan --baseline` and its hook go on with one that was written here, and
the other way round; `detect-secrets audit` does so for its own plugins' findings, and knows no others. It holds the
plain SHA-1 of each value, as stock's do, and so exists only where a person asks for it. Reading one runs nothing that
it names; the profile `detect-secrets` loads its plugins and filters, as stock does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhiscan.detect.leak import Leaked
from nhiscan.detect.precise.detector import load
from nhiscan.detect.precise.generic import NAMED
from nhiscan.detect.stock.profile import AWS_KEY, AWS_KEY_ID, Stock, kind_of
from nhiscan.detect.stock.settings import put_in_force
from nhiscan.errors import ConfigError

_SETTINGS: Final = {"plugins_used": "name", "filters_used": "path"}
_OPTIONAL: Final = {"line_number": int, "is_secret": bool, "is_verified": bool}


class Entry(NamedTuple):
    """A finding as a baseline knows it; `hashed` is the SHA-1 of the value, `secret_type` what stock calls the kind."""

    path: str
    secret_type: str
    hashed: str
    line: int


@dataclass(frozen=True)
class Baseline:
    """One file; `settings`: plugins_used and filters_used. `labels`: what is known of (path, type, hash)."""

    file: Path
    settings: Mapping[str, Any]
    labels: Mapping[tuple[str, str, str], Mapping[str, Any]]

    def knows(self, entry: Entry) -> bool:
        """It is no news, whatever an audit has said of it."""
        return entry[:3] in self.labels


def read(file: Path) -> Baseline:
    """The baseline in a file, also one of an earlier version of detect-secrets.

    Raises: ConfigError naming file and key.
    """
    from detect_secrets.core.baseline import upgrade

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}", hint="check the path and its permissions") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{file} is no JSON: {error}", hint="restore it, or write a new one with `--write-baseline`"
        ) from None
    if not isinstance(data, dict) or not isinstance(data.get("version"), str):
        raise _foreign(file, "version", "is not the version of detect-secrets that wrote it")
    try:
        data = upgrade(data)
    except KeyError as error:
        raise _foreign(file, str(error.args[0]), "is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _foreign(file, "version", f"cannot be brought up to date: {type(error).__name__}") from error
    return Baseline(file, _settings(file, data), dict(_labels(file, data)))


def secret_types(profile: str, old: Baseline | None = None) -> Mapping[str, str]:
    """What detect-secrets calls the kinds that a profile finds, by kind.

    Raises: ConfigError when the settings of `old` name plugins that cannot be loaded.
    """
    if profile != Stock.name:
        return {known.kind: f"{known.title} ({known.kind})" for known in (*load(), NAMED)}  # as plugins.py says
    from detect_secrets.settings import get_plugins

    put_in_force(old.settings if old else {}, is_search=True)
    types = {kind_of(plugin.secret_type): plugin.secret_type for plugin in get_plugins()}
    if AWS_KEY in types:  # one type for both halves of a pair
        types[AWS_KEY_ID] = types[AWS_KEY]
    return types


def entry(leaked: Leaked, types: Mapping[str, str]) -> Entry:
    """What a baseline says of a leak; `types`: those of the profile that found it."""
    kind = leaked.leak.kind
    value = leaked.leak.secret.reveal().encode("utf-8", "surrogatepass")
    hashed = hashlib.sha1(value, usedforsecurity=False).hexdigest()
    return Entry(leaked.path, types.get(kind) or kind.replace("_", " ").capitalize(), hashed, leaked.leak.line)


def written(found: Iterable[Entry], *, profile: str, at: datetime, old: Baseline | None = None) -> str:
    """The text of a baseline with these findings, those that `old` knows with its labels and under its settings."""
    from detect_secrets.core.baseline import format_for_output
    from detect_secrets.core.potential_secret import PotentialSecret
    from detect_secrets.core.secrets_collection import SecretsCollection

    collection = SecretsCollection()
    for item in found:
        label = old.labels.get(item[:3], {}) if old else {}
        collection[item.path].add(
            PotentialSecret.load_secret_from_dict(
                {
                    "filename": item.path,
                    "type": item.secret_type,
                    "hashed_secret": item.hashed,
                    "line_number": item.line,
                    **{key: label[key] for key in ("is_secret", "is_verified") if label.get(key) is not None},
                }
            )
        )
    put_in_force(old.settings if old else _usual_settings(profile), is_search=False)
    output = format_for_output(collection)
    output["generated_at"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(output, indent=2) + "\n"


def _usual_settings(profile: str) -> dict[str, Any]:
    """Stock's own plugins, or those of our detectors: one of them says for all where they come from.

    Stock's usual filters leave out what holds a UUID or is called an id, as tokens of several providers do.
    """
    if profile == Stock.name:
        return {}
    from nhiscan.detect.precise import plugins

    names = [{"name": plugin.__name__} for plugin in plugins.PLUGINS]
    names[0]["path"] = f"file://{plugins.__file__}"
    return {"plugins_used": names, "filters_used": [{"path": "detect_secrets.filters.allowlist.is_line_allowlisted"}]}


def _settings(file: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    settings = {}
    for key, name in _SETTINGS.items():
        if key not in data:
            continue
        items = data[key]
        if not isinstance(items, list):
            raise _foreign(file, key, "is no list")
        for n, item in enumerate(items):
            if not isinstance(item, dict) or not isinstance(item.get(name), str):
                raise _foreign(file, f"{key}[{n}].{name}", "is no text")
        settings[key] = items
    return settings


def _labels(file: Path, data: Mapping[str, Any]) -> Iterable[tuple[tuple[str, str, str], Mapping[str, Any]]]:
    results = data.get("results")
    if not isinstance(results, dict):
        raise _foreign(file, "results", "is missing, or no object by file")
    for path, items in results.items():
        if not isinstance(items, list):
            raise _foreign(file, f"results.{path}", "is no list")
        for n, item in enumerate(items):
            where = f"results.{path}[{n}]"
            if not isinstance(item, dict):
                raise _foreign(file, where, "is no object")
            for key in ("type", "hashed_secret"):
                if not isinstance(item.get(key), str):
                    raise _foreign(file, f"{where}.{key}", "is no text")
            for key, kind in _OPTIONAL.items():
                if item.get(key) is not None and type(item[key]) is not kind:
                    raise _foreign(file, f"{where}.{key}", f"is no {'number' if kind is int else 'truth value'}")
            yield (path.replace("\\", "/"), item["type"], item["hashed_secret"]), item


def _foreign(file: Path, key: str, what: str) -> ConfigError:
    return ConfigError(
        f"{file} is no baseline of detect-secrets: {key} {what}",
        hint="restore it, or write a new one with `--write-baseline`; results of other scanners come in with "
        "`nhiscan secrets import`",
    )
