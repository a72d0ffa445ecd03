#!/usr/bin/env bash
# What `perfd proxy` costs an HTTP request, by wrk: proxy.sh [rounds] [seconds]
#
# In each round wrk asks an upstream directly, through perfd and, where nginx is installed, through nginx, one after
# the other: at 1 connection for what the proxy adds, at 16 for throughput; an upstream that answers at once, and
# upstreams that take 1 and 5 ms. The best round of each counts: other work on the machine can only take away.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-5}
seconds=${2:-2}
scripts/ensure.sh go wrk
work=$(mktemp -d)
pids=()
finish() {
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap finish EXIT

go build -trimpath -o "$work/perfd" ./cmd/perfd
go build -o "$work/upstream" ./fixtures/upstream
port=$((20000 + RANDOM % 8000))

nginx_conf() { # port, upstream's port
  cat <<CONF
worker_processes 1; daemon off; pid $work/nginx.$1.pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000;
  upstream o { server 127.0.0.1:$2; keepalive 32; keepalive_requests 100000000; }
  server { listen 127.0.0.1:$1; location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; } } }
CONF
}

measure() { # way, connections, port
  wrk -t1 -c"$2" -d"${seconds}s" --latency "http://127.0.0.1:$3/web" | awk -v way="$1" -v c="$2" '
    $1 == "50%" { t = $2; if (t ~ /us$/) u = 1; else if (t ~ /ms$/) u = 1000; else u = 1e6; p = (t + 0) * u }
    $1 == "Requests/sec:" { printf "%s %d %.0f %.0f\n", way, c, p, $2 }'
}

for delay in 0 1ms 5ms; do
  "$work/upstream" -delay "$delay" "127.0.0.1:$port" 2>/dev/null &
  pids+=($!)
  "$work/perfd" proxy --http "127.0.0.1:$((port + 1))=127.0.0.1:$port" -o "$work/report" 2>/dev/null &
  pids+=($!)
  ways="direct:$port perfd:$((port + 1))"
  if command -v nginx >/dev/null; then
    nginx_conf $((port + 2)) "$port" >"$work/nginx.conf"
    nginx -c "$work/nginx.conf" 2>/dev/null &
    pids+=($!)
    ways="$ways nginx:$((port + 2))"
  fi
  for way in $ways; do
    until (exec 3<>"/dev/tcp/127.0.0.1/${way#*:}") 2>/dev/null; do sleep 0.1; done
  done
  for _ in $(seq "$rounds"); do
    for c in 1 16; do
      for way in $ways; do measure "${way%:*}" "$c" "${way#*:}"; done
    done
  done >"$work/results"
  echo "upstream takes $delay:"
  awk '{ k = $1 " " $2; if (!(k in p) || $3 < p[k]) p[k] = $3; if ($4 > r[k]) r[k] = $4 }
    END { for (c = 1; c <= 16; c += 15) for (i = split("direct perfd nginx", w, " "); i > 0; i--) { n = w[4 - i]; k = n " " c
      if (k in p) printf "  %2d connections  %-7s p50 %5d us (%+5d)  %7d requests/s (%3.0f %%)\n", c, n, p[k], p[k] - p["direct " c], r[k], 100 * r[k] / r["direct " c] } }' "$work/results"
  kill "${pids[@]}" 2>/dev/null || true
  wait
  pids=()
  port=$((port + 3))
done
