#!/usr/bin/env bash
# Starts `perfd demo` on a free port and visits its pages with web/ui/test/browser.mjs; then those of a store that
# grows, with web/ui/test/live.mjs.
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -o "$tmp/serve" ./web/ui/test/serve
node web/ui/test/live.mjs "$tmp/serve"

coproc demo { exec dist/perfd demo --listen 127.0.0.1:0 2>&1; }
pid=$demo_PID
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$tmp"' EXIT

url=
while [ -z "$url" ] && IFS= read -r -t 60 line <&"${demo[0]}"; do
  url=$(grep -oE 'http://[^ ]+' <<<"$line" | head -n 1 || true)
done
[ -n "$url" ] || {
  echo "browser: perfd demo printed no address" >&2
  exit 1
}
node web/ui/test/browser.mjs "$url"
