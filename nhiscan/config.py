"""nhiscan.toml -> settings. Unknown keys are errors that name the nearest known one."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nhiscan.errors import ConfigError
from nhiscan.secret import Secret, resolve_reference

_MANY: Final = 60  # known words in a hint; all tables of a scan fit
_ENVIRONMENTS: Final = ("prod", "staging", "test", "dev", "sandbox")


@dataclass(frozen=True)
class Company:
    """What is ours; everything else is outside.

    `aws_accounts` and `tenants`: the environment of each, "" where it is not said.
    """

    name: str
    mail_domains: tuple[str, ...] = ()
    aws_accounts: Mapping[str, str] = field(default_factory=dict)
    oidc_issuers: tuple[str, ...] = ()
    tenants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    path: Path = Path(".nhiscan")


@dataclass(frozen=True)
class Person:
    """Somebody who may ask for remediation or agree to it: whoever signs with the key, an OpenSSH `ssh-ed25519` one."""

    mail: str
    key: str


@dataclass(frozen=True)
class Config:
    """Everything nhiscan.toml says; `collectors` holds one entry a configured collector, in file order.

    `remediation`: the settings of each adapter, by name.
    """

    file: Path
    company: Company
    state: Path
    collectors: tuple[tuple[str, Mapping[str, Any]], ...]
    rules: Mapping[str, Mapping[str, Any]]
    people: tuple[Person, ...] = ()
    remediation: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known word, or else the known words, as far as a person would read them."""
    names = sorted(known)
    folded = {name.casefold(): name for name in reversed(names)}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    close = close or [name for name in sorted(folded) if word and word.casefold() in name][:1]
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"known: {', '.join(names[:_MANY])}{more}"


def _check_keys(data: Mapping[str, Any], known: Iterable[str], *, where: str) -> None:
    names = set(known)
    for key in data:
        if key not in names:
            raise ConfigError(f"{where}{key}: unknown key", hint=nearest(key, names))


def read(path: Path) -> Config:
    """Raises: ConfigError naming the file and key."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows begin a file with a mark
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist", hint="run `nhiscan init` to write one") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="give the path of a settings file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}", hint="mend the file; it must be TOML in UTF-8") from error
    return parse(data, file=path)


def parse(data: Mapping[str, Any], *, file: Path) -> Config:
    """The settings of an already read file; relative paths start at its folder."""
    where = f"{file}: "
    _check_keys(data, ("company", "state", "collectors", "rules", "people", "remediation"), where=where)
    if "company" not in data:
        raise ConfigError(f"{file}: [company] is missing", hint='add [company] with name = "..."')
    company = build(Company, data["company"], where=f"{where}company.", base=file.parent, environ={})
    _check_ours(company, where=f"{where}company.")
    state = build(State, data.get("state", {}), where=f"{where}state.", base=Path(), environ={})
    collectors: list[tuple[str, Mapping[str, Any]]] = []
    for name, settings in _table(data.get("collectors", {}), f"{where}collectors").items():
        entries = settings if isinstance(settings, list) else [settings]
        collectors += [(name, _table(entry, f"{where}collectors.{name}")) for entry in entries]
    rules = {
        rule: _table(params, f"{where}rules.{rule}")
        for rule, params in _table(data.get("rules", {}), f"{where}rules").items()
    }
    people = build(_People, {"people": data.get("people", [])}, where=where, base=Path(), environ={}).people
    remediation = {
        name: _table(settings, f"{where}remediation.{name}")
        for name, settings in _table(data.get("remediation", {}), f"{where}remediation").items()
    }
    return Config(file, company, file.parent / state.path, tuple(collectors), rules, people, remediation)


def _check_ours(company: Company, *, where: str) -> None:
    """A word that matches nothing would make what is ours an outsider's, and keep the rules on environments silent."""
    for account in company.aws_accounts:
        if not (len(account) == 12 and account.isascii() and account.isdigit()):
            raise ConfigError(f"{where}aws_accounts.{account}: no AWS account id", hint="it has 12 digits")
    for tenant in company.tenants:
        if not all(tenant.partition(":")):
            raise ConfigError(f"{where}tenants.{tenant}: no tenant id", hint='write "system:name", as in "vault:main"')
    for key, labelled in (("aws_accounts", company.aws_accounts), ("tenants", company.tenants)):
        for name, environment in labelled.items():
            if environment.strip().lower() not in ("", *_ENVIRONMENTS):
                raise ConfigError(
                    f"{where}{key}.{name}: no environment {environment!r}", hint=nearest(environment, _ENVIRONMENTS)
                )
    for i, domain in enumerate(company.mail_domains):
        if not domain or any(sign in "@/:*," or sign.isspace() for sign in domain):
            raise ConfigError(
                f"{where}mail_domains[{i}]: no domain {domain!r}",
                hint='write what follows the @ of an address, as in "acme.example"',
            )


@dataclass(frozen=True)
class _People:
    people: tuple[Person, ...]


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table", hint=f"write [{where.rpartition(': ')[2]}]")
    return value


def build(cls: type[Any], data: Any, *, where: str, base: Path, environ: Mapping[str, str] | None) -> Any:
    """An instance of the dataclass `cls` from a TOML table: its fields are the settings.

    Fields may be str, int, float, bool, Path, Secret (given as a reference), dataclasses,
    `tuple[X, ...]`, `Mapping[str, str]`, or any of these or None.
    `environ` None: nothing is looked up and every Secret is a dummy, as on replay.
    Raises: ConfigError naming the key.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where.rstrip('.')} must be a table", hint="write its settings below a line in [brackets]")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    _check_keys(data, fields, where=where)
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, spec in fields.items():
        if name in data:
            values[name] = _value(hints[name], data[name], where=f"{where}{name}", base=base, environ=environ)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}{name} is missing", hint="it has no default")
    return cls(**values)


def _value(kind: Any, value: Any, *, where: str, base: Path, environ: Mapping[str, str] | None) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        (kind,) = (arg for arg in typing.get_args(kind) if arg is not type(None))
        return _value(kind, value, where=where, base=base, environ=environ)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list", hint="write it in [brackets], also a single one")
        item = typing.get_args(kind)[0]
        return tuple(_value(item, v, where=f"{where}[{i}]", base=base, environ=environ) for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise ConfigError(f"{where} must be a table of texts", hint='write { "name" = "text" }')
        return dict(value)
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type[Any], kind), value, where=f"{where}.", base=base, environ=environ)
    if kind is Secret:
        if not isinstance(value, str):
            raise ConfigError(f"{where} must be a reference", hint='write "env:NAME" or "file:PATH"')
        return resolve_reference(value, key=where, environ=environ, base=base)
    if kind is Path:
        if not isinstance(value, str):
            raise ConfigError(f"{where} must be a path")
        return base / value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where} must be {'a text' if kind is str else f'of type {kind.__name__}'}")
    return value
