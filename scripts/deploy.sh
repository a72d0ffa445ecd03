#!/usr/bin/env bash
# Checks what deploy/ holds beyond what its tests can without tools: the systemd unit with and without its drop-ins
# by systemd-analyze, the Helm chart by helm lint and helm template with several values, and what comes out by the
# tests of deploy/.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/versions.sh

helm=$(helm_bin) || {
  echo "deploy: helm $HELM is missing; run scripts/ensure.sh helm" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The unit: the program need not be installed to be checked.
unit() { # folder, drop-ins, the exposure that is allowed in tenths
  local dir=$work/$1 threshold=$3
  mkdir -p "$dir/perfd.service.d"
  sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' deploy/systemd/perfd.service >"$dir/perfd.service"
  for dropin in $2; do cp "deploy/systemd/perfd.service.d/$dropin" "$dir/perfd.service.d/"; done
  local said
  said=$(systemd-analyze verify "$dir/perfd.service" 2>&1) || {
    echo "deploy: $said" >&2
    exit 1
  }
  if grep -F perfd.service <<<"$said" >&2; then # a directive it does not know is a warning to it
    exit 1
  fi
  systemd-analyze security --no-pager --offline=true --threshold="$threshold" "$dir/perfd.service" >"$dir/said" || {
    cat "$dir/said" >&2
    exit 1
  }
  echo "deploy: perfd.service with [$2]: $(grep -oE 'level.*' "$dir/said" | grep -oE '[0-9]+\.[0-9]+') exposed, at most ${threshold%?}.${threshold: -1} allowed"
}
unit plain "" 25
unit quiet "quiet.conf" 23
unit full "evidence.conf logs.conf" 30

# The chart.
chart=deploy/helm/perfd
out=$work/rendered
mkdir "$out"
"$helm" lint --strict --quiet "$chart"
template() { # file, options
  "$helm" template perfd "$chart" --namespace perfd "${@:2}" >"$out/$1.yaml"
}
template default
template packets-only --set evidence.process=false --set evidence.threads=false --set metrics.annotations=false
template all --set auth.existingSecret=token --set config.listen=0.0.0.0:7070 --set metrics.podMonitor.enabled=true \
  --set metrics.port=9999 --set serviceAccount.create=false --set image.tag=1.2.3 --set fullnameOverride=watcher \
  --set podLabels.team=erp --set podAnnotations.note=x --set priorityClassName=low \
  --set-json 'tolerations=[{"operator":"Exists"}]' --set-json 'config.rpc_ports=[8069,8072]' --set-json 'imagePullSecrets=[{"name":"x"}]'
grep -q 'kind: PodMonitor' "$out/all.yaml" && grep -q 'secretName: token' "$out/all.yaml" && ! grep -q 'kind: ServiceAccount' "$out/all.yaml"
! grep -qE 'PERFMON|SYS_PTRACE|prometheus.io' "$out/packets-only.yaml"
if "$helm" template perfd "$chart" --set config.auth.token=secret >/dev/null 2>&1; then
  echo "deploy: the chart takes a token into its ConfigMap" >&2
  exit 1
fi
go test -count=1 ./deploy -args -rendered "$out"
