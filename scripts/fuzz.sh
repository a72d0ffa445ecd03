#!/usr/bin/env bash
# Runs each fuzz test of the repository for a time, one after the other: fuzz.sh 10s [name pattern]
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
only=${2:-.}

# Go up to 1.26 may end a fuzz test that found nothing with "context deadline exceeded" (golang/go#75804).
log=$(mktemp)
trap 'rm -f "$log"' EXIT
innocent() { grep -qx ' *context deadline exceeded' "$log" && ! grep -qE 'Failing input written|panic:|fatal error' "$log"; }

found=0
while IFS=: read -r file line; do
  name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/' <<<"$line")
  grep -qE "$only" <<<"$name" || continue
  found=$((found + 1))
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -timeout 0 "./$(dirname "$file")" 2>&1 | tee "$log" || {
    innocent || exit 1
    echo "fuzz: $name found nothing; its end is Go's"
  }
done < <(git grep -E '^func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go')
[ "$found" -gt 0 ] || {
  echo "fuzz: no fuzz test matches $only" >&2
  exit 1
}
echo "fuzz: $found tests for $time each"
