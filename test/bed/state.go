package bed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// state is what a bed remembers on disk, in state.json of its folder.
type state struct {
	Bin   string         `json:"bin"`
	Ports map[string]int `json:"ports"`
	Procs []process      `json:"processes"`

	mu   sync.Mutex
	path string
}

// portNames are the listeners of a bed, each on a loopback port of its own.
var portNames = []string{
	"api", "etcd", "etcd-peer", "controller-manager", "scheduler", "kubelet", "git",
	"notification-events", "notification-receiver", "source-storage",
	"notification-health", "source-health", "kustomize-health", "helm-health",
}

func readState(dir string) (*state, error) {
	s := &state{path: filepath.Join(dir, "state.json")}
	data, err := os.ReadFile(s.path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return s, nil
}

// newState reuses the ports of an earlier bed in the folder while they are free,
// so that a kubeconfig stays valid over a restart.
func newState(dir, bin string) (*state, error) {
	s, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = &state{path: filepath.Join(dir, "state.json")}, nil
	}
	if err != nil {
		return nil, err
	}
	s.Bin, s.Procs = bin, nil
	if s.Ports, err = choosePorts(s.Ports); err != nil {
		return nil, err
	}
	return s, s.save()
}

func choosePorts(wanted map[string]int) (map[string]int, error) {
	ports := map[string]int{}
	var open []net.Listener
	defer func() {
		for _, l := range open {
			_ = l.Close()
		}
	}()
	for _, name := range portNames {
		l, err := listenLoopback(wanted[name])
		if err != nil {
			return nil, fmt.Errorf("no free port on loopback for %s: %w", name, err)
		}
		open = append(open, l)
		ports[name] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// Ports come from below the range from which systems take those of outgoing
// connections. Out of that range, a client that keeps dialling a stopped API server
// would sooner or later be given the server's own port, and be connected to itself.
const firstPort, lastPort = 20000, 29999

// listenLoopback listens on the wanted port, or on any free one if that is taken
// or 0.
func listenLoopback(port int) (net.Listener, error) {
	var lc net.ListenConfig
	var last error
	for range 100 {
		if port == 0 {
			port = firstPort + rand.IntN(lastPort-firstPort+1)
		}
		l, err := lc.Listen(context.Background(), "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l, nil
		}
		port, last = 0, err
	}
	return nil, last
}

func (s *state) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.path, append(data, '\n'))
}

// add records a process, replacing an older one of the same name.
func (s *state) add(p process) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Procs = slices.DeleteFunc(s.Procs, func(q process) bool { return q.Name == p.Name })
	s.Procs = append(s.Procs, p)
	return s.save()
}

func (s *state) find(name string) (process, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.Procs, func(p process) bool { return p.Name == name })
	if i < 0 {
		return process{}, false
	}
	return s.Procs[i], true
}

// alive lists the recorded processes that run, in the order of their start.
func (s *state) alive() []process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []process
	for _, p := range s.Procs {
		if p.alive() {
			out = append(out, p)
		}
	}
	return out
}

// lock keeps a second start out of a bed's folder until it is closed.
func lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: another start is under way: %w", dir, err), f.Close())
	}
	return f, nil
}

// writeFile replaces a file as a whole, readable by its owner alone.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
