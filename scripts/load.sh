#!/usr/bin/env bash
# What the tap costs on this machine, beside tcpdump on the same traffic (see fixtures/load; arguments go there).
# Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/ensure.sh go tcpdump
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -trimpath -o "$work/load" ./fixtures/load
"$work/load" "$@"
