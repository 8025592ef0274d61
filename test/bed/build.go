package bed

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// recipe is this file: how the binaries are made is part of what they are made from.
//
//go:embed build.go
var recipe string

// tools are the packages of the components module that are built as they are; the
// names of their binaries are the last parts of their paths.
var tools = []string{
	"./cmd/kubeall",
	"./cmd/gitserve",
	"sigs.k8s.io/kwok/cmd/kwok",
	"github.com/fluxcd/source-controller",
	"github.com/fluxcd/kustomize-controller",
	"github.com/fluxcd/helm-controller",
	"github.com/fluxcd/notification-controller",
}

const fluxModule = "github.com/fluxcd/flux2/v2"

// kubeallNames are the programs that the binary kubeall is.
var kubeallNames = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "etcd"}

// extracts are files that a bed takes from its components' modules.
var extracts = []struct{ module, glob, dir string }{
	{"sigs.k8s.io/kwok", "kustomize/stage/node/fast/node-*.yaml", "kwok-stages"},
	{"sigs.k8s.io/kwok", "kustomize/stage/node/heartbeat-with-lease/node-*.yaml", "kwok-stages"},
	{"github.com/fluxcd/source-controller", "config/crd/bases/*.yaml", "crds"},
	{"github.com/fluxcd/kustomize-controller", "config/crd/bases/*.yaml", "crds"},
	{"github.com/fluxcd/helm-controller", "config/crd/bases/*.yaml", "crds"},
	{"github.com/fluxcd/notification-controller", "config/crd/bases/*.yaml", "crds"},
}

// linkerFlags give the Kubernetes binaries the version that they report.
func linkerFlags() string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(KubernetesVersion, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, v := range [][2]string{
			{"gitVersion", KubernetesVersion}, {"gitMajor", major}, {"gitMinor", minor}, {"gitTreeState", "clean"},
		} {
			flags += fmt.Sprintf(" -X %s.%s=%s", pkg, v[0], v[1])
		}
	}
	return flags
}

// Binaries is the folder of the binaries for the present sources; an error that
// says how to build them if they are not there.
func Binaries() (string, error) {
	dir, _, err := binaries()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("the bed's binaries are not built (go run ./cmd/bed build, in test/bed): %w", err)
	}
	return dir, nil
}

// Build makes the binaries, unless they are there, and returns their folder. It
// needs Go, and the network (or a filled module cache) the first time. Progress
// and the compiler's messages go to log, which may be nil.
func Build(ctx context.Context, log io.Writer) (string, error) {
	dir, src, err := binaries()
	if err != nil {
		return "", err
	}
	say := logger(log)
	if _, err := os.Stat(dir); err == nil {
		say("built already: %s", dir)
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".building-")
	if err != nil {
		return "", err
	}
	say("building %d programs, which takes about 20 CPU minutes the first time", len(tools))
	if err := buildInto(ctx, src, tmp, log); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, gone := os.Stat(dir); gone != nil {
			return "", errors.Join(err, os.RemoveAll(tmp))
		}
		return dir, os.RemoveAll(tmp) // another build was faster
	}
	say("built: %s", dir)
	return dir, nil
}

func buildInto(ctx context.Context, src, dir string, log io.Writer) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=" + linkerFlags(), "-o", dir + string(filepath.Separator)}
	cmd := goCommand(ctx, src, append(args, tools...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build in %s: %w", src, err)
	}
	for _, name := range kubeallNames {
		if err := os.Symlink("kubeall", filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := buildFlux(ctx, src, dir, log); err != nil {
		return fmt.Errorf("the flux command: %w", err)
	}
	return extractFiles(ctx, src, dir)
}

// buildFlux builds the flux command. Its module lacks the manifests that its
// sources embed (flux install is all that uses them), so it is built from a copy
// with a placeholder, which a go.mod beside the copy puts in the module's place.
func buildFlux(ctx context.Context, src, dir string, log io.Writer) error {
	work, err := os.MkdirTemp("", "bed-flux-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	flux, err := download(ctx, src, fluxModule)
	if err != nil {
		return err
	}
	copied := filepath.Join(work, "flux2")
	if err := os.CopyFS(copied, os.DirFS(flux.Dir)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(copied, "cmd", "flux", "manifests"), 0o700); err != nil {
		return err
	}
	placeholder := filepath.Join(copied, "cmd", "flux", "manifests", "placeholder.yaml")
	if err := os.WriteFile(placeholder, []byte("{}\n"), 0o600); err != nil {
		return err
	}
	if err := copyFiles(work, []string{filepath.Join(src, "go.mod"), filepath.Join(src, "go.sum")}); err != nil {
		return err
	}
	modfile := filepath.Join(work, "go.mod")
	version := "-X main.VERSION=" + strings.TrimPrefix(flux.Version, "v")
	steps := [][]string{
		{"mod", "edit", "-replace=" + fluxModule + "=" + copied, modfile},
		{"build", "-modfile=" + modfile, "-trimpath", "-buildvcs=false", "-ldflags=-s -w " + version, "-o", filepath.Join(dir, "flux"), fluxModule + "/cmd/flux"},
	}
	for _, args := range steps {
		cmd := goCommand(ctx, src, args...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go %s: %w", args[0], err)
		}
	}
	return nil
}

// module is what go mod download says of a module.
type module struct{ Dir, Version string }

// download finds a module of the components in the module cache, or fetches it.
func download(ctx context.Context, src, path string) (module, error) {
	out, err := goCommand(ctx, src, "mod", "download", "-json", path).Output()
	if err != nil {
		return module{}, fmt.Errorf("go mod download %s: %w", path, err)
	}
	var m module
	if err := json.Unmarshal(out, &m); err != nil {
		return module{}, fmt.Errorf("go mod download %s: %w", path, err)
	}
	return m, nil
}

func extractFiles(ctx context.Context, src, dir string) error {
	for _, e := range extracts {
		m, err := download(ctx, src, e.module)
		if err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(m.Dir, filepath.FromSlash(e.glob)))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("%s has no %s (%w)", e.module, e.glob, err)
		}
		if err := copyFiles(filepath.Join(dir, e.dir), files); err != nil {
			return err
		}
	}
	return nil
}

func copyFiles(dir string, files []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, filepath.Base(f)), data); err != nil {
			return err
		}
	}
	return nil
}

// goCommand runs go in the components module, whatever workspace is around it.
func goCommand(ctx context.Context, src string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return cmd
}

// binaries returns the folder for the binaries, named by a hash of all that they
// are made from, and the folder of the components module.
func binaries() (dir, src string, err error) {
	if src, err = componentsDir(); err != nil {
		return "", "", err
	}
	hash, err := sourceHash(src)
	if err != nil {
		return "", "", err
	}
	cache, err := Cache()
	return filepath.Join(cache, "bin", hash), src, err
}

// componentsDir finds the components module: beside this file where it was
// compiled, or from the working directory upwards.
func componentsDir() (string, error) {
	var candidates []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		candidates = append(candidates, filepath.Join(filepath.Dir(file), "components"))
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		candidates = append(candidates, filepath.Join(dir, "components"), filepath.Join(dir, "test", "bed", "components"))
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for _, c := range candidates {
		if _, err := os.Stat(filepath.Join(c, "cmd", "kubeall", "main.go")); err == nil {
			return c, nil
		}
	}
	return "", fmt.Errorf("the sources of the bed's components are not found from %s upwards", wd)
}

func sourceHash(src string) (string, error) {
	var files []string
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	sort.Strings(files)
	h := sha256.New()
	_, _ = fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH, linkerFlags(), recipe)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		name, err := filepath.Rel(src, f)
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintln(h, filepath.ToSlash(name), len(data))
		_, _ = h.Write(data)
	}
	return fmt.Sprintf("%x", h.Sum(nil))[:16], nil
}
