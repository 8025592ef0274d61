package talosd

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// files are those that can be read of a machine, with their contents.
func (n *Node) files() map[string]string {
	return map[string]string{
		"/proc/sys/kernel/random/boot_id": n.BootID() + "\n",
		"/etc/hostname":                   n.spec.Name + "\n",
		"/etc/machine-id":                 n.MachineID() + "\n",
		"/etc/os-release": fmt.Sprintf("NAME=\"Talos\"\nID=talos\nVERSION_ID=%[1]s\nPRETTY_NAME=\"Talos (%[1]s)\"\nHOME_URL=\"https://www.talos.dev/\"\n",
			n.spec.Talos),
		"/proc/cmdline": kernelCmdline + "\n",
		"/proc/version": n.kernelVersion() + "\n",
	}
}

// dirs are the directories that lead to the files.
func (n *Node) dirs() []string {
	out := []string{"/"}
	for name := range n.files() {
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Read streams a file.
func (m *machineServer) Read(req *machine.ReadRequest, s machine.MachineService_ReadServer) error {
	n := targetOf(s.Context()).node
	name := path.Clean(req.GetPath())
	if slices.Contains(n.dirs(), name) {
		return fmt.Errorf("path must be a regular file")
	}
	content, ok := n.files()[name]
	if !ok {
		return status.Errorf(codes.NotFound, "stat %s: no such file or directory (this cluster simulates a few files only)", name)
	}
	return sendChunks([]byte(content), func(b []byte) error { return s.Send(&common.Data{Bytes: b}) })
}

func sendChunks(content []byte, send func([]byte) error) error {
	for part := range slices.Chunk(content, chunkSize) {
		if err := send(part); err != nil {
			return err
		}
	}
	return nil
}

// List lists the files that Read can read, and the directories above them.
func (m *machineServer) List(req *machine.ListRequest, s machine.MachineService_ListServer) error {
	n := targetOf(s.Context()).node
	root := path.Clean("/" + req.GetRoot())
	files := n.files()
	names := n.dirs()
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Contains(names, root) {
		return s.Send(&machine.FileInfo{Name: root, RelativeName: root, Error: fmt.Sprintf("lstat %s: no such file or directory", root)})
	}
	for _, name := range names {
		info, ok := listed(req, root, name)
		if !ok {
			continue
		}
		content, isFile := files[name]
		info.Size, info.Modified = int64(len(content)), targetOf(s.Context()).life.boot.Unix()
		info.Mode = 0o444
		if !isFile {
			info.IsDir, info.Size, info.Mode = true, 60, uint32(os.ModeDir|0o755)
		}
		if err := s.Send(info); err != nil {
			return err
		}
	}
	return nil
}

// listed tells whether a file belongs into a list, and how it is called there.
func listed(req *machine.ListRequest, root, name string) (*machine.FileInfo, bool) {
	if name == root {
		return &machine.FileInfo{Name: name, RelativeName: "."}, true
	}
	relative, ok := strings.CutPrefix(name, strings.TrimSuffix(root, "/")+"/")
	if !ok {
		return nil, false
	}
	depth := 1 + strings.Count(relative, "/")
	limit := 1
	if req.GetRecurse() {
		limit = int(req.GetRecursionDepth())
	}
	return &machine.FileInfo{Name: name, RelativeName: relative}, limit == 0 || depth <= limit
}

// Kubeconfig streams the admin kubeconfig as a tar.gz with one file.
func (m *machineServer) Kubeconfig(_ *emptypb.Empty, s machine.MachineService_KubeconfigServer) error {
	if err := targetOf(s.Context()).node.etcdOnly("kubeconfig"); err != nil {
		return err
	}
	if m.c.opts.Kubeconfig == nil {
		return status.Error(codes.Unimplemented, "this cluster has no Kubernetes side")
	}
	archive, err := m.c.packKubeconfig(s.Context())
	if err != nil {
		return err
	}
	return sendChunks(archive, func(b []byte) error { return s.Send(&common.Data{Bytes: b}) })
}

func (c *Cluster) packKubeconfig(ctx context.Context) ([]byte, error) {
	content, err := c.opts.Kubeconfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("making the kubeconfig: %w", err)
	}
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zip)
	head := &tar.Header{Typeflag: tar.TypeReg, Name: "kubeconfig", Size: int64(len(content)), Mode: 0o600, ModTime: c.now()}
	if err := archive.WriteHeader(head); err != nil {
		return nil, fmt.Errorf("packing the kubeconfig: %w", err)
	}
	if _, err := archive.Write(content); err != nil {
		return nil, fmt.Errorf("packing the kubeconfig: %w", err)
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("packing the kubeconfig: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("packing the kubeconfig: %w", err)
	}
	return buf.Bytes(), nil
}
