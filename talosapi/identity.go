package talosapi

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/resources/secrets"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// ClusterIdentity is what Talos tells of the cluster that it runs, to prove that a
// kubeconfig is of the same one. Empty fields are not known.
type ClusterIdentity struct {
	// KubernetesCA are the CAs that the Kubernetes API's certificate may be signed
	// by, in PEM: the present one, and while it is being rotated the accepted ones
	// beside it; nil: this role may not know it.
	KubernetesCA []byte
	// KubernetesEndpoint is the URL of the Kubernetes API as configured.
	KubernetesEndpoint string
	// CAErr says why the CA is not known; nil: it is.
	CAErr *cluster.Trouble
}

var kubernetesRoots = kind{secrets.NamespaceName, secrets.KubernetesRootType}

// Identity reads who the cluster is from a healthy endpoint: from the root
// secrets, else from a kubeconfig that the node makes; both take os:admin. Its
// error is a *cluster.Trouble and says that no endpoint answered; what this role
// may not know is empty in the answer.
func (c *Client) Identity(ctx context.Context) (ClusterIdentity, error) {
	var id ClusterIdentity
	_, err := c.read(ctx, "", func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		id, err = readIdentity(ctx, conn)
		return err
	})
	if err != nil {
		return ClusterIdentity{}, Explain(err, "the Talos API")
	}
	return id, nil
}

func readIdentity(ctx context.Context, conn *grpc.ClientConn) (ClusterIdentity, error) {
	id, err := identityOfRoot(ctx, conn)
	if err == nil || unreachable(err) {
		return id, err
	}
	made, err := fetchKubeconfig(ctx, conn)
	if err == nil {
		id.KubernetesEndpoint, id.KubernetesCA, err = parseKubeconfig(made)
	}
	switch {
	case unreachable(err):
		return ClusterIdentity{}, err
	case err != nil:
		return ClusterIdentity{CAErr: Explain(err, "the Kubernetes CA through the Talos API:")}, nil
	}
	return id, nil
}

// identityOfRoot reads the root secrets and keeps the public part.
func identityOfRoot(ctx context.Context, conn *grpc.ClientConn) (ClusterIdentity, error) {
	root, err := get[*secrets.KubernetesRoot](ctx, conn, kubernetesRoots, secrets.KubernetesRootID)
	if err != nil {
		return ClusterIdentity{}, err
	}
	return identityOf(root.TypedSpec())
}

func identityOf(spec *secrets.KubernetesRootSpec) (id ClusterIdentity, err error) {
	if spec.Endpoint != nil {
		id.KubernetesEndpoint = feed.Clean(spec.Endpoint.String())
	}
	if spec.IssuingCA == nil || len(spec.IssuingCA.Crt) == 0 {
		return ClusterIdentity{}, errEmpty
	}
	id.KubernetesCA = certificatesOf(spec.IssuingCA.Crt)
	for _, ca := range spec.AcceptedCAs {
		id.KubernetesCA = append(id.KubernetesCA, certificatesOf(ca.Crt)...)
	}
	if len(id.KubernetesCA) == 0 {
		return ClusterIdentity{}, errEmpty
	}
	return id, nil
}

// certificatesOf are the certificates of a PEM bundle, and nothing else that is in it.
func certificatesOf(bundle []byte) []byte {
	var out []byte
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return out
		}
		if block.Type == "CERTIFICATE" {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
		}
	}
}

// Kubeconfig fetches a kubeconfig with administrator rights, which a control plane
// makes on demand. It takes os:admin. The error is a *cluster.Trouble.
func (c *Client) Kubeconfig(ctx context.Context) ([]byte, error) {
	var out []byte
	_, err := c.read(ctx, "", func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		out, err = fetchKubeconfig(ctx, conn)
		return err
	})
	if err != nil {
		return nil, Explain(err, "the kubeconfig through the Talos API")
	}
	return out, nil
}

// maxKubeconfig bounds the archive and the file in it.
const maxKubeconfig = 1 << 20

func fetchKubeconfig(ctx context.Context, conn *grpc.ClientConn) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := machineapi.NewMachineServiceClient(conn).Kubeconfig(ctx, &emptypb.Empty{})
	if err != nil {
		return nil, err
	}
	archive, err := gather(stream, maxKubeconfig)
	if err != nil {
		return nil, err
	}
	return unpack(archive)
}

// unpack reads the one file in a .tar.gz.
func unpack(archive []byte) ([]byte, error) {
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("unpack kubeconfig: %w", err)
	}
	files := tar.NewReader(plain)
	for {
		head, err := files.Next()
		if err != nil {
			return nil, fmt.Errorf("unpack kubeconfig: %w", err)
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		out, err := io.ReadAll(io.LimitReader(files, maxKubeconfig))
		if err != nil {
			return nil, fmt.Errorf("unpack kubeconfig: %w", err)
		}
		return out, nil
	}
}

// parseKubeconfig gives the server and the CA (PEM) of a kubeconfig's first cluster.
func parseKubeconfig(data []byte) (server string, ca []byte, err error) {
	var file struct {
		Clusters []struct {
			Cluster struct {
				Server string `yaml:"server"`
				CA     string `yaml:"certificate-authority-data"`
			} `yaml:"cluster"`
		} `yaml:"clusters"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return "", nil, fmt.Errorf("parse kubeconfig: %w", err)
	}
	if len(file.Clusters) == 0 {
		return "", nil, errors.New("parse kubeconfig: no cluster")
	}
	first := file.Clusters[0].Cluster
	bundle, err := base64.StdEncoding.DecodeString(strings.TrimSpace(first.CA))
	if err != nil {
		return "", nil, fmt.Errorf("parse kubeconfig: %w", err)
	}
	if ca = certificatesOf(bundle); len(ca) == 0 {
		return "", nil, errEmpty
	}
	return feed.Clean(first.Server), ca, nil
}
