package kube

import (
	"os"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/talos-cockpit/talos-cockpit/feed"
)

// pluginOutput is the file that receives the standard error of a credential
// plugin. The plugin must not write to the terminal, which the cockpit owns,
// yet its last words are the reason when it fails. A nil pluginOutput is none.
type pluginOutput struct{ path string }

// quietScript runs the rest of its arguments with standard error in the file
// named first; the file starts anew with each run.
const quietScript = `out=$1; shift; exec "$@" 2>"$out"`

// quietPlugin makes the credential plugin of rc, if there is one, run without
// the terminal: no standard input, and standard error in a file.
func quietPlugin(rc *rest.Config) (*pluginOutput, error) {
	if rc.ExecProvider == nil {
		return nil, nil
	}
	f, err := os.CreateTemp("", "talos-cockpit-plugin-*")
	if err != nil {
		return nil, err
	}
	out := &pluginOutput{path: f.Name()}
	if err := f.Close(); err != nil {
		return out, err
	}
	p := rc.ExecProvider.DeepCopy()
	p.StdinUnavailable = true
	p.StdinUnavailableMessage = "the cockpit owns the terminal"
	p.Args = append([]string{"-c", quietScript, "sh", out.path, p.Command}, p.Args...)
	p.Command = "sh"
	rc.ExecProvider = p
	return out, nil
}

const pluginTail = 2048 // bytes of the plugin's output that an error shows

// said is the end of what the plugin wrote in its last run.
func (p *pluginOutput) said() string {
	if p == nil {
		return ""
	}
	data, err := os.ReadFile(p.path)
	if err != nil {
		return ""
	}
	if len(data) > pluginTail {
		data = data[len(data)-pluginTail:]
	}
	return strings.TrimSpace(feed.Clean(string(data)))
}

func (p *pluginOutput) close() {
	if p != nil {
		_ = os.Remove(p.path) // it is in the temporary directory, and empty of secrets
	}
}
