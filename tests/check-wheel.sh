#!/usr/bin/env bash
# What is shipped: the wheel built from the sdist holds every tracked content file under one top-level name, keeps the
# import contracts, and scans and reports in a fresh environment that has never seen this folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$(cd "$root" && realpath --no-symlinks "${PYTHON:-.venv/bin/python}")
constraints=${CONSTRAINTS:+--constraint $(cd "$root" && realpath "$CONSTRAINTS")}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
    echo "check-wheel: $*" >&2
    exit 1
}

echo "wheel from the sdist"
# From a copy of what git tracks, so that no left-over of an earlier build can get in.
mkdir source && (cd "$root" && git ls-files -z | tar --null -T - -cf -) | tar -xf - -C source
"$python" -m build --outdir dist source >build.log 2>&1 || { tail -20 build.log && fail "the build failed"; }
mkdir tree && "$python" -m zipfile -e dist/nhiscan-*.whl tree

names=$(cd tree && ls | grep -v '\.dist-info$')
[ "$names" = nhiscan ] || fail "top-level names in the wheel: $names"

# Every tracked file of a shipped folder, at the place that the folder is mapped to.
(
    cd "$root"
    git ls-files nhiscan
    git ls-files collectors rules reports | sed 's,^,nhiscan/,'
    git ls-files fixtures/demo | sed 's,^fixtures/,nhiscan/,'
) | sort >expected
(cd tree && find nhiscan -type f | sort) >shipped
diff expected shipped >difference || fail "tracked (<) and shipped (>) differ:
$(cat difference)"
echo "  $(wc -l <shipped) files, all under nhiscan/"

echo "import contracts"
# Here, and not in the repository, nhiscan.collectors.* is where imports look for it.
(cd tree && "$(dirname "$python")/lint-imports" --config "$root/pyproject.toml" --no-cache) >contracts.log 2>&1 ||
    { sed -n '/^Contracts$/,$p' contracts.log && fail "an import contract is broken"; }
echo "  $(grep '^Contracts:' contracts.log)"

echo "installed program"
"$python" -m venv fresh
# shellcheck disable=SC2086 # two words or none
fresh/bin/pip install --quiet --disable-pip-version-check $constraints dist/nhiscan-*.whl
nhiscan=$work/fresh/bin/nhiscan
mkdir -p estate/register && cd estate
cat >register/partners.csv <<'CSV'
partner_id,name,business_owner
P-1,Northwind Integration,
CSV
cat >nhiscan.toml <<'TOML'
[company]
name = "Acme"

[collectors.register]
path = "register/"
TOML
"$nhiscan" --help >help.txt
"$nhiscan" rules list >rules.txt
grep -q gov-business-owner-missing rules.txt || fail "the installed program lists no rules"
"$nhiscan" scan --report report.html >scan.txt 2>&1 || [ $? -eq 1 ] || { cat scan.txt && fail "the installed program cannot scan"; }
grep -q "Northwind Integration" report.html || fail "the report does not name the partner"
echo "  scans and reports"
