{{/* The name of what belongs to the release. It is the Service's too, which cannot have every release's name. */}}
{{- define "mooring.fullname" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,51}[a-z0-9])?$" $name) }}
{{- $allowed := "at most 53 lower-case letters, digits and dashes, beginning with a letter" }}
{{- fail (printf "%q cannot be the name of a Service: set fullnameOverride to %s" $name $allowed) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* What selects the pods of a component. Takes root and component. */}}
{{- define "mooring.selectorLabels" -}}
app.kubernetes.io/name: mooring
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The recommended labels. Takes root and component. */}}
{{- define "mooring.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "mooring.selectorLabels" . }}
app.kubernetes.io/part-of: mooring
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* A pod template's metadata. Takes root, component and, if it has any of its own, annotations. */}}
{{- define "mooring.podMetadata" -}}
{{- /* Another version of the chart alone restarts nothing, and nobody's labels may hide those that select. */ -}}
{{- $labels := omit (include "mooring.labels" . | fromYaml) "helm.sh/chart" -}}
{{- $selector := include "mooring.selectorLabels" . | fromYaml -}}
labels: {{- merge $selector .root.Values.podLabels $labels | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A reference to an image: the digest if there is one, else the tag. Takes image and defaultTag. */}}
{{- define "mooring.image" -}}
{{- with .image.registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .defaultTag }}{{ end }}
{{- end }}

{{/* What every pod of the release has in its spec. */}}
{{- define "mooring.podSpec" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container of the release has. */}}
{{- define "mooring.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* How replicas are spread. Takes root and component. */}}
{{- define "mooring.topologySpreadConstraints" -}}
{{- with .root.Values.topologySpreadConstraints }}
{{- toYaml . }}
{{- else -}}
- topologyKey: kubernetes.io/hostname
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "mooring.selectorLabels" . | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
