{{- define "perfd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "perfd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "perfd.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "perfd.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "perfd.selector" -}}
app.kubernetes.io/name: {{ include "perfd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "perfd.labels" -}}
{{ include "perfd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "perfd.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "perfd.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The settings: the chart's own before those of the values. */}}
{{- define "perfd.config" -}}
{{- $own := dict
  "store" "/var/lib/perfd/perfd.db"
  "metrics" (dict "enabled" true "listen" (printf "0.0.0.0:%d" (int .Values.metrics.port)))
  "evidence" (dict "process" (ternary "auto" "off" .Values.evidence.process) "threads" (ternary "auto" "off" .Values.evidence.threads)) -}}
{{- if .Values.auth.existingSecret -}}
{{- $_ := set $own "auth" (dict "token_file" "/etc/perfd-auth/token") -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}

{{- define "perfd.capabilities" -}}
{{- $list := list "NET_RAW" -}}
{{- if .Values.evidence.process }}{{ $list = concat $list (list "SYS_PTRACE" "DAC_READ_SEARCH") }}{{ end -}}
{{- if .Values.evidence.threads }}{{ $list = concat $list (list "BPF" "PERFMON") }}{{ end -}}
{{- toJson $list -}}
{{- end -}}
