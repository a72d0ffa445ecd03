#!/usr/bin/env bash
# Whole-process comparison with tshark on one recording, in one run, and perfd's memory on a large one:
#
#   compare.sh [file.pcap] [bytes of the large recording]
#
# Without arguments: 250 MB of the demo, repeated, and 1 GB of it. It fails where perfd is less than 30 times faster, or
# needs 128 MiB for the large one. Needs tshark and GNU time, and a machine with nothing else to do.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in tshark /usr/bin/time; do
  command -v "$tool" >/dev/null || {
    echo "compare: $tool is missing (Debian: tshark, time)" >&2
    exit 1
  }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
file=${1:-}
large=${2:-1000000000}

go build -trimpath -o "$work/perfd" ./cmd/perfd
go build -o "$work/gen" ./fixtures/gen
if [ -z "$file" ]; then
  file=$work/demo.pcap
  "$work/gen" -from demo -kind repeat -size 250000000 -o "$file"
fi
run() { # output: seconds, KiB
  /usr/bin/time -f '%e %M' -o "$work/time" "$@" >/dev/null 2>&1
  cat "$work/time"
}

best() { # the fastest of three runs
  for _ in 1 2 3; do run "$@"; done | sort -n | head -n 1
}

cat "$file" >/dev/null # into the page cache, for both alike
read -r ours ourmem < <(best "$work/perfd" analyze --format json "$file")
read -r theirs theirmem < <(run tshark -r "$file" -Y 'http or pgsql' -T fields -e frame.time_epoch -e http.request.uri -e pgsql.query)
awk -v o="$ours" -v t="$theirs" -v om="$ourmem" -v tm="$theirmem" -v s="$(stat -c %s "$file")" 'BEGIN {
  printf "recording  %8.1f MB\n", s / 1e6
  printf "perfd      %8.2f s  %6.0f MiB\n", o, om / 1024
  printf "tshark     %8.2f s  %6.0f MiB\n", t, tm / 1024
  ratio = t / (o > 0 ? o : 0.01)
  printf "perfd is %.0f times faster\n", ratio
  if (ratio < 30) { print "compare: less than 30 times" > "/dev/stderr"; exit 1 }
}'

if [ "$large" -gt 0 ]; then
  "$work/gen" -from demo -kind repeat -size "$large" -o "$work/large.pcap"
  read -r ours ourmem < <(run "$work/perfd" analyze --format json "$work/large.pcap")
  awk -v o="$ours" -v om="$ourmem" -v s="$large" 'BEGIN { 
    printf "large      %8.1f MB: %.2f s, %.0f MiB\n", s / 1e6, o, om / 1024
    if (om >= 128 * 1024) { print "compare: 128 MiB or more" > "/dev/stderr"; exit 1 }
  }'
fi
