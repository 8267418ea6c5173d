"""The profile `detect-secrets` finds what stock finds: stock is asked on the same files."""

from __future__ import annotations

import hashlib
import random
import re
import string
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhiscan.detect.expressions import database
from nhiscan.detect.leak import Leak
from nhiscan.detect.stock import lines
from nhiscan.detect.stock.filters import _ID
from nhiscan.detect.stock.profile import Stock, kind_of
from nhiscan.detect.stock.settings import put_in_force
from nhiscan.errors import ConfigError

SOURCE = random.Random(60)
LETTERS = string.ascii_letters + string.digits


class Finding(NamedTuple):
    """What must not differ."""

    line: int
    secret_type: str
    hashed: str


def made(length: int, characters: str = LETTERS) -> str:
    return "".join(SOURCE.choices(characters, k=length))


def theirs(file: Path, config: Mapping[str, Any], *, baseline: str = "") -> list[Finding]:
    """Stock's findings; a value counts once a type, as in its own collection."""
    from detect_secrets.core.secrets_collection import SecretsCollection

    put_in_force(config, baseline=baseline, is_search=True)
    collection = SecretsCollection()
    collection.scan_file(str(file))
    return sorted(Finding(found.line_number, kind(found.type), found.secret_hash) for _, found in collection)


def kind(secret_type: str) -> str:
    return kind_of(secret_type).replace("aws_secret_access_key", "aws_access_key")


def finding(leak: Leak) -> Finding:
    hashed = hashlib.sha1(leak.secret.reveal().encode(), usedforsecurity=False).hexdigest()
    return Finding(leak.line, kind(leak.kind.replace("aws_access_key_id", "aws_access_key")), hashed)


def ours(profile: Stock, file: Path) -> list[Finding]:
    return sorted(finding(leak) for leak in profile.leaks(file.read_bytes(), str(file)))


def assert_same(file: Path, profile: Stock, config: Mapping[str, Any] | None = None) -> list[Finding]:
    expected = theirs(file, config or {})
    assert ours(profile, file) == expected, file.read_bytes()[:2000]
    return expected


@pytest.fixture(scope="module")
def usual() -> Stock:
    return Stock()


BASE64 = made(44)
HEX = made(40, "0123456789abcdef")
PASSWORD = made(18)
KEY = "AKIA" + made(16, string.ascii_uppercase)
PAIR = made(40)
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJwYXJ0bmVyIn0." + made(43)
FILES: Mapping[str, str] = {
    "plain.txt": f"{KEY}\nnothing\n  https://user:{PASSWORD}@host.example/\n",
    "a.py": f'aws_secret_access_key = "{PAIR}"\npassword = "{PASSWORD}"\nx = "{BASE64}"  # pragma: allowlist secret\n',
    "b.py": f'# pragma: allowlist nextline secret\nx = "{BASE64}"\ny = \'{HEX}\'\nif "{PASSWORD}" == my_secret: pass\n',
    "c.js": f"const t = {{ apiKey: '{PASSWORD}', b: `x`, c: \"{BASE64}\" }}; // eslint\nvar u = '{JWT}'\n",
    "d.json": f'{{\n  "password": "{PASSWORD}",\n  "id": "{BASE64}",\n  "jwt": "{JWT}"\n}}\n',
    "e.yaml": f"a:\n  password: {PASSWORD}\n  other: !!binary {BASE64}\nlist:\n  - {KEY}\n  - name: {BASE64}\n",
    "f.yaml": f'text: |\n  first {KEY}\n  second\nfolded: >\n  {HEX}\n  x\nquoted: "a\\x41{KEY[1:]} \\\n  b"\n',
    "g.yaml": f"base: &base\n  v: &v {BASE64}\nother:\n  <<: *base\n  secret: *v\n",
    "h.yml": f"a: {{password: {PASSWORD}, b: [{{token: {BASE64}}}]}}\n# {KEY}\nb: x # {KEY}\n",
    "i.yaml": f"bad: [\npassword: {PASSWORD}\n",
    "j.yaml": f"---\na: {BASE64}\n---\nb: 'it''s {KEY}'\n",
    "k.ini": f"[a]\npassword = {PASSWORD}\nx: {BASE64}\n; {KEY}\ny =\n  {HEX}\n  second\n",
    "l.cfg": f"[a]\nbase = {BASE64}\nuser = %(base)s-x\npct = 100%%\nz = {KEY}\n",
    "m.cfg": f"[a]\nx = 1\nx = {KEY}\n",
    "n.toml": f'[tool]\nkey = "{BASE64}"\nlist = [\n  "{HEX}",\n]\n',
    "o.env": f"PASSWORD={PASSWORD}\nTOKEN={BASE64}\n# {KEY}\nEMPTY=\n",
    "p": f"user: x\nthing: {BASE64}\nhash={HEX}\n",
    "q.env": f"A={BASE64}\nexport B\n",
    "r.conf": f"[s]\npassword {PASSWORD}\n",
    "s.properties": f"db.password={PASSWORD}\ndb.url=jdbc:x://u:{PASSWORD}@h\n",
    "t.go": f'secret := "{PASSWORD}"\n',
    "u.cs": f'string password[25] = @"{PASSWORD}";\n',
    "v.cpp": f'std::string secret("{PASSWORD}");\nsecret.assign("{HEX}",17);\n',
    "w.md": f'# Title\n\nUse `password = "{PASSWORD}"`; and\n\n    {KEY}\n',
    "x.html": f"<p>password</p><!-- pragma: allowlist secret --> {KEY}\n<a href='x:{PASSWORD}'>\n",
    "y.pem": f"-----BEGIN RSA PRIVATE KEY-----\n{BASE64}\n-----END RSA PRIVATE KEY-----\n",
    "z.txt": f"a\rpassword = '{PASSWORD}'\r\nb\n\r{KEY}\r",
    "fold.py": f"pa\u017f\u017fword = '{PASSWORD}'\n\u212aEY\n"
    f"api\u212aey = \"{PASSWORD}\"\nap\u0131key='{PASSWORD}x'\n",
    "wide.py": f"contrase\u00f1a = '{PASSWORD}'\n"
    f"# \u00fc\u20ac\U0001f511 {KEY} \u00e4\npassword\u00a0=\u2003'{PASSWORD}y'\n",
    "nul.txt": f"\0\0{KEY}\0\n",
    "ff.py": f"password = '{PASSWORD}\x0c{HEX}'\nx = '\x1c{BASE64}'\x85\n",
    "swagger.json": f'{{"password": "{PASSWORD}"}}\n',
    "yarn.lock": f"{KEY}\n",
    "style.css": f"{KEY}\n",
    "ids.py": f'user_id = "{BASE64}"\nx = "{{{PASSWORD}}}"\nsecret = get("{PASSWORD}")\nip = "8.8.8.8"\n',
    "sequence.py": 'password = "abcdefghijklmnopqrstuvwxyz"\nkey = "0123456789abcdef0123456789abcdef"\nx="********"\n',
    "twice.py": f'password = "{PASSWORD}"\nother\npassword = "{PASSWORD}"\n',
    "empty.py": "",
    "spaces.txt": " " * 3000 + "\n" + "\t" * 500 + f"password: '{PASSWORD}'\n",
    "bom.ini": f"\ufeff[a]\npassword = {PASSWORD}\n",
    "default.ini": f"[DEFAULT]\nk = {BASE64}\n[a]\nb = 1\n[b]\nc = {KEY}\n",
    "json-array.txt": f"[1, 2]\nx = {BASE64}\n",
    "quotes.yaml": f'a: say "{PASSWORD}" now\nb: x\\y{HEX}\nc: \'"{BASE64}"\'\nd: "{BASE64}\\""\n',
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_many_shapes_are_found_as_stock_finds_them(tmp_path: Path, usual: Stock, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(FILES[name].encode())
    assert_same(file, usual)


def test_a_file_on_which_stock_stops_is_searched_as_it_stands(tmp_path: Path, usual: Stock) -> None:
    file = tmp_path / "date.yaml"
    file.write_text(f"a: 2020-99-99\npassword: {PASSWORD}\n")
    with pytest.raises(ValueError, match="month"):
        theirs(file, {})
    assert [leak.secret.reveal() for leak in usual.leaks(file.read_bytes(), str(file))] == [PASSWORD]


def test_the_shapes_hold_findings_of_most_plugins(tmp_path: Path) -> None:
    found = set()
    for name, text in FILES.items():
        file = tmp_path / name
        file.write_bytes(text.encode())
        found |= {finding.secret_type for finding in theirs(file, {})}
    assert len(found) >= 8, found


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_left_out_as_stock_does(tmp_path: Path, usual: Stock, encoding: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(f"\u00fc {KEY}\n".encode(encoding))
    assert assert_same(file, usual) == []


def test_a_line_of_a_bundle_is_found_as_stock_finds_it(tmp_path: Path, usual: Stock) -> None:
    values = [made(30) for _ in range(12)]
    parts = [f"a{n}='{value}'" for n, value in enumerate(values)]
    file = tmp_path / "bundle.js"
    for ids in ("", "user_id=1;", "ids:", "userids_id."):
        line = ";".join([*parts[:6], f"{ids}{' ' * 1200}", *parts[6:], f"password='{PASSWORD}'", f'k="{KEY}"'])
        file.write_text(f"{line}\n{ids}{line}//pragma: allowlist secret\n")
        assert len(assert_same(file, usual)) > 6


def test_the_pattern_of_ids_is_stock_s() -> None:
    from detect_secrets.filters.heuristic import _get_id_detector_regex

    assert (_get_id_detector_regex().pattern, bool(_get_id_detector_regex().flags & re.IGNORECASE)) == (_ID, True)


def test_every_comment_that_allows_a_line_is_a_pragma() -> None:
    from detect_secrets.filters.allowlist import _get_allowlist_regexes_for_file

    patterns = [
        regex.pattern for name in ("a", "a.yaml") for group in _get_allowlist_regexes_for_file(name) for regex in group
    ]
    assert len(patterns) > 6
    assert all(" *pragma: ?" in pattern for pattern in patterns)


def test_many_blanks_take_no_time(usual: Stock) -> None:
    line = " " * 300_000 + f'password = "{PASSWORD}"'
    started = time.process_time()
    assert [leak.kind for leak in usual.leaks(line.encode(), "a.py")] == ["secret_keyword"]
    assert time.process_time() - started < 5


def test_the_source_of_python_s_own_library_is_found_as_stock_finds_it(usual: Stock) -> None:
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = [file for file in sorted(folder.rglob("*")) if file.suffix in {".py", ".txt", ".cfg", ".json"}]
    files = [file for file in files if 0 < file.stat().st_size < 60_000 and "site-packages" not in file.parts]
    for file in SOURCE.sample(files, k=25):
        assert_same(file, usual)


WORDS = [
    "password",
    "api_key",
    "PWD",
    "secret",
    "Passwd",
    "db_pass",
    "contrase\u00f1a",
    "pa\u017fsword",
    "user_id",
    "AWS",
]
SIGNS = [
    *("=", ":", "=>", ":=", "==", "!=", "===", "@", ";", ",", "(", ")", "[", "]", "{", "}", "<", ">", "|", "&v", "*v"),
    *('"', "'", "`", "\\", '\\"', "''", "%", "%%", "%(a)s", "$", "${", "#", "//", "--", "!!binary", "!!str", "?", "- "),
]
SPACES = [
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n- ",
    "\n  - ",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "\u00a0",
    "\x0b",
    "\u2028",
    "\x85",
]
PHRASES = [
    *(
        "[s]\n",
        "[DEFAULT]\n",
        "---\n",
        "# pragma: allowlist secret",
        "# pragma: allowlist nextline secret\n",
        "key: |\n  ",
    ),
    *("a", "b: ", "name = ", "key: ", "x", "1", ".", "example", "https://", "u:", "@host", "sk_live_", "10.0.0.1"),
    *("8.8.8.8", "BEGIN RSA PRIVATE KEY", "\\x41", "\\n", "\\\n", "key: >\n  ", "<<: *v", "? "),
]
VALUES = [KEY, BASE64, HEX, PASSWORD, PAIR, JWT, BASE64[:23], HEX[:9], HEX[:8], KEY[:10], KEY[10:], "ghp_" + made(36)]
PARTS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(SIGNS),
    st.sampled_from(SPACES),
    st.sampled_from(PHRASES),
    st.sampled_from(VALUES),
    st.text(alphabet=string.printable, max_size=4),
)
LINES = st.lists(PARTS, max_size=14).map("".join)
ASSIGNED = st.tuples(
    st.sampled_from(["password", "api_key", "x", "secret", "aws_token", "user_id", "token"]),
    st.sampled_from(["=", " = ", ":", ": ", " := ", " == ", "=>"]),
    st.sampled_from(["", '"', "'", "`", '@"']),
    st.sampled_from([PASSWORD, BASE64, HEX, PAIR, KEY, "changeme", "%(x)s", 'a\\"b', BASE64[:22], HEX[:8] + "g"]),
    st.sampled_from(["", '"', "'", '";', "'  # pragma: allowlist secret", ",", "\\"]),
).map("".join)
TEXTS = st.lists(st.one_of(ASSIGNED, ASSIGNED.map("  {}".format), LINES), max_size=8).map("\n".join)
HEADS = st.sampled_from(["", "", "[s]\n", "# c\n[s]\n", "---\n", "a:\n", "x: 1\n"])
NAMES = st.sampled_from(
    ["a.ini", "a.yaml", "a.yml", "a.py", "a.js", "a.json", "a", "a.env", "a.go", "a.cfg", "a.c", "a.cpp"]
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(HEADS, TEXTS, NAMES)
def test_near_matches_of_all_kinds_are_found_as_stock_finds_them(
    tmp_path_factory: pytest.TempPathFactory, usual: Stock, head: str, text: str, name: str
) -> None:
    file = tmp_path_factory.getbasetemp() / name
    file.write_bytes((head + text).encode())
    try:
        expected = theirs(file, {})
    except (ValueError, TypeError, LookupError, AttributeError):
        return  # stock stops with an error
    assert ours(usual, file) == expected


OWN = """
import re
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

class OwnDetector(RegexBasedDetector):
    secret_type = 'Own token'
    denylist = [re.compile(r'(?<!x)own-([a-z]{4})(?!x)'), re.compile(r'(?i)\\\\bown_(\\\\d+)$')]

class OddDetector(BasePlugin):
    secret_type = 'Odd line'

    def analyze_string(self, string):
        if len(string) % 2 and string:
            yield string

class TailDetector(RegexBasedDetector):
    secret_type = 'Tail token'
    denylist = [re.compile(r'never-in-any-file')]

    def analyze_string(self, string):
        if string.endswith('tail'):
            yield string
"""


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    """Settings with plugins of a user: one is sped up, two do more than their patterns say."""
    file = tmp_path / "own_plugins.py"
    file.write_text(OWN.replace("\\\\", "\\"))
    path = f"file://{file}"
    names = ("OwnDetector", "OddDetector", "TailDetector")
    return {"plugins_used": [{"name": "AWSKeyDetector"}, *({"name": name, "path": path} for name in names)]}


@pytest.mark.parametrize("name", ["a.txt", "a.yaml", "a.ini"])
def test_plugins_of_a_user_are_never_skipped(tmp_path: Path, own: dict[str, Any], name: str) -> None:
    file = tmp_path / name
    file.write_text(f"[s]\nown-wqzk\nx: own-kzqw\ny: OWN_12\n{KEY}\nodd\nz: the tail\n")
    found = assert_same(file, Stock(own), own)
    assert {finding.secret_type for finding in found} >= {"odd_line", "own_token"}
    file.write_text("[s]\na: own-wqzk\nb: OWN_12\nc: the tail\n")
    assert_same(file, Stock(own), own)


def test_a_user_s_list_of_patterns_is_sped_up(own: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    own["plugins_used"] = own["plugins_used"][:2]
    profile = Stock(own)
    seen = []

    def looking(self: Any, string: str) -> list[str]:
        seen.append(string)
        return []

    monkeypatch.setattr(type(profile._lines._plugins[1]), "analyze_string", looking)
    assert list(profile.leaks(b"nothing here\n" * 20 + b"own-wqzk\n" + b"nor here\n", "a.txt")) == []
    assert seen == ["own-wqzk"]


FILTERS = "detect_secrets.filters."
CONFIGS: Mapping[str, dict[str, Any]] = {
    "low limits": {
        "plugins_used": [
            {"name": "HexHighEntropyString", "limit": 1.0},
            {"name": "Base64HighEntropyString", "limit": 2.5},
        ]
    },
    "no limit": {"plugins_used": [{"name": "HexHighEntropyString", "limit": 0}]},
    "high limit": {"plugins_used": [{"name": "Base64HighEntropyString", "limit": 8}]},
    "keyword exclusion": {"plugins_used": [{"name": "KeywordDetector", "keyword_exclude": "db_"}]},
    "few plugins": {"plugins_used": [{"name": "AWSKeyDetector"}]},
    "no filters": {"filters_used": []},
    "excluded": {
        "filters_used": [
            {"path": f"{FILTERS}regex.should_exclude_line", "pattern": ["apiKey"]},
            {"path": f"{FILTERS}regex.should_exclude_file", "pattern": [r"b\.py$"]},
            {"path": f"{FILTERS}regex.should_exclude_secret", "pattern": [f"^{PASSWORD[:4]}"]},
            {"path": f"{FILTERS}allowlist.is_line_allowlisted"},
        ]
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_are_honoured(tmp_path: Path, name: str) -> None:
    profile = Stock(CONFIGS[name])
    for shape, text in FILES.items():
        (tmp_path / shape).write_bytes(text.encode())
        assert_same(tmp_path / shape, profile, CONFIGS[name])


class Automaton(list[str]):
    """What stock uses of pyahocorasick, which is an extra of it."""

    def add_word(self, word: str, value: str) -> None:
        self.append(word)

    def make_automaton(self) -> None:
        pass

    def iter(self, string: str) -> Iterator[str]:
        return (word for word in self if word in string)


@pytest.fixture
def word_list(tmp_path: Path) -> dict[str, Any]:
    words = tmp_path / "words"
    words.write_text(f"{PASSWORD}\n")
    path = f"{FILTERS}wordlist.should_exclude_secret"
    return {"filters_used": [{"path": path, "min_length": 3, "file_name": str(words), "file_hash": ""}]}


def test_a_word_list_is_honoured(word_list: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ahocorasick", SimpleNamespace(Automaton=Automaton))
    values = {leak.secret.reveal() for leak in Stock(word_list).leaks(FILES["a.py"].encode(), "a.py")}
    assert PAIR in values
    assert PASSWORD not in values


def test_a_word_list_without_what_reads_it_is_an_error(
    word_list: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ahocorasick", None)
    with pytest.raises(ConfigError, match="ahocorasick"):
        Stock(word_list)


def test_the_baseline_itself_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / ".secrets.baseline"
    file.write_text(f"{KEY}\n")
    assert theirs(file, {}, baseline=file.name) == []
    assert ours(Stock(baseline=str(file)), file) == []


def test_two_settings_take_turns(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(FILES["a.py"])
    few, usual = Stock(CONFIGS["few plugins"]), Stock()
    for _ in range(2):
        assert assert_same(file, few, CONFIGS["few plugins"]) != assert_same(file, usual)


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch) -> Stock:
    monkeypatch.setattr(database, "vectorscan", lambda: None)
    monkeypatch.setattr(lines, "vectorscan", lambda: None)
    return Stock()


def test_without_the_wheel_the_same_is_found(tmp_path: Path, without_wheel: Stock) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text.encode())
        assert_same(tmp_path / name, without_wheel)


def test_a_leak_says_where_its_value_stands(usual: Stock) -> None:
    text = f"\u00fc\r\n\r  {KEY}\n"
    (leak,) = usual.leaks(text.encode(), "a.txt")
    assert (leak.kind, leak.line, leak.column, leak.native_id, leak.issuer) == ("aws_access_key_id", 3, 3, KEY, "aws")
    assert text[leak.start : leak.end] == KEY


def test_a_value_that_rewriting_made_is_placed_on_its_line(usual: Stock) -> None:
    text = f'a: 1\nkey: "\\x41{KEY[1:]}"\n'
    (leak,) = usual.leaks(text.encode(), "a.yaml")
    assert leak.secret.reveal() == KEY
    assert text[leak.start : leak.end] == text.splitlines()[1]


def test_kinds_that_are_mostly_noise_are_less_sure(usual: Stock) -> None:
    sure = {leak.kind: leak.confidence for leak in usual.leaks(FILES["a.py"].encode() + KEY.encode(), "a.py")}
    assert sure["secret_keyword"] < 0.5 < sure["aws_access_key_id"]


def test_no_value_is_in_a_leak_s_text(usual: Stock) -> None:
    assert KEY not in repr(list(usual.leaks(KEY.encode(), "a.txt"))).replace(f"native_id='{KEY}'", "")
