package talosapi_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/client/config"
	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// edited gives a good talosconfig with a change made to it.
func edited(t *testing.T, sim *talosd.Cluster, change func(*config.Config)) string {
	t.Helper()
	raw, err := sim.Talosconfig(role.Admin, nil)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(conf)
	out, err := conf.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return write(t, out)
}

func TestLoadConfig(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	cfg, err := talosapi.LoadConfig(edited(t, sim, func(*config.Config) {}), "")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Context != "turingpi" || len(cfg.Contexts) != 1 || len(cfg.Endpoints) != 2 || len(cfg.Nodes) != 4 ||
		!strings.Contains(string(cfg.CA), "BEGIN CERTIFICATE") ||
		!slices.Equal(cfg.Roles, []string{"os:admin"}) ||
		time.Until(cfg.NotAfter) < 24*time.Hour || time.Since(cfg.NotBefore) < 0 {
		t.Errorf("%+v", cfg)
	}
}

func TestLoadConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	only := func(change func(*config.Context)) func(*config.Config) {
		return func(c *config.Config) { change(c.Contexts["turingpi"]) }
	}
	for name, tc := range map[string]struct {
		path, context string
		kind          cluster.TroubleKind
		says          []string
	}{
		"missing file":     {filepath.Join(t.TempDir(), "none"), "", cluster.TroubleMissingFile, []string{"none", "--talosconfig"}},
		"a directory":      {t.TempDir(), "", cluster.TroubleBadFile, []string{"cannot be read"}},
		"empty":            {write(t, nil), "", cluster.TroubleBadFile, []string{"empty"}},
		"broken YAML":      {write(t, []byte("context: a\ncontexts:\n    a:\n  b: [\n")), "", cluster.TroubleBadFile, []string{"talosconfig:", "YAML"}},
		"wrong type":       {write(t, []byte("context: a\ncontexts:\n  a:\n    endpoints: 5\n")), "", cluster.TroubleBadFile, []string{"talosconfig:4", "YAML"}},
		"no contexts":      {write(t, []byte("context: a\n")), "", cluster.TroubleBadFile, []string{"no contexts"}},
		"unknown context":  {edited(t, sim, func(*config.Config) {}), "turingp", cluster.TroubleBadFile, []string{`"turingp"`, `did you mean "turingpi"`}},
		"no endpoints":     {edited(t, sim, only(func(c *config.Context) { c.Endpoints = nil })), "", cluster.TroubleBadFile, []string{"no endpoints", "talosctl config endpoint"}},
		"bad CA":           {edited(t, sim, only(func(c *config.Context) { c.CA = "bm90IFBFTQ==" })), "", cluster.TroubleBadFile, []string{"CA"}},
		"bad certificate":  {edited(t, sim, only(func(c *config.Context) { c.Crt = "%%" })), "", cluster.TroubleBadFile, []string{"certificate"}},
		"key of another":   {edited(t, sim, only(func(c *config.Context) { c.Key = otherKey(t, sim) })), "", cluster.TroubleBadFile, []string{"key"}},
		"no certificate":   {edited(t, sim, only(func(c *config.Context) { c.Crt, c.Key = "", "" })), "", cluster.TroubleBadFile, []string{"certificate"}},
		"another sign-in":  {edited(t, sim, only(func(c *config.Context) { c.Auth.SideroV1 = &config.SideroV1{Identity: "x"} })), "", cluster.TroubleBadFile, []string{"Omni"}},
		"no choice at all": {edited(t, sim, func(c *config.Config) { c.Context = ""; c.Contexts["b"] = c.Contexts["turingpi"] }), "", cluster.TroubleBadFile, []string{"b, turingpi"}},
	} {
		cfg, err := talosapi.LoadConfig(tc.path, tc.context)
		if kindOf(err) != tc.kind || cfg != nil {
			t.Errorf("%s: %v, config %v", name, err, cfg)
			continue
		}
		for _, s := range tc.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %q does not say %q", name, err, s)
			}
		}
	}
}

func otherKey(t *testing.T, sim *talosd.Cluster) string {
	t.Helper()
	raw, err := sim.Talosconfig(role.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	return conf.Contexts["turingpi"].Key
}

func TestExpiredCertificateIsToldWithItsDate(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	until := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	raw, err := sim.TalosconfigUntil(role.Admin, nil, until)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := talosapi.LoadConfig(write(t, raw), "")
	var trouble *cluster.Trouble
	if !errors.As(err, &trouble) || trouble.Kind != cluster.TroubleExpired || !trouble.Until.Equal(until) || !strings.Contains(trouble.What, "2026-10-01 12:00") {
		t.Errorf("told %+v", err)
	}
	if cfg == nil || cfg.Context != "turingpi" {
		t.Fatal("the config is not there to be shown")
	}
	c, err := talosapi.Open(cfg, talosapi.Options{Dial: sim.Dialer(), CallTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Services(t.Context(), node1); kindOf(err) != cluster.TroubleExpired {
		t.Errorf("a call says %v", err)
	}
}

func TestTheFileIsNotCreated(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "talosconfig")
	if _, err := talosapi.LoadConfig(path, ""); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there now: %v", err)
	}
}
