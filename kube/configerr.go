package kube

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// shape is as much of a kubeconfig as is needed to name the line where it is broken.
type shape struct {
	Clusters []struct {
		Name    string         `yaml:"name"`
		Cluster map[string]any `yaml:"cluster"`
	} `yaml:"clusters"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster   string `yaml:"cluster"`
			User      string `yaml:"user"`
			Namespace string `yaml:"namespace"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Users []struct {
		Name string         `yaml:"name"`
		User map[string]any `yaml:"user"`
	} `yaml:"users"`
	CurrentContext string `yaml:"current-context"`
}

// checkShape finds what is wrong with the YAML, with its line, before clientcmd
// says it without one.
func checkShape(path string, data []byte) error {
	var s shape
	if err := yaml.Unmarshal(data, &s); err != nil {
		return badFile(path, err)
	}
	return nil
}

var lineIn = regexp.MustCompile(`line (\d+): ?`)

// badFile names the file, the line where there is one, and the reason.
func badFile(path string, err error) *cluster.Trouble {
	reason := err.Error()
	if e := new(yaml.TypeError); errors.As(err, &e) && len(e.Errors) > 0 {
		reason = e.Errors[0]
	}
	t := &cluster.Trouble{Kind: cluster.TroubleBadFile, Raw: feed.Clean(err.Error()), Do: "correct the file or take another one"}
	where := path
	if m := lineIn.FindStringSubmatchIndex(reason); m != nil {
		where += ":" + reason[m[2]:m[3]]
		reason = strings.TrimSpace(reason[:m[0]] + reason[m[1]:])
	}
	reason = strings.TrimPrefix(reason, "yaml: ")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Kind, reason = cluster.TroubleMissingFile, "the file does not exist"
	case errors.Is(err, fs.ErrPermission):
		reason = "the file may not be read"
	}
	t.What = feed.Clean(fmt.Sprintf("%s: %s", where, reason))
	return t
}

// badPEM says that a certificate cannot be parsed; file is empty for one written inline.
func badPEM(path, file, which string) *cluster.Trouble {
	if file != "" {
		path = file
	}
	return &cluster.Trouble{
		Kind: cluster.TroubleBadFile,
		What: feed.Clean(fmt.Sprintf("%s: %s is not a PEM certificate", path, which)),
		Do:   "fetch the kubeconfig again",
	}
}
