package e2e

import (
	"fmt"
	"regexp"
	"testing"
)

func TestOverview(t *testing.T) {
	for _, size := range []struct {
		w, h    int
		header  []string // what there is room for
		columns []string
	}{
		{80, 24, []string{"turingpi", "Talos v1.13.9…v1.14.0", "etcd 2/2 ●", "flux "}, []string{"STAGE", "K8S", "CPU", "MEM"}},
		{120, 40, []string{"turingpi", "Talos v1.13.9…v1.14.0", "k8s v1.37.2", "etcd 2/2 ●", "leader talos-test01", "flux "}, []string{"STAGE", "DISK", "PODS", "ADDRESS"}},
		{200, 50, []string{"turingpi", "127.0.0.1:", "k8s v1.37.2", "etcd 2/2 ●", "leader talos-test01"}, []string{"UPTIME", "MESSAGE", "boot id"}},
	} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			t.Parallel()
			c := demoOf(t, "turingpi", size.w, size.h)
			c.seesRow("talos-test01", "cp ★", "running", "Ready", "%")
			c.seesRow("talos-test02", "cp", "running", "Ready", "%")
			c.seesRow("talos-test03", "wk", "running", "Ready", "%")
			c.seesRow("talos-test04", "wk", "running", "Ready", "%")
			c.seesRow("1 Nodes", "4")
			c.seesRow("2 Logs", "kubelet", "talos-test", "● follow")
			c.seesRow("3 Flux", "●")
			c.seesRow(append(size.header, ":")...)
			c.sees(size.columns...)
			c.wait("log lines", logLine.MatchString)
			c.seesRow("enter open", "? keys", "q quit")
			c.whole()
		})
	}
}

// logLine is a line of the kubelet as the Logs pane shows it.
var logLine = regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d{3})? [IWE] \w`)
