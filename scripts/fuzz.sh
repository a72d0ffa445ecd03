#!/usr/bin/env bash
# Runs each fuzz test of the repository for a time, one after the other: fuzz.sh 10s [name pattern]
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
only=${2:-.}

found=0
while IFS=: read -r file line; do
  name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/' <<<"$line")
  grep -qE "$only" <<<"$name" || continue
  found=$((found + 1))
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$(dirname "$file")"
done < <(git grep -E '^func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go')
[ "$found" -gt 0 ] || {
  echo "fuzz: no fuzz test matches $only" >&2
  exit 1
}
echo "fuzz: $found tests for $time each"
