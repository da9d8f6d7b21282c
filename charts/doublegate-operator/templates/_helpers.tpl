{{- define "operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- /* Never change: a Deployment's selector can't be. */ -}}
{{- define "operator.selector" -}}
app.kubernetes.io/name: doublegate-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "operator.image" -}}
{{- $repository := required "image.repository is empty: push what operator/Dockerfile builds to a registry of yours and name it here" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Namespaces to watch, with a comma between them. */ -}}
{{- define "operator.namespaces" -}}
{{- if .Values.watch.clusterWide -}}
*
{{- else -}}
{{ .Values.watch.namespaces | default (list .Release.Namespace) | sortAlpha | join "," }}
{{- end -}}
{{- end -}}
