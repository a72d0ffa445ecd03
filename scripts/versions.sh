# Versions of tools that are not in go.mod or package.json. Sourced by the other scripts.

GOLANGCI_LINT=2.15.0
HELM=3.19.2

# golangci_lint names the pinned linter: the one in .tools, else one that is installed already.
golangci_lint() {
  local at
  for at in .tools/bin/golangci-lint "$(command -v golangci-lint || true)" "$(go env GOPATH)/bin/golangci-lint"; do
    if [ -x "$at" ] && "$at" version 2>/dev/null | grep -qF "version $GOLANGCI_LINT "; then
      echo "$at"
      return
    fi
  done
  return 1
}

lint_is_pinned() { golangci_lint >/dev/null; }

# helm_bin names a helm of the pinned version: the one in .tools, else one that is installed already.
helm_bin() {
  local at
  for at in .tools/bin/helm "$(command -v helm || true)" "$(go env GOPATH)/bin/helm"; do
    if [ -x "$at" ] && go version -m "$at" 2>/dev/null | grep -qE "helm.sh/helm/v3[[:space:]]+v$HELM\b"; then
      echo "$at"
      return
    fi
  done
  return 1
}
