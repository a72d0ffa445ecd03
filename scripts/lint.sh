#!/usr/bin/env bash
# Formatting, go vet, golangci-lint and the shell scripts' syntax.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/versions.sh

wrong=$(gofmt -s -l $(git ls-files '*.go'))
if [ -n "$wrong" ]; then
  printf 'gofmt -s would change:\n%s\n' "$wrong" >&2
  exit 1
fi
bash -n scripts/*.sh .ci/run
go vet ./...
go vet -tags odoo ./client ./cmd/perfd # which nothing else compiles
"$(golangci_lint)" run ./...
