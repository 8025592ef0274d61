package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

const suspendedYAML = `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: web
  namespace: apps
  generation: 5
  resourceVersion: "9"
  managedFields:
  - manager: kustomize-controller
    operation: Apply
    time: "2026-01-01T10:00:00Z"
    fieldsV1: {"f:spec": {"f:interval": {}}}
  - manager: flux
    operation: Update
    time: "2026-01-01T11:00:00Z"
    fieldsV1: {"f:spec": {"f:suspend": {}}}
  - manager: kubectl-edit
    operation: Update
    time: "2026-01-01T12:00:00Z"
    fieldsV1: {"f:spec": {"f:suspend": {}, "f:path": {}}}
  - manager: kustomize-controller
    operation: Update
    subresource: status
    time: "2026-01-01T09:00:00Z"
    fieldsV1: {"f:spec": {"f:suspend": {}}}
spec:
  interval: 1h30m
  suspend: true
  sourceRef: {kind: OCIRepository, name: fleet, namespace: flux-system}
  dependsOn: [{name: infra}, {name: dns, namespace: net}]
status:
  observedGeneration: 5
  lastHandledReconcileAt: "2026-01-01T08:00:00Z"
  conditions:
  - {type: Ready, status: "False", reason: BuildFailed, message: "bad\e[31m\nthing", observedGeneration: 4, lastTransitionTime: "2026-01-01T07:00:00Z"}
`

func TestSuspendedObject(t *testing.T) {
	u := parseObject(t, []byte(suspendedYAML))
	o := FluxObject(u, kindFor(u))
	if o.State != cluster.FluxSuspended || !o.Suspended {
		t.Errorf("state %s", o.State)
	}
	if o.Reason != "BuildFailed" || o.Message != "bad thing" {
		t.Errorf("the last Ready is lost: %q %q", o.Reason, o.Message)
	}
	if want := time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC); o.SuspendedBy != "flux" || !o.SuspendedAt.Equal(want) {
		t.Errorf("suspended by %q at %s", o.SuspendedBy, o.SuspendedAt)
	}
	if o.Interval != 90*time.Minute || o.Short != "ks" || o.Handled != "2026-01-01T08:00:00Z" {
		t.Errorf("%+v", o)
	}
	if name(*o.Source) != "OCIRepository flux-system/fleet" || name(o.DependsOn[0]) != "Kustomization apps/infra" || name(o.DependsOn[1]) != "Kustomization net/dns" {
		t.Errorf("source %v, depends on %v", o.Source, o.DependsOn)
	}
}

func TestOtherKinds(t *testing.T) {
	for name, tt := range map[string]struct {
		yaml     string
		state    cluster.FluxState
		revision string
		source   string
	}{
		"alert": {`{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Alert, metadata: {name: a, namespace: ns, generation: 1}}`, cluster.FluxStatic, "", ""},
		"suspended alert": {
			`{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Alert, metadata: {name: a, namespace: ns, generation: 1}, spec: {suspend: true}}`,
			cluster.FluxSuspended, "", "",
		},
		"old alert without a status": {`{apiVersion: notification.toolkit.fluxcd.io/v1beta2, kind: Alert, metadata: {name: a, namespace: ns, generation: 1}}`, cluster.FluxUnknown, "", ""},
		"oci helm repository":        {`{apiVersion: source.toolkit.fluxcd.io/v1, kind: HelmRepository, metadata: {name: a, namespace: ns, generation: 1}, spec: {type: oci}}`, cluster.FluxStatic, "", ""},
		"new helm repository":        {`{apiVersion: source.toolkit.fluxcd.io/v1, kind: HelmRepository, metadata: {name: a, namespace: ns, generation: 1}, spec: {}}`, cluster.FluxUnknown, "", ""},
		"new kustomization":          {`{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: a, namespace: ns, generation: 1}, status: {observedGeneration: -1}}`, cluster.FluxUnknown, "", ""},
		"image policy": {
			`{apiVersion: image.toolkit.fluxcd.io/v1, kind: ImagePolicy, metadata: {name: a, namespace: ns, generation: 1}, spec: {imageRepositoryRef: {name: app}}, status: {observedGeneration: 1, latestRef: {name: ghcr.io/x/app, tag: 1.4.2}, conditions: [{type: Ready, status: "True", reason: Succeeded, observedGeneration: 1}]}}`,
			cluster.FluxReady, "1.4.2", "ImageRepository ns/app",
		},
		"old image policy": {
			`{apiVersion: image.toolkit.fluxcd.io/v1beta2, kind: ImagePolicy, metadata: {name: a, namespace: ns, generation: 1}, status: {observedGeneration: 1, latestImage: "localhost:5000/app:1.4.2", conditions: [{type: Ready, status: "True", reason: Succeeded}]}}`,
			cluster.FluxReady, "1.4.2", "",
		},
		"chart of an oci repository": {
			`{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: a, namespace: ns, generation: 1}, spec: {chartRef: {kind: OCIRepository, name: app, namespace: src}}, status: {observedGeneration: 1, history: [{chartVersion: "1.0.1+bc8273ea3ed5", status: failed}, {chartVersion: "1.0.0+1c9f3e2aaaaa", status: deployed}], lastAttemptedRevision: "1.0.1+bc8273ea3ed5", conditions: [{type: Ready, status: "False", reason: UpgradeFailed, message: no, observedGeneration: 1}]}}`,
			cluster.FluxFailed, "1.0.0+1c9f3e2", "OCIRepository src/app",
		},
		"instance of the operator": {
			`{apiVersion: fluxcd.controlplane.io/v1, kind: FluxInstance, metadata: {name: flux, namespace: ns, generation: 1}, status: {lastAppliedRevision: "v2.7.0@sha256:ab12cd3344444444444444444444444444444444444444444444444444444444", conditions: [{type: Ready, status: "True", reason: ReconciliationSucceeded, observedGeneration: 1}]}}`,
			cluster.FluxReady, "v2.7.0@ab12cd3", "",
		},
		"disabled by the operator's annotation": {
			`{apiVersion: fluxcd.controlplane.io/v1, kind: ResourceSet, metadata: {name: a, namespace: ns, generation: 1, annotations: {"fluxcd.controlplane.io/reconcile": disabled}}, status: {conditions: [{type: Ready, status: "True", reason: x, observedGeneration: 1}]}}`,
			cluster.FluxSuspended, "", "",
		},
		"conditions that are no conditions": {`{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: a, namespace: ns, generation: 1}, spec: {sourceRef: 3, dependsOn: [1]}, status: {conditions: [1, {type: 2}], inventory: []}}`, cluster.FluxUnknown, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			u := parseObject(t, []byte(tt.yaml))
			o := FluxObject(u, kindFor(u))
			source := ""
			if o.Source != nil {
				source = o.Source.Kind + " " + o.Source.Namespace + "/" + o.Source.Name
			}
			if o.State != tt.state || o.Revision != tt.revision || source != tt.source {
				t.Errorf("got %s %q %q, want %s %q %q", o.State, o.Revision, source, tt.state, tt.revision, tt.source)
			}
		})
	}
}

func TestOutcomeOfObjects(t *testing.T) {
	const before, token, after = "2026-01-01T10:00:00.1Z", "2026-01-01T10:00:00.2Z", "2026-01-01T12:00:00.3+01:00"
	for name, tt := range map[string]struct {
		state   cluster.FluxState
		handled string
		done    bool
		says    string // of the error; empty: none
	}{
		"ready":                          {cluster.FluxReady, token, true, ""},
		"ready before the request":       {cluster.FluxReady, before, false, ""},
		"a later request":                {cluster.FluxReady, after, true, ""},
		"never handled":                  {cluster.FluxReady, "", false, ""},
		"failed":                         {cluster.FluxFailed, token, true, "failed (BuildFailed): no such file"},
		"stalled":                        {cluster.FluxStalled, token, true, "stalled (BuildFailed): no such file"},
		"handled and still reconciling":  {cluster.FluxReconciling, token, false, ""},
		"handled, waits for another":     {cluster.FluxWaiting, token, false, ""},
		"handled, the spec changed then": {cluster.FluxUnknown, token, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := cluster.FluxObject{Ref: cluster.Ref{Kind: "Kustomization", Namespace: "a", Name: "b"}, State: tt.state, Handled: tt.handled, Reason: "BuildFailed", Message: "no such file"}
			done, err := verdict(o, token)
			if done != tt.done || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v %v, want %v %q", done, err, tt.done, tt.says)
			}
		})
	}
	suspended := cluster.FluxObject{Suspended: true, Handled: token, State: cluster.FluxSuspended}
	if done, err := verdict(suspended, token); !done || err == nil {
		t.Errorf("a suspended object that handled the request counts as reconciled: %v %v", done, err)
	}
}
