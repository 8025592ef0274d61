package bed

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

// kubeconfigText is a kubeconfig with everything embedded: server, authority,
// certificate, key, and the name of user and context.
const kubeconfigText = `apiVersion: v1
kind: Config
clusters:
- name: turingpi
  cluster:
    server: https://127.0.0.1:%[1]d
    certificate-authority-data: %[2]s
users:
- name: %[5]s
  user:
    client-certificate-data: %[3]s
    client-key-data: %[4]s
contexts:
- name: %[5]s
  context:
    cluster: turingpi
    user: %[5]s
current-context: %[5]s
`

func (b *Bed) writeKubeconfigs() error {
	for _, k := range []struct{ file, cert, context string }{
		{"kubeconfig", "admin", Context},
		{"controller-manager.kubeconfig", "controller-manager", "controller-manager"},
		{"scheduler.kubeconfig", "scheduler", "scheduler"},
	} {
		text, err := b.kubeconfig(k.cert, k.context)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(b.dir, k.file), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bed) kubeconfig(cert, context string) (string, error) {
	var data [3]string
	for i, path := range []string{b.pki().crt("ca"), b.pki().crt(cert), b.pki().key(cert)} {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		data[i] = base64.StdEncoding.EncodeToString(raw)
	}
	return fmt.Sprintf(kubeconfigText, b.state.Ports["api"], data[0], data[1], data[2], context), nil
}
