#!/bin/sh
# Proposes a change of a schema in a throw-away Git repository, and checks it as CI would before the merge.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/payments-value.avsc" "$here/consumers" "$work"
cd "$work"
git init --quiet
git add .
# A fixed name and time, so that the commit has the same hash wherever this runs.
GIT_AUTHOR_DATE=2026-01-01T00:00:00Z GIT_COMMITTER_DATE=2026-01-01T00:00:00Z git -c user.name=example \
  -c user.email=example@example.org -c commit.gpgsign=false commit --quiet --message='Add payments'

# It takes away a field with a default, which registries allow, and adds one without.
cp "$here/change/payments-value.avsc" .
doublegate schema diff payments-value.avsc
doublegate schema check . || echo "exit code $?"
