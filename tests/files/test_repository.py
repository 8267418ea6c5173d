from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from nhiscan.model import Resource, ResourceTag, Tenant
from tests.files.conftest import Read, Repository, token

_REPOSITORY = {"kind": "repository"}


def _day(number: int) -> datetime:
    return datetime(2025, 4, number, 10, tzinfo=UTC)


def test_a_secret_of_the_newest_commit_is_said_with_its_history(repository: Repository, read: Read) -> None:
    repository.commit({"README": "hello"})
    first = repository.commit({"deploy/prod.env": f"# settings\nHUBSPOT={token()}\n"})
    repository.commit({"deploy/prod.env": f"# settings\n\nHUBSPOT={token()}\n"})
    found = read(_REPOSITORY).sighting()
    assert (found.where_kind, found.path, found.line, found.is_current) == ("repo", "deploy/prod.env", 3, True)
    assert (found.commit, found.author, found.first_seen_at, found.last_seen_at) == (
        first,
        "dev@acme.example",
        _day(2),
        None,
    )
    assert (found.kind, found.issuer, found.name, found.preview) == (
        "hubspot_private_app_token",
        "hubspot",
        "HUBSPOT",
        "pat-",
    )
    assert found.resource_id == "files:portal:repository/portal"
    assert found.sighting_id == "files:portal:repository/portal/deploy/prod.env/hubspot_private_app_token/1"


def test_a_secret_that_was_taken_out_stands_in_the_history(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"HUBSPOT={token()}\n"})
    repository.commit({"prod.env": "HUBSPOT=\n"})
    found = read(_REPOSITORY).sighting()
    assert (found.where_kind, found.is_current) == ("repo_history", False)
    assert (found.first_seen_at, found.last_seen_at) == (_day(1), _day(2))


def test_a_secret_that_came_back_stands_there_since_the_first_time(repository: Repository, read: Read) -> None:
    for text in (f"A={token()}\n", "A=\n", f"A={token()}\n"):
        repository.commit({"prod.env": text})
    found = read(_REPOSITORY).sighting()
    assert (found.is_current, found.first_seen_at, found.last_seen_at) == (True, _day(1), None)


@pytest.mark.parametrize(
    ("path", "where_kind"),
    [
        (".github/workflows/deploy.yml", "pipeline"),
        ("tools/.github/workflows/deploy.yaml", "pipeline"),
        (".gitlab-ci.yml", "pipeline"),
        ("Jenkinsfile", "pipeline"),
        ("ci/Jenkinsfile.prod", "pipeline"),
        ("azure-pipelines.yml", "pipeline"),
        ("bitbucket-pipelines.yml", "pipeline"),
        (".circleci/config.yml", "pipeline"),
        ("buildspec.yml", "pipeline"),
        ("docs/github/workflows/deploy.yml", "repo"),
        ("gitlab-ci.yml.md", "repo"),
        (".github/CODEOWNERS", "repo"),
    ],
)
def test_the_definition_of_a_build_is_told_from_other_files(
    repository: Repository, read: Read, path: str, where_kind: str
) -> None:
    repository.commit({path: f"hubspot: {token()}\n"})
    assert read(_REPOSITORY).sighting().where_kind == where_kind


def test_numbers_stay_when_other_values_follow(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"A={token(1)}\n"})
    before = read(_REPOSITORY).sighting()
    repository.commit({"prod.env": f"B={token(2)}\nA={token(1)}\n"})
    repository.commit({"prod.env": f"B={token(2)}\n"})
    after = {each.fingerprint: each.sighting_id for each in read(_REPOSITORY).sightings()}
    assert len(after) == 2
    assert after[before.fingerprint] == before.sighting_id


def test_a_value_twice_in_a_file_is_one_sighting(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"A={token()}\nB={token()}\n"})
    assert read(_REPOSITORY).sighting().line == 1


def test_a_value_in_two_files_is_two_sightings_of_one_fingerprint(repository: Repository, read: Read) -> None:
    repository.commit({"a.env": f"A={token()}\n", "b.env": f"A={token()}\n"})
    assert len(read(_REPOSITORY).sightings()) == 2
    assert len({each.fingerprint for each in read(_REPOSITORY).sightings()}) == 1


def test_the_key_is_found_with_its_id(repository: Repository, read: Read) -> None:
    key_id, secret = "AKIA" + "RTXV5AHDVQZK2M7P", "wJb3rXUtnFq" + "MIK7MDxGbPxRfiCYzKq8TvB3nL0a+"
    repository.commit({"a.env": f"AWS_ACCESS_KEY_ID={key_id}\nAWS_SECRET_ACCESS_KEY={secret}\n"})
    found = {each.kind: each.native_id for each in read(_REPOSITORY).sightings()}
    assert found == {"aws_access_key_id": key_id, "aws_secret_access_key": key_id}


def test_a_bare_repository_and_a_bundle_say_the_same_as_the_work_tree(
    repository: Repository, read: Read, tmp_path: Path
) -> None:
    repository.commit({"prod.env": f"A={token()}\n"})
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(tmp_path / "bare.git"))
    repository.git("bundle", "create", str(tmp_path / "portal.bundle"), "--all")
    [tree] = read(_REPOSITORY).sightings()
    for path in ("bare.git", "portal.bundle"):
        assert read({**_REPOSITORY, "path": path}).sightings() == [tree]


def test_what_another_branch_holds_is_history_unless_the_place_names_it(repository: Repository, read: Read) -> None:
    repository.commit({"README": "hello"})
    repository.git("switch", "--quiet", "--create", "next")
    repository.commit({"prod.env": f"A={token()}\n"})
    repository.git("switch", "--quiet", "main")
    assert read(_REPOSITORY).sighting().where_kind == "repo_history"
    assert read({**_REPOSITORY, "branch": "next"}).sighting().where_kind == "repo"


def test_what_is_not_committed_is_not_the_repositorys(repository: Repository, read: Read) -> None:
    repository.commit({".gitignore": ".env\n"})
    (repository.path / ".env").write_text(f"A={token()}\n")
    assert read(_REPOSITORY).sightings() == []


def test_a_whole_history_is_complete(repository: Repository, read: Read) -> None:
    repository.commit({"README": "hello"})
    said = read(_REPOSITORY)
    assert said.coverage("sightings.files").status == "complete"
    assert said.coverage("sightings.history").status == "complete"


def test_a_shallow_clone_is_a_partial_history(repository: Repository, read: Read, tmp_path: Path) -> None:
    repository.commit({"prod.env": f"A={token()}\n"})
    repository.commit({"prod.env": "A=\n"})
    repository.git("clone", "--quiet", "--depth=1", repository.path.as_uri(), str(tmp_path / "shallow"))
    said = read({**_REPOSITORY, "path": "shallow"})
    history = said.coverage("sightings.history")
    assert (said.coverage("sightings.files").status, history.status) == ("complete", "partial")
    assert "git fetch --unshallow" in str(history.reason)


def test_a_repository_that_misses_objects_is_partial(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"A={token()}\n"})
    lost = repository.git("rev-parse", "HEAD:prod.env")
    (repository.path / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    said = read(_REPOSITORY)
    assert said.coverage("sightings.files").status == "partial"
    assert said.coverage("sightings.history").status == "partial"


def test_a_folder_that_is_no_repository_is_a_failure_with_a_next_step(read: Read, tmp_path: Path) -> None:
    (tmp_path / "portal").mkdir()
    history = read(_REPOSITORY).coverage("sightings.history")
    assert history.status == "failed"
    assert "is not a git repository" in str(history.reason)


def test_a_place_that_vanished_fails_and_the_others_are_read(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"A={token()}\n"})
    said = read({**_REPOSITORY, "name": "gone", "path": "gone"}, _REPOSITORY)
    assert said.coverage("sightings.files", "files:gone").status == "failed"
    assert said.coverage("sightings.files").status == "complete"
    assert said.sighting().tenant_id == "files:portal"


def test_a_submodule_is_named_and_leaves_nothing_missing(repository: Repository, read: Read, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"prod.env": f"A={token()}\n"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "vendor")
    repository.commit({"README": "hello"})
    files = read(_REPOSITORY).coverage("sightings.files")
    assert files.status == "complete"
    assert "1 submodules, which can be places of their own" in str(files.reason)


@pytest.mark.parametrize(
    "name",
    ["new\nline", 'quo"te', "<script>alert(1)</script>", "\x1b[31mred", "..:..", "x" * 250, "ü" * 100, "\udcff\udcfe"],
)
def test_hostile_names_are_read_and_stay_what_tables_can_hold(repository: Repository, read: Read, name: str) -> None:
    repository.commit({f"{name}/prod.env": f"A={token()}\n"})
    found = read(_REPOSITORY).sighting()
    assert found.path == f"{name}/prod.env".encode("utf-8", "backslashreplace").decode()
    assert found.sighting_id.encode()


def test_a_file_that_is_named_by_its_secret_does_not_give_it_away(repository: Repository, read: Read) -> None:
    repository.commit({f"{token()}.txt": token()})
    said = read(_REPOSITORY)
    assert token() not in repr(said.records)
    assert said.sighting().path == "***.txt"


def test_no_value_leaves_the_collector(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"A={token(1)}\n{token(2)}=x\n"})
    repository.commit({"prod.env": "\n"})
    said = repr(read(_REPOSITORY).records)
    assert not [piece for seed in (1, 2) for piece in (token(seed), token(seed)[8:20]) if piece in said]


def test_a_place_is_a_tenant_and_a_resource_with_its_labels(repository: Repository, read: Read) -> None:
    repository.commit({"README": "hello"})
    said = read({**_REPOSITORY, "audience": "partner", "environment": "prod", "tags": {"partner": "nordwind"}})
    assert said.of(Tenant) == [Tenant("files:portal", "files", "portal")]
    [resource] = said.of(Resource)
    assert (resource.kind, resource.audience, resource.environment) == ("repository", "partner", "prod")
    assert said.of(ResourceTag) == [ResourceTag(resource.resource_id, name="partner", value="nordwind")]


def test_a_sample_opens_places_and_reads_none(repository: Repository, read: Read, tmp_path: Path) -> None:
    repository.commit({"prod.env": f"A={token()}\n"})
    (tmp_path / "plain").mkdir()
    said = read(_REPOSITORY, {**_REPOSITORY, "name": "plain", "path": "plain"}, is_sample=True)
    assert said.sightings() == []
    assert said.coverage("sightings.history").status == "complete"
    assert said.coverage("sightings.history", "files:plain").status == "failed"


def test_a_finding_that_a_comment_allows_is_counted_and_not_said(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"A={token(1)}\nB={token(2)} # pragma: allowlist secret\n"})
    said = read(_REPOSITORY)
    assert said.sighting().line == 1
    assert said.coverage("sightings.files").reason == "1 findings left out, as a comment beside them allows it"
