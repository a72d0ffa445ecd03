#!/usr/bin/env bash
# Installs what a check lacks. Each argument names one thing:
#
#   go             the Go toolchain that go.mod asks for (told, not installed)
#   golangci-lint  the pinned linter, into .tools/bin
#   helm           the pinned helm, into .tools/bin
#   systemd        systemd-analyze
#   postgresql     a PostgreSQL server, which the tests start for themselves
#   iproute        the command ip, with which tests make network interfaces
#   tcpdump        with which the tap is compared
#   wrk            with which the proxy is measured
#   lab            the servers that package lab starts besides: trytond with a module, gunicorn, Redis
#   node           Node.js with npm
#   chromium       a browser for the page tests
#   ui             the development dependencies of web/ui
#
# System packages come from apt-get and need root; without it, the script says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/versions.sh

die() {
  echo "ensure: $*" >&2
  exit 1
}

has_postgresql() {
  command -v initdb >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
    { command -v pg_config >/dev/null 2>&1 && [ -x "$(pg_config --bindir)/initdb" ]; }
}

# has_trytond asks trytond's own Python, which need not be the first on the path.
has_trytond() {
  command -v trytond-admin >/dev/null 2>&1 &&
    /usr/bin/python3 -c 'import psycopg2, trytond.modules.party' >/dev/null 2>&1
}

package() { # command, Debian packages
  local command=$1
  shift
  command -v "$command" >/dev/null 2>&1 && return
  install "$command" "$@"
}

install() { # what is missing, Debian packages
  local command=$1
  shift
  command -v apt-get >/dev/null 2>&1 || die "$command is missing; install it (Debian: $*)"
  [ "$(id -u)" = 0 ] || die "$command is missing; run: sudo apt-get install $*"
  echo "ensure: installing $*" >&2
  apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

for thing in "$@"; do
  case $thing in
    go)
      command -v go >/dev/null 2>&1 || die "Go is missing; see https://go.dev/doc/install"
      ;;
    golangci-lint)
      lint_is_pinned || {
        echo "ensure: installing golangci-lint $GOLANGCI_LINT" >&2
        GOBIN=$PWD/.tools/bin go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$GOLANGCI_LINT"
      }
      ;;
    helm)
      helm_bin >/dev/null || {
        echo "ensure: installing helm $HELM" >&2
        GOBIN=$PWD/.tools/bin go install "helm.sh/helm/v3/cmd/helm@v$HELM"
      }
      ;;
    systemd)
      package systemd-analyze systemd
      ;;
    postgresql)
      has_postgresql || install "a PostgreSQL server" postgresql
      ;;
    lab)
      has_trytond || install trytond tryton-server python3-psycopg2 tryton-modules-party
      package gunicorn gunicorn
      package redis-server redis-server
      ;;
    iproute)
      package ip iproute2
      ;;
    tcpdump)
      package tcpdump tcpdump
      ;;
    wrk)
      package wrk wrk
      ;;
    node)
      package node nodejs npm
      package npm npm
      ;;
    chromium)
      package chromium chromium
      ;;
    ui)
      lock=web/ui/package-lock.json
      seen=web/ui/node_modules/.package-lock.json
      if [ ! -e "$seen" ] || [ "$lock" -nt "$seen" ]; then
        (cd web/ui && npm ci --no-fund --no-audit --loglevel=error >&2 && touch node_modules/.package-lock.json)
      fi
      ;;
    *)
      die "nothing known of $thing"
      ;;
  esac
done
