package talosapi

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	clusterres "github.com/siderolabs/talos/pkg/machinery/resources/cluster"
	"github.com/siderolabs/talos/pkg/machinery/resources/k8s"
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
	Via  string // the endpoint (host:port) that told
	ID   string // the cluster's id in discovery
	Name string
	// KubernetesCA is the CA that signs the Kubernetes API's certificate, in PEM;
	// nil: this role may not know it.
	KubernetesCA []byte
	// KubernetesCAFingerprint is the SHA-256 of that CA in lower-case hex.
	KubernetesCAFingerprint string
	// KubernetesEndpoint is the URL of the Kubernetes API as configured.
	KubernetesEndpoint string
	// KubernetesHosts are the hosts that the nodes themselves reach the Kubernetes
	// API by (KubePrism); every role may know them.
	KubernetesHosts []string
	// Source says where the CA and the endpoint come from.
	Source string
	// CAErr says why the CA is not known; nil: it is.
	CAErr *cluster.Trouble
	// Members as the endpoint's node lists them.
	Members []cluster.Member
}

var (
	clusterInfos    = kind{clusterres.NamespaceName, clusterres.InfoType}
	memberKind      = kind{clusterres.NamespaceName, clusterres.MemberType}
	kubernetesRoots = kind{secrets.NamespaceName, secrets.KubernetesRootType}
	kubePrism       = kind{k8s.NamespaceName, k8s.KubePrismEndpointsType}
)

// Identity reads who the cluster is from a healthy endpoint. Its error is a
// *cluster.Trouble and says that no endpoint answered; what this role may not
// know is empty in the answer.
func (c *Client) Identity(ctx context.Context) (ClusterIdentity, error) {
	var id ClusterIdentity
	via, err := c.read(ctx, "", func(ctx context.Context, conn *grpc.ClientConn) error {
		id = ClusterIdentity{}
		info, err := get[*clusterres.Info](ctx, conn, clusterInfos, clusterres.InfoID)
		if err == nil {
			id.ID, id.Name = feed.Clean(info.TypedSpec().ClusterID), feed.Clean(info.TypedSpec().ClusterName)
		} else if unreachable(err) {
			return err
		}
		id.readHosts(ctx, conn)
		id.readMembers(ctx, conn)
		return id.readCA(ctx, conn)
	})
	if err != nil {
		return ClusterIdentity{}, Explain(err, "the Talos API")
	}
	id.Via = via
	return id, nil
}

func (id *ClusterIdentity) readHosts(ctx context.Context, conn *grpc.ClientConn) {
	r, err := get[*k8s.KubePrismEndpoints](ctx, conn, kubePrism, k8s.KubePrismEndpointsID)
	if err != nil {
		return
	}
	for _, e := range r.TypedSpec().Endpoints {
		id.KubernetesHosts = append(id.KubernetesHosts, feed.Clean(e.Host))
	}
}

func (id *ClusterIdentity) readMembers(ctx context.Context, conn *grpc.ClientConn) {
	raws, err := listRaw(ctx, conn, memberKind)
	if err != nil {
		return
	}
	id.Members = membersOf(byID(raws))
}

// readCA takes the CA from the root secrets, else from a kubeconfig that the node
// makes; both take os:admin.
func (id *ClusterIdentity) readCA(ctx context.Context, conn *grpc.ClientConn) error {
	root, err := get[*secrets.KubernetesRoot](ctx, conn, kubernetesRoots, secrets.KubernetesRootID)
	if err == nil {
		spec := root.TypedSpec()
		if spec.Endpoint != nil {
			id.KubernetesEndpoint = feed.Clean(spec.Endpoint.String())
		}
		if spec.IssuingCA != nil && id.setCA(spec.IssuingCA.Crt) {
			id.Source = "the cluster's root secrets"
			return nil
		}
		err = errEmpty
	}
	if unreachable(err) {
		return err
	}
	made, err := fetchKubeconfig(ctx, conn)
	if err == nil {
		server, ca, perr := parseKubeconfig(made)
		if perr == nil && id.setCA(ca) {
			id.KubernetesEndpoint, id.Source = server, "a kubeconfig made by the node"
			return nil
		}
		err = errors.Join(errEmpty, perr)
	}
	if unreachable(err) {
		return err
	}
	id.CAErr = Explain(err, "the Kubernetes CA through the Talos API:")
	return nil
}

func (id *ClusterIdentity) setCA(ca []byte) bool {
	block, _ := pem.Decode(ca)
	if block == nil {
		return false
	}
	sum := sha256.Sum256(block.Bytes)
	id.KubernetesCA, id.KubernetesCAFingerprint = bytes.Clone(ca), hex.EncodeToString(sum[:])
	return true
}

// EndpointHost is the host of the Kubernetes API's URL; empty: not known.
func (id *ClusterIdentity) EndpointHost() string {
	u, err := url.Parse(id.KubernetesEndpoint)
	if err != nil {
		return ""
	}
	return u.Hostname()
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
	ca, err = base64.StdEncoding.DecodeString(strings.TrimSpace(first.CA))
	if err != nil {
		return "", nil, fmt.Errorf("parse kubeconfig: %w", err)
	}
	return feed.Clean(first.Server), ca, nil
}
