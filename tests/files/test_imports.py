from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from nhiscan.imports import Imported, ImportedRow
from nhiscan.model import Resource
from tests.files.conftest import Read, Repository, token

_ROW = ImportedRow(
    rule="hubspot-private-app",
    kind="hubspot_private_app_token",
    path="prod.env",
    line=1,
    fingerprint="f1",
    is_verified=True,
    commit="c1",
    author="dev@acme.example",
)
_IMPORT = Imported("portal", "gitleaks", "8.30", datetime(2026, 1, 30, tzinfo=UTC), (_ROW,))
_REPOSITORY = {"kind": "repository"}


def test_what_another_scanner_found_stands_beside_our_own(repository: Repository, read: Read) -> None:
    repository.commit({"prod.env": f"A={token()}\n"})
    said = read(_REPOSITORY, imports=[_IMPORT])
    [theirs] = [each for each in said.sightings() if each.found_by]
    assert (theirs.found_by, theirs.is_verified, theirs.fingerprint, theirs.commit) == ("gitleaks", True, "f1", "c1")
    assert theirs.resource_id == "files:portal:repository/portal"
    assert len({each.sighting_id for each in said.sightings()}) == 2
    imports = said.coverage("sightings.imports")
    assert (imports.status, imports.reason) == ("complete", "gitleaks of 2026-01-30")


def test_a_commit_of_another_scanner_is_not_taken_for_the_newest(repository: Repository, read: Read) -> None:
    repository.commit({"README": "hello"})
    in_work_tree = replace(_ROW, commit=None, line=2)
    said = read(_REPOSITORY, imports=[replace(_IMPORT, rows=(_ROW, in_work_tree))])
    assert [(each.where_kind, each.is_current) for each in said.sightings()] == [("repo_history", None), ("repo", None)]


def test_a_place_that_only_another_scanner_searched_is_a_place_of_its_own(read: Read) -> None:
    said = read(imports=[replace(_IMPORT, place="acme/billing: old")])
    [resource] = said.of(Resource)
    assert (resource.resource_id, resource.kind) == (
        "files:acme%2Fbilling%3A%20old:repository/acme%2Fbilling%3A%20old",
        "repository",
    )
    assert said.sighting().resource_id == resource.resource_id
    assert said.coverage("sightings.files", resource.tenant_id).status == "unsupported"
    assert said.coverage("sightings.imports", resource.tenant_id).status == "complete"


def test_an_import_made_with_another_key_compares_with_nothing_and_is_partial(
    repository: Repository, read: Read
) -> None:
    repository.commit({"README": "hello"})
    said = read(_REPOSITORY, imports=[replace(_IMPORT, is_stale=True)])
    assert said.sighting().fingerprint is None
    imports = said.coverage("sightings.imports")
    assert imports.status == "partial"
    assert "import it again" in str(imports.reason)


def test_rows_that_say_too_little_make_an_import_partial(repository: Repository, read: Read) -> None:
    repository.commit({"README": "hello"})
    said = read(_REPOSITORY, imports=[replace(_IMPORT, unusable={"without a path": 3})])
    imports = said.coverage("sightings.imports")
    assert (imports.status, imports.reason) == ("partial", "rows of gitleaks that say too little: 3 without a path")


def test_rows_of_one_file_and_kind_have_numbers_of_their_own(repository: Repository, read: Read) -> None:
    repository.commit({"README": "hello"})
    rows = (_ROW, replace(_ROW, line=9), replace(_ROW, path="other.env"))
    ids = [each.sighting_id for each in read(_REPOSITORY, imports=[replace(_IMPORT, rows=rows)]).sightings()]
    assert len(set(ids)) == 3
