package bed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The chart that the bed's HelmRelease installs: the name and version of a well
// known one, and as little content as makes a release.
const (
	chartName    = "podinfo"
	chartVersion = "6.9.4"
)

var chartMeta = fmt.Sprintf(`apiVersion: v2
name: %s
version: %s
appVersion: %s
description: a small web application
`, chartName, chartVersion, chartVersion)

var chartFiles = []struct{ name, content string }{
	{"Chart.yaml", chartMeta},
	{"values.yaml", "replicas: 1\nimage: ghcr.io/stefanprodan/podinfo:6.9.4\n"},
	{"templates/deployment.yaml", `apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}", labels: {app: "{{ .Release.Name }}"}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec:
      containers:
      - name: podinfo
        image: {{ .Values.image | quote }}
        ports: [{name: http, containerPort: 9898}]
        resources: {requests: {cpu: 10m, memory: 16Mi}}
`},
	{"templates/service.yaml", `apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}"}
spec: {selector: {app: "{{ .Release.Name }}"}, ports: [{name: http, port: 9898, targetPort: http}]}
`},
}

// writeCharts makes a Helm repository of one chart in a folder.
func writeCharts(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	chart, err := packChart()
	if err != nil {
		return err
	}
	file := chartName + "-" + chartVersion + ".tgz"
	if err := writeFile(filepath.Join(dir, file), chart); err != nil {
		return err
	}
	index := fmt.Sprintf("apiVersion: v1\nentries:\n  %s:\n  - {apiVersion: v2, name: %s, version: %s, appVersion: %s, digest: %x, urls: [%s]}\n",
		chartName, chartName, chartVersion, chartVersion, sha256.Sum256(chart), file)
	return writeFile(filepath.Join(dir, "index.yaml"), []byte(index))
}

// packChart is the chart as a gzipped tar archive; the same bytes every time.
func packChart() ([]byte, error) {
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	tw := tar.NewWriter(gz)
	for _, f := range chartFiles {
		h := &tar.Header{
			Name: chartName + "/" + f.name, Mode: 0o644, Size: int64(len(f.content)),
			ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := tw.Write([]byte(f.content)); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	if err := gz.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
