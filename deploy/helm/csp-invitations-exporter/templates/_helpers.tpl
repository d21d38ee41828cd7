{{- define "exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for the pods' names, which end in an ordinal, and for the labels that the StatefulSet makes of them. */}}
{{- define "exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "exporter.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "exporter.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "exporter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "exporter.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default (printf "v%s" .Chart.AppVersion) .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "exporter.hasOrganizationFiles" -}}
{{- if or .Values.organizationFiles.inline .Values.organizationFiles.configMaps .Values.organizationFiles.secrets }}true{{ end }}
{{- end }}

{{- define "exporter.configFile" -}}
/etc/csp-invitations-exporter/config/{{ if or .Values.configFrom.configMap .Values.configFrom.secret }}{{ .Values.configFrom.key }}{{ else }}config.yaml{{ end }}
{{- end }}

{{/* Where the files of `organizationFiles` are: a folder for each source, so that files of one name from two sources don't hide each other. */}}
{{- define "exporter.organizationFiles" -}}
/etc/csp-invitations-exporter/organizations.d/*/*.yaml
{{- end }}

{{/* The sources of `organizationFiles`, as a list of `{name, volume}`. */}}
{{- define "exporter.organizationSources" -}}
{{- $sources := list }}
{{- if .Values.organizationFiles.inline }}
{{- $sources = append $sources (dict "name" "values" "volume" (dict "configMap" (dict "name" (printf "%s-organizations" (include "exporter.fullname" .))))) }}
{{- end }}
{{- range .Values.organizationFiles.configMaps }}
{{- $sources = append $sources (dict "name" (printf "configmap-%s" .) "volume" (dict "configMap" (dict "name" .))) }}
{{- end }}
{{- range .Values.organizationFiles.secrets }}
{{- $sources = append $sources (dict "name" (printf "secret-%s" .) "volume" (dict "secret" (dict "secretName" . "defaultMode" 0440))) }}
{{- end }}
{{- dict "sources" $sources | toYaml }}
{{- end }}

{{/* The content of the configuration file. */}}
{{- define "exporter.config" -}}
{{- $files := include "exporter.organizationFiles" . }}
{{- $wanted := include "exporter.hasOrganizationFiles" . }}
{{- if kindIs "string" .Values.config }}
{{- if and $wanted (not (hasKey (fromYaml .Values.config) "organization_files")) }}
{{- fail (printf "config is text and does not name the files of organizationFiles: add `organization_files: [%s]` to it" $files) }}
{{- end }}
{{- .Values.config }}
{{- else }}
{{- $config := deepCopy .Values.config }}
{{- if and $wanted (not (hasKey $config "organization_files")) }}
{{- $_ := set $config "organization_files" (list $files) }}
{{- end }}
{{- toYaml $config }}
{{- end }}
{{- end }}

{{- define "exporter.hasWebConfig" -}}
{{- if or .Values.webConfig.existingSecret .Values.webConfig.inline }}true{{ end }}
{{- end }}

{{/* How long a duration of Prometheus is. */}}
{{- define "exporter.milliseconds" -}}
{{- $sum := 0 }}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* What a ServiceMonitor and a PodMonitor say of an endpoint alike. */}}
{{- define "exporter.endpoint" -}}
{{- $monitor := .Values.serviceMonitor -}}
port: http
path: /metrics
interval: {{ $monitor.interval }}
scrapeTimeout: {{ $monitor.scrapeTimeout }}
scheme: {{ $monitor.scheme }}
honorLabels: {{ $monitor.honorLabels }}
{{- range $key := list "tlsConfig" "basicAuth" "authorization" "relabelings" "metricRelabelings" }}
{{- with get $monitor $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "exporter.podSecurityContext" -}}
{{- $context := deepCopy .Values.podSecurityContext }}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- $context = omit $context "fsGroup" "runAsUser" "runAsGroup" "fsGroupChangePolicy" }}
{{- end }}
{{- range $key, $value := $context }}
{{- if kindIs "invalid" $value }}
{{- $context = omit $context $key }}
{{- end }}
{{- end }}
{{- toYaml $context }}
{{- end }}
