"""The planted set: every format several times, where such values are found in life, and innocent look-alikes.

Seeded, so that the same files are made every time. A plant's lines are known, so a finding counts for it when it stands
on one of them; a look-alike's line counts as noise.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from .secret_formats import FORMATS, Format, Part, random_uuid, run

PER_KIND: Final = 7
_SEED: Final = 20_260_131
_Written: TypeAlias = tuple[str, str]  # name of the file, text


@dataclass(frozen=True, slots=True)
class Plant:
    """`first` and `last`: its lines in the file, from 1; `values`: any of them may be reported."""

    path: str
    kind: str
    first: int
    last: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planted:
    plants: list[Plant]
    decoys: int  # files that hold none
    bytes: int


def write(folder: Path, *, per_kind: int = PER_KIND, seed: int = _SEED) -> Planted:
    """Fills a folder: `per_kind` files a format, then half as many without any secret."""
    rng = random.Random(seed)
    plants: list[Plant] = []
    size = 0
    for number, form in enumerate(FORMATS):
        for copy in range(per_kind):
            parts = form.parts(rng)
            name, text = surrounded(rng, number * 7 + copy * 5, form, parts)
            path = f"services/{form.kind.replace('_', '-')}/{copy}/{name}"
            size += _write(folder / path, text)
            plants += _located(path, form.kind, text, parts)
    decoys = len(FORMATS) * per_kind // 2
    for number in range(decoys):
        name, text = _LINES[number % len(_LINES)](rng, _INNOCENT, _innocent(rng))
        size += _write(folder / "lookalikes" / str(number) / name, text)
    return Planted(plants, decoys, size)


def surrounded(rng: random.Random, number: int, form: Format, parts: list[Part]) -> tuple[str, str]:
    """Name and text of a file that holds the parts; `number` chooses what kind of file."""
    offered = _BLOCKS if any("\n" in part.value for part in parts) else _LINES
    return offered[number % len(offered)](rng, form, parts)


def _write(path: Path, text: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(text.encode())


def _located(path: str, kind: str, text: str, parts: list[Part]) -> Iterator[Plant]:
    """One plant a file, over all lines that show a part of it."""
    lines = text.splitlines()
    shown = [
        number
        for number, line in enumerate(lines, 1)
        if any(piece in line for part in parts if part.is_secret for piece in _pieces(part.value))
    ]
    assert shown, f"{kind} is not to be seen in {path}"
    yield Plant(path, kind, min(shown), max(shown), tuple(part.value for part in parts if part.is_secret))


def _pieces(value: str) -> list[str]:
    """Its lines, as they are and as they stand in a JSON or XML text."""
    pieces = [piece.strip() for piece in value.split("\n") if len(piece.strip()) > 8]
    return [form for piece in pieces for form in (piece, json.dumps(piece)[1:-1], piece.replace("&", "&amp;"))]


def _snake(name: str) -> str:
    return name.lower()


def _camel(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(word.title() for word in rest)


def _clutter(rng: random.Random, comment: str) -> str:
    """A line or two that no scanner should mind."""
    said = rng.choice(
        (
            f"build {run('hex', 40, rng)}",
            f"image digest sha256:{run('hex', 64, rng)}",
            f"request {random_uuid(rng)}",
            "rotate every 90 days, ask the platform team",
            f"revision {run('hex', 12, rng)} of the partner feed",
            "the value below is read at start only",
        )
    )
    return f"{comment} {said}"


def _env(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["APP_ENV=production", "LOG_LEVEL=info", f"API_HOST={form.host}", _clutter(rng, "#")]
    return ".env", "\n".join([*lines, *(f"{part.name}={part.value}" for part in parts), "RETRIES=5", ""])


def _python(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["import requests", "", f'API = "https://{form.host}/"', _clutter(rng, "#")]
    lines += [f'{part.name} = "{part.value}"' for part in parts]
    lines += [
        "",
        "",
        "def orders(page: int) -> dict:",
        '    return requests.get(f"{API}orders?page={page}").json()',
        "",
    ]
    return "client.py", "\n".join(lines)


def _javascript(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["'use strict';", "const axios = require('axios');", _clutter(rng, "//")]
    lines += [f"const {_camel(part.name)} = '{part.value}';" for part in parts]
    lines += [f"module.exports = () => axios.create({{ baseURL: 'https://{form.host}' }});", ""]
    return "client.js", "\n".join(lines)


def _yaml(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["connector:", f"  host: {form.host}", "  timeout: 30", f"  {_clutter(rng, '#')}", "  credentials:"]
    lines += [f"    {_snake(part.name)}: {part.value}" for part in parts]
    return "config.yaml", "\n".join([*lines, "  retries: 3", ""])


def _json(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    settings = {"host": form.host, "revision": run("hex", 40, rng), **{_camel(part.name): part.value for part in parts}}
    return "appsettings.json", json.dumps({"connections": {"partner": settings}}, indent=2) + "\n"


def _workflow(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["name: sync", "on: [push]", "jobs:", "  sync:", "    runs-on: ubuntu-24.04", "    env:"]
    lines += [f"      {part.name}: {part.value}" for part in parts]
    lines += [
        "    steps:",
        f"      - uses: actions/checkout@{run('hex', 40, rng)}",
        f"      - run: make sync HOST={form.host}",
    ]
    return ".github/workflows/sync.yml", "\n".join([*lines, ""])


def _pipeline(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["stages: [deploy]", "", "variables:", f'  API_HOST: "{form.host}"', f"  {_clutter(rng, '#')}"]
    lines += [f'  {part.name}: "{part.value}"' for part in parts]
    return ".gitlab-ci.yml", "\n".join([*lines, "", "deploy:", "  script:", "    - ./deploy.sh", ""])


def _history(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["cd /srv/partner-feed", "git pull", f"git checkout {run('hex', 10, rng)}"]
    lines += [f"export {part.name}={part.value}" for part in parts]
    return ".bash_history", "\n".join([*lines, f"ping {form.host}", "make sync", "ls -la", ""])


def _request(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["#!/bin/sh", "set -e", _clutter(rng, "#")]
    lines += [f'{part.name}="{part.value}"' for part in parts[:-1]]
    last = parts[-1]
    lines += [f"# {_snake(last.name).replace('_', ' ')} of the partner", f"{_snake(last.name)}='{last.value}'"]
    lines += [f'curl -sS -H "Authorization: Bearer ${_snake(last.name)}" "https://{form.host}/v1/orders"', ""]
    return "fetch.sh", "\n".join(lines)


def _terraform(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ['environment = "production"', f'api_host    = "{form.host}"', _clutter(rng, "#")]
    lines += [f'{_snake(part.name)} = "{part.value}"' for part in parts]
    return "production.auto.tfvars", "\n".join([*lines, 'region = "eu-west-1"', ""])


def _page(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = [
        "# Runbook: partner feed",
        "",
        f"The feed reads from `{form.host}`. If it stops, restart it with:",
        "",
        "```",
    ]
    lines += [f"{part.name}={part.value} \\" for part in parts]
    return "RUNBOOK.md", "\n".join([*lines, "  make sync", "```", "", _clutter(rng, "Last known good:"), ""])


def _notebook(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    source = ["import os\n", "import requests\n", *(f'os.environ["{part.name}"] = "{part.value}"\n' for part in parts)]
    cells = [
        {"cell_type": "markdown", "id": run("hex", 8, rng), "metadata": {}, "source": [f"# Orders of {form.host}\n"]},
        {
            "cell_type": "code",
            "execution_count": 3,
            "id": run("hex", 8, rng),
            "metadata": {},
            "outputs": [],
            "source": source,
        },
    ]
    return "orders.ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def _properties(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["spring.application.name=partner-feed", f"feed.host={form.host}", _clutter(rng, "#")]
    lines += [f"{_snake(part.name).replace('_', '.')}={part.value}" for part in parts]
    return "application.properties", "\n".join([*lines, "feed.retries=5", ""])


def _dockerfile(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = [f"FROM python:3.12-slim@sha256:{run('hex', 64, rng)}", f"ENV API_HOST={form.host}"]
    lines += [f"ENV {part.name}={part.value}" for part in parts]
    return "Dockerfile", "\n".join([*lines, "COPY . /srv", 'CMD ["python", "-m", "feed"]', ""])


def _java(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["package internal.aldermoor.feed;", "", "public final class Settings {", f"    {_clutter(rng, '//')}"]
    lines += [f'    static final String HOST = "{form.host}";']
    lines += [f'    private static final String {part.name} = "{part.value}";' for part in parts]
    return "Settings.java", "\n".join([*lines, "}", ""])


def _manifest(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["apiVersion: apps/v1", "kind: Deployment", "metadata: {name: feed}", "spec:", "  template:", "    spec:"]
    lines += ["      containers:", "        - name: feed", f"          image: feed@sha256:{run('hex', 64, rng)}"]
    lines += ["          env:", "            - name: API_HOST", f"              value: {form.host}"]
    for part in parts:
        lines += [f"            - name: {part.name}", f'              value: "{part.value}"']
    return "deployment.yaml", "\n".join([*lines, ""])


def _go(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["package feed", "", _clutter(rng, "//"), "var settings = map[string]string{", f'\t"host": "{form.host}",']
    lines += [f'\t"{_snake(part.name)}": "{part.value}",' for part in parts]
    return "settings.go", "\n".join([*lines, "}", ""])


def _xml(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ['<?xml version="1.0"?>', "<configuration>", f"  <!-- {_clutter(rng, 'note:')} -->", "  <appSettings>"]
    lines += [f'    <add key="ApiHost" value="{form.host}" />']
    lines += [f'    <add key="{part.name}" value="{part.value.replace("&", "&amp;")}" />' for part in parts]
    return "Web.config", "\n".join([*lines, "  </appSettings>", "</configuration>", ""])


def _bare(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    del rng, form
    ending = "json" if parts[-1].value.startswith("{") else "pem"
    return f"partner-key.{ending}", "\n".join(part.value for part in parts) + "\n"


def _indented(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["secrets:", f"  host: {form.host}", f"  {_clutter(rng, '#')}"]
    for part in parts:
        lines += [f"  {_snake(part.name)}: |", *(f"    {line}" for line in part.value.split("\n"))]
    return "values.yaml", "\n".join([*lines, "replicas: 2", ""])


def _quoted(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = [f'HOST = "{form.host}"', _clutter(rng, "#")]
    lines += [f'{part.name} = r"""{part.value}"""' for part in parts]
    return "keys.py", "\n".join([*lines, "", "TIMEOUT = 30", ""])


def _heredoc(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["#!/bin/bash", _clutter(rng, "#"), f"ping -c1 {form.host}"]
    for part in parts:
        lines += [f"cat > /run/{_snake(part.name)} <<'END'", part.value, "END"]
    return "install.sh", "\n".join([*lines, "systemctl restart feed", ""])


def _terraform_block(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = [f'host = "{form.host}"', _clutter(rng, "#")]
    for part in parts:
        lines += [f"{_snake(part.name)} = <<-EOT", part.value, "EOT"]
    return "keys.tf", "\n".join([*lines, ""])


def _fenced(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    lines = ["# Moving the feed", "", f"Put this beside the feed of `{form.host}`:", ""]
    for part in parts:
        lines += ["```", part.value, "```", ""]
    return "MOVING.md", "\n".join([*lines, _clutter(rng, "Seen with"), ""])


def _escaped(rng: random.Random, form: Format, parts: list[Part]) -> _Written:
    """The lines of the value joined by \\n, as in an .env file of one line a variable."""
    lines = [f"API_HOST={form.host}", _clutter(rng, "#")]
    lines += [f"{part.name}={json.dumps(part.value)}" for part in parts]
    return ".env.production", "\n".join([*lines, "RETRIES=5", ""])


_LINES: Final = (
    _env, _python, _javascript, _yaml, _json, _workflow, _pipeline, _history, _request, _terraform, _page, _notebook,
    _properties, _dockerfile, _java, _manifest, _go, _xml,
)  # fmt: skip
_BLOCKS: Final = (_bare, _indented, _quoted, _heredoc, _terraform_block, _fenced, _escaped)

_INNOCENT: Final = Format("innocent", "api.aldermoor.internal", lambda rng: _innocent(rng))


def _innocent(rng: random.Random) -> list[Part]:
    """What looks like a secret and is none: digests, ids, references to a vault, the examples of a documentation."""
    offered = [
        Part("COMMIT", run("hex", 40, rng)),
        Part("LAYER", f"sha256:{run('hex', 64, rng)}"),
        Part("TRACE_ID", random_uuid(rng)),
        Part("INTEGRITY", f"sha512-{run('b64', 86, rng)}=="),
        Part("DB_PASSWORD", "${DB_PASSWORD}"),
        Part("API_TOKEN", "<your-token-here>"),
        Part("CLIENT_SECRET", "changeme"),
        Part("STRIPE_KEY", "{{ vault.stripe_key }}"),
        Part("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7" + "EXAMPLE"),
        Part("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"),
        Part("GITHUB_TOKEN", "ghp_" + "x" * 36),
        Part("NPM_TOKEN", "npm_" + "0" * 36),
        Part("SSH_PUBLIC_KEY", f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{run('b64', 43, rng)} feed@aldermoor"),
        Part("BROKER_URL", "amqp://user:password@localhost:5672/"),
        Part("CLOUD_TOKEN", "arn:aws:secretsmanager:eu-west-1:000000000000:secret:feed-" + run("b62", 6, rng)),
        Part("HUBSPOT_ACCESS_TOKEN", "pat-na1-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        Part("VAULT_TOKEN", "hvs.XXXXXXXXXXXXXXXXXXXXXXXX"),
        Part("PASSWORD_HASH", f"$2b$12${run('b62', 53, rng)}"),
        Part("PARTNER_ID", run("num", 18, rng)),
        Part("ICON", f"data:image/png;base64,iVBORw0KGgo{run('b64', 120, rng)}="),
    ]
    return rng.sample(offered, 4)
