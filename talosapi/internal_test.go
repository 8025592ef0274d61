package talosapi

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cosi-project/runtime/api/v1alpha1"
	"github.com/cosi-project/runtime/pkg/resource/protobuf"
	"github.com/siderolabs/crypto/x509"
	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	clusterres "github.com/siderolabs/talos/pkg/machinery/resources/cluster"
	"github.com/siderolabs/talos/pkg/machinery/resources/secrets"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

func TestEndpointAddress(t *testing.T) {
	for in, want := range map[string]string{
		"192.168.13.11":        "192.168.13.11:50000",
		"192.168.13.11:50001":  "192.168.13.11:50001",
		"cp.example.org":       "cp.example.org:50000",
		"2001:db8::1":          "[2001:db8::1]:50000",
		"[2001:db8::1]":        "[2001:db8::1]:50000",
		"[2001:db8::1]:50001":  "[2001:db8::1]:50001",
		"https://cp.test":      "cp.test:443",
		"https://cp.test:8443": "cp.test:8443",
	} {
		if got := endpointAddress(in); got != want {
			t.Errorf("%q is dialled at %q, want %q", in, got, want)
		}
	}
}

func TestOffsetOf(t *testing.T) {
	const id = "dc1rtoj2fe8s73arp3l0" // of 2026-11-23T04:19:46Z, as a real node sent it
	at := time.Date(2026, 11, 23, 4, 19, 46, 0, time.UTC)
	for _, tc := range []struct {
		host time.Time
		want time.Duration
	}{
		{at, 0},
		{at.Add(999 * time.Millisecond), 0},
		{at.Add(-30 * time.Second), 30500 * time.Millisecond},
		{at.Add(30 * time.Second), -29500 * time.Millisecond},
	} {
		got := offsetOf(id, tc.host, tc.host.Add(2*time.Millisecond))
		if !got.Known || (got.V-tc.want).Abs() > 10*time.Millisecond {
			t.Errorf("with the host at %v: %v, want %v", tc.host, got, tc.want)
		}
	}
	for _, bad := range []string{"", "x", "dc1rtoj2fe8s73arp3l", "dc1rtoj2fe8s73arp3lz"} {
		if offsetOf(bad, at, at).Known {
			t.Errorf("id %q told a time", bad)
		}
	}
}

func TestSortAddresses(t *testing.T) {
	p := netip.MustParsePrefix
	got := sortAddresses([]netip.Prefix{p("192.168.13.11/24"), p("192.168.13.10/32"), p("192.168.13.10/32"), p("203.0.113.7/32"), p("fd00::1/64"), p("fd00::5/128"), p("fd00::9/128")},
		[]netip.Addr{netip.MustParseAddr("fd00::9")})
	if !slices.Equal(got.own, []string{"192.168.13.11", "203.0.113.7", "fd00::1", "fd00::9"}) || !slices.Equal(got.shared, []string{"192.168.13.10", "fd00::5"}) {
		t.Errorf("own %v, shared %v", got.own, got.shared)
	}
}

func TestMemberOfADomain(t *testing.T) {
	r := clusterres.NewMember(clusterres.NamespaceName, "talos-test01")
	r.TypedSpec().Hostname, r.TypedSpec().NodeID = "talos-test01.home.lan", "FRVyBgf"
	raw, err := protobuf.FromResource(r)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := raw.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got := membersOf(byID([]*v1alpha1.Resource{wire}))
	if len(got) != 1 || got[0].Node != "talos-test01" || got[0].Hostname != "talos-test01.home.lan" || got[0].ID != "FRVyBgf" {
		t.Errorf("%+v, want the node's name beside its host name", got)
	}
}

// While the Kubernetes CA is rotated a kubeconfig may hold the new one and the old one.
func TestIdentityTellsAcceptedCAs(t *testing.T) {
	block := func(kind, text string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(text)})
	}
	spec := &secrets.KubernetesRootSpec{
		IssuingCA:   &x509.PEMEncodedCertificateAndKey{Crt: append(block("CERTIFICATE", "new"), block("EC PRIVATE KEY", "secret")...)},
		AcceptedCAs: []*x509.PEMEncodedCertificate{{Crt: block("CERTIFICATE", "old")}},
	}
	id, err := identityOf(spec)
	if want := append(block("CERTIFICATE", "new"), block("CERTIFICATE", "old")...); err != nil || !bytes.Equal(id.KubernetesCA, want) {
		t.Errorf("%s %v, want the two certificates and no key", id.KubernetesCA, err)
	}
	if _, err := identityOf(&secrets.KubernetesRootSpec{}); err == nil {
		t.Error("no CA is no error")
	}
}

func TestCPUShare(t *testing.T) {
	at := func(busy, idle float64) cpuSample {
		return sampleOf(&machineapi.SystemStat{CpuTotal: &machineapi.CPUStat{User: busy / 2, System: busy / 4, Steal: busy / 4, Idle: idle / 2, Iowait: idle / 2, Guest: busy}})
	}
	if got := at(30, 170).since(at(10, 90)); !got.Known || got.V != 0.2 {
		t.Errorf("share %v, want 0.2", got)
	}
	for name, pair := range map[string][2]cpuSample{
		"first sample": {at(10, 90), {}},
		"no time":      {at(10, 90), at(10, 90)},
		"after reboot": {at(1, 2), at(10, 90)},
	} {
		if got := pair[0].since(pair[1]); got.Known {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestShows(t *testing.T) {
	base := cluster.Machine{CPU: cluster.Some(0.50), Memory: cluster.Some(cluster.Usage{Used: 50, Total: 100}), Services: []cluster.Service{{ID: "a"}}}
	for name, tc := range map[string]struct {
		change func(*cluster.Machine)
		want   bool
	}{
		"nothing":       {func(*cluster.Machine) {}, false},
		"CPU a little":  {func(m *cluster.Machine) { m.CPU.V = 0.505 }, false},
		"CPU":           {func(m *cluster.Machine) { m.CPU.V = 0.52 }, true},
		"CPU unknown":   {func(m *cluster.Machine) { m.CPU.Known = false }, true},
		"memory":        {func(m *cluster.Machine) { m.Memory.V.Used = 60 }, true},
		"stage":         {func(m *cluster.Machine) { m.Stage = cluster.StageBooting }, true},
		"ready":         {func(m *cluster.Machine) { m.Ready = cluster.Some(false) }, true},
		"service":       {func(m *cluster.Machine) { m.Services = []cluster.Service{{ID: "a", State: "x"}} }, true},
		"no services":   {func(m *cluster.Machine) { m.Services = nil }, true},
		"diagnostics":   {func(m *cluster.Machine) { m.Diagnostics = cluster.Some([]cluster.Diagnostic{}) }, true},
		"clock by 1 s":  {func(m *cluster.Machine) { m.ClockOffset = cluster.Some(time.Second) }, true},
		"another clock": {func(m *cluster.Machine) { m.ClockOffset.V = time.Second }, false},
	} {
		next := base
		tc.change(&next)
		if got := shows(&base, &next); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestSickNodesLeaveSlots(t *testing.T) {
	s := newSlots(16)
	held := 0
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		n := s.node(name)
		n.answered(false)
		for range 3 {
			short, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			if _, err := s.acquire(short, n); err == nil {
				held++
			}
			cancel()
		}
	}
	if held != forSick {
		t.Errorf("sick nodes hold %d slots, want %d", held, forSick)
	}
	n := s.node("well")
	for range 2 {
		if _, err := s.acquire(t.Context(), n); err != nil {
			t.Errorf("a node that is well gets no slot: %v", err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := s.acquire(short, n); err == nil {
		t.Error("one node took more than its slots")
	}
}

func TestRecoveryIsAnnounced(t *testing.T) {
	n := newSlots(1).node("a")
	back := n.back()
	n.answered(true)
	select {
	case <-back:
		t.Error("a node that was well came back")
	default:
	}
	n.answered(false)
	n.answered(true)
	<-back
}
