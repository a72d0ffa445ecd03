#!/usr/bin/env bash
# What the tap costs on this machine, beside tcpdump on the same traffic (see fixtures/load; arguments go there):
#
#   load.sh [arguments]               with a database that only answers
#   load.sh -postgres [arguments]     with a real PostgreSQL, on the core that -effect keeps for the traffic
#
# Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/ensure.sh go tcpdump
work=$(mktemp -d)
port=
finish() {
  [ -z "$port" ] || as_odoo "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
go build -trimpath -o "$work/load" ./fixtures/load

as_odoo() { setpriv --reuid nobody --clear-groups "$@"; }

if [ "${1:-}" = -postgres ]; then
  shift
  scripts/ensure.sh postgresql
  bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
  chown nobody "$work"
  as_odoo "$bin/initdb" -D "$work/data" -U odoo -A trust --no-sync >/dev/null
  port=$((20000 + RANDOM % 8000))
  as_odoo taskset -c 0 "$bin/pg_ctl" -D "$work/data" -w -o "-p $port -k $work -h 127.0.0.1" start >/dev/null
  as_odoo "$bin/psql" -q -h 127.0.0.1 -p "$port" -U odoo -d postgres -c 'CREATE DATABASE odoo'
  as_odoo "$bin/psql" -q -h 127.0.0.1 -p "$port" -U odoo -d odoo -c "
    CREATE TABLE res_partner AS SELECT n AS id, 'Azure Interior ' || n AS name, now() AS write_date FROM generate_series(1, 10000) n;
    CREATE INDEX ON res_partner (id); ANALYZE"
  set -- -database "127.0.0.1:$port" "$@"
fi
"$work/load" "$@"
