package talosd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	cosi "github.com/cosi-project/runtime/api/v1alpha1"
	"github.com/cosi-project/runtime/pkg/resource"
	"github.com/cosi-project/runtime/pkg/resource/meta"
	"github.com/cosi-project/runtime/pkg/resource/meta/spec"
	"github.com/cosi-project/runtime/pkg/safe"
	"github.com/cosi-project/runtime/pkg/state"
	"github.com/cosi-project/runtime/pkg/state/impl/inmem"
	"github.com/cosi-project/runtime/pkg/state/impl/namespaced"
	"github.com/cosi-project/runtime/pkg/state/protobuf/server"
	"github.com/cosi-project/runtime/pkg/state/registry"
	"github.com/siderolabs/talos/pkg/machinery/resources/cluster"
	"github.com/siderolabs/talos/pkg/machinery/resources/config"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"github.com/siderolabs/talos/pkg/machinery/resources/v1alpha1"
	"github.com/siderolabs/talos/pkg/machinery/role"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// metaState is what all nodes of one Talos version share: the namespaces and
// the definitions of the resource types.
type metaState struct {
	core        state.CoreState
	sensitivity map[string]spec.Sensitivity // by lower-case type
	namespaces  map[resource.Namespace]bool
}

// metaOf returns the definitions of a Talos version, building them once.
func (c *Cluster) metaOf(version string) (*metaState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprint(minor(version))
	if m, ok := c.meta[key]; ok {
		return m, nil
	}
	m, err := newMetaState(minor(version))
	if err != nil {
		return nil, err
	}
	c.meta[key] = m
	return m, nil
}

func newMetaState(minor int) (*metaState, error) {
	ctx := context.Background() // the store is memory: nothing waits
	core := inmem.NewStateWithOptions(inmem.WithHistoryInitialCapacity(16), inmem.WithHistoryMaxCapacity(512), inmem.WithHistoryGap(2))(meta.NamespaceName)
	m := &metaState{core: core, sensitivity: map[string]spec.Sensitivity{}, namespaces: map[resource.Namespace]bool{meta.NamespaceName: true}}
	st := state.WrapCore(core)
	spaces := registry.NewNamespaceRegistry(st)
	if err := spaces.RegisterDefault(ctx); err != nil {
		return nil, fmt.Errorf("defining the namespaces: %w", err)
	}
	for _, ns := range namespaces {
		if err := spaces.Register(ctx, ns.name, ns.description); err != nil {
			return nil, fmt.Errorf("defining the namespace %s: %w", ns.name, err)
		}
		m.namespaces[ns.name] = true
	}
	types := registry.NewResourceRegistry(st)
	if err := types.RegisterDefault(ctx); err != nil {
		return nil, fmt.Errorf("defining the resource types: %w", err)
	}
	for _, r := range resourceTypes(minor) {
		if err := types.Register(ctx, r); err != nil {
			return nil, fmt.Errorf("defining a resource type: %w", err)
		}
	}
	list, err := safe.StateListAll[*meta.ResourceDefinition](ctx, st)
	if err != nil {
		return nil, fmt.Errorf("listing the resource types: %w", err)
	}
	for rd := range list.All() {
		m.sensitivity[rd.Metadata().ID()] = rd.TypedSpec().Sensitivity
	}
	return m, nil
}

// rule is Talos' access policy: read only, known types and namespaces, and
// sensitive types for admins.
func (m *metaState) rule(ctx context.Context, access state.Access) error {
	if !access.Verb.Readonly() {
		return status.Error(codes.PermissionDenied, "write access is not allowed")
	}
	sensitivity, ok := m.sensitivity[strings.ToLower(access.ResourceType)]
	if !ok {
		return status.Errorf(codes.PermissionDenied, "resource type %q is not supported", access.ResourceType)
	}
	if sensitivity == meta.Sensitive && !targetOf(ctx).who.roles.Includes(role.Admin) {
		return errNotAuthorized
	}
	if !m.namespaces[access.ResourceNamespace] {
		return status.Errorf(codes.PermissionDenied, "namespace %q is not supported", access.ResourceNamespace)
	}
	return nil
}

// leavesOut reports whether a type that is not filled with the machine's others
// is one of which a real machine would have something.
func leavesOut(kind resource.Type) bool {
	return !slices.Contains(elsewhere, kind) && !slices.Contains(nothingThere, kind)
}

// cosiState holds the resources of one boot of a machine.
type cosiState struct {
	st     state.State // without the access rules
	api    *server.State
	epoch  []byte // marks the bookmarks of this boot
	config bool   // the machine configuration is there
}

// resources returns the machine's resources for a request about a type; they
// are made when they are first asked for, the machine configuration on its own.
func (l *life) resources(kind resource.Type) (*cosiState, error) {
	s, err := l.state()
	if err != nil {
		return nil, err
	}
	if kind != config.MachineConfigType {
		return s, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.config {
		return s, nil
	}
	provider, err := l.n.config()
	if err != nil {
		return nil, err
	}
	f := &filler{st: s.st}
	f.put("config.AcquireController", config.NewMachineConfig(provider))
	s.config = f.err == nil
	return s, f.err
}

func (l *life) state() (*cosiState, error) {
	m, err := l.n.c.metaOf(l.n.spec.Talos)
	if err != nil {
		return nil, err
	}
	discovery, err := l.n.c.discovery()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	if l.cosi != nil {
		return l.cosi, nil
	}
	build := inmem.NewStateWithOptions(inmem.WithHistoryInitialCapacity(8), inmem.WithHistoryMaxCapacity(256), inmem.WithHistoryGap(2))
	core := namespaced.NewState(func(ns resource.Namespace) state.CoreState {
		if ns == meta.NamespaceName {
			return m.core
		}
		if ns == cluster.NamespaceName {
			return twoStates{build(ns), discovery}
		}
		return build(ns)
	})
	epoch := sha256.Sum256([]byte(l.bootID))
	filled := map[resource.Type]bool{}
	rule := func(ctx context.Context, access state.Access) error {
		if err := m.rule(ctx, access); err != nil || filled[access.ResourceType] || !leavesOut(access.ResourceType) {
			return err
		}
		return status.Errorf(codes.Unimplemented, "resource type %q is not simulated by this cluster", access.ResourceType)
	}
	s := &cosiState{st: state.WrapCore(core), api: server.NewState(state.Filter(core, rule)), epoch: epoch[:8]}
	if err := l.fill(s.st, filled); err != nil {
		return nil, fmt.Errorf("making the resources of %s: %w", l.n.spec.Name, err)
	}
	l.cosi = s
	return s, nil
}

const machineStatusOwner = "runtime.MachineStatusController"

// syncStage brings the resource MachineStatus up to date; the caller holds l.mu.
func (l *life) syncStage() {
	if l.cosi == nil {
		return
	}
	_, _ = safe.StateUpdateWithConflicts(context.Background(), l.cosi.st, runtime.NewMachineStatus().Metadata(), func(ms *runtime.MachineStatus) error {
		l.fillStage(ms.TypedSpec())
		return nil
	}, state.WithUpdateOwner(machineStatusOwner)) // memory: it can only fail for a missing resource
}

func (l *life) fillStage(spec *runtime.MachineStatusSpec) {
	spec.Stage = l.stage
	spec.Status = runtime.MachineStatusStatus{Ready: l.ready, UnmetConditions: l.unmet}
}

const serviceOwner = "v1alpha1.ServiceController"

// syncService brings the resource of a service up to date; the caller holds l.mu.
func (l *life) syncService(s *service) {
	if l.cosi == nil {
		return
	}
	ctx, st := context.Background(), l.cosi.st
	md := v1alpha1.NewService(s.id).Metadata()
	_, err := st.Get(ctx, md)
	switch {
	case !s.running() && err == nil:
		_ = st.Destroy(ctx, md, state.WithDestroyOwner(serviceOwner))
	case s.running() && err != nil:
		r := v1alpha1.NewService(s.id)
		s.fillResource(r.TypedSpec())
		_ = st.Create(ctx, r, state.WithCreateOwner(serviceOwner))
	case s.running():
		_, _ = safe.StateUpdateWithConflicts(ctx, st, md, func(r *v1alpha1.Service) error {
			s.fillResource(r.TypedSpec())
			return nil
		}, state.WithUpdateOwner(serviceOwner))
	}
}

func (s *service) fillResource(spec *v1alpha1.ServiceSpec) {
	spec.Running, spec.Healthy, spec.Unknown = true, s.healthy, !s.known
}

// stateServer is the COSI State service.
type stateServer struct {
	cosi.UnimplementedStateServer
}

// Get returns one resource.
func (*stateServer) Get(ctx context.Context, req *cosi.GetRequest) (*cosi.GetResponse, error) {
	s, err := targetOf(ctx).life.resources(req.GetType())
	if err != nil {
		return nil, err
	}
	return s.api.Get(ctx, req)
}

// List sends all resources of a kind.
func (*stateServer) List(req *cosi.ListRequest, srv cosi.State_ListServer) error {
	s, err := targetOf(srv.Context()).life.resources(req.GetType())
	if err != nil {
		return err
	}
	return s.api.List(req, srv)
}

// Create is refused, as all writing through the API is.
func (*stateServer) Create(ctx context.Context, req *cosi.CreateRequest) (*cosi.CreateResponse, error) {
	s, err := targetOf(ctx).life.state()
	if err != nil {
		return nil, err
	}
	return s.api.Create(ctx, req)
}

// Update is refused, as all writing through the API is.
func (*stateServer) Update(ctx context.Context, req *cosi.UpdateRequest) (*cosi.UpdateResponse, error) {
	s, err := targetOf(ctx).life.state()
	if err != nil {
		return nil, err
	}
	return s.api.Update(ctx, req)
}

// Destroy is refused, as all writing through the API is.
func (*stateServer) Destroy(ctx context.Context, req *cosi.DestroyRequest) (*cosi.DestroyResponse, error) {
	s, err := targetOf(ctx).life.resources(req.GetType())
	if err != nil {
		return nil, err
	}
	return s.api.Destroy(ctx, req)
}

// Watch sends the changes of a resource or a kind. Its bookmarks are good for
// one boot only: with one of an earlier boot it fails, as Talos does.
func (*stateServer) Watch(req *cosi.WatchRequest, srv cosi.State_WatchServer) error {
	s, err := targetOf(srv.Context()).life.resources(req.GetType())
	if err != nil {
		return err
	}
	if mark := req.GetOptions().GetStartFromBookmark(); mark != nil {
		own, ok := bytes.CutSuffix(mark, s.epoch)
		if !ok {
			return status.Error(codes.FailedPrecondition, "invalid watch bookmark")
		}
		req.Options.StartFromBookmark = own
	}
	return s.api.Watch(req, &markedWatch{ServerStreamingServer: srv, epoch: s.epoch})
}

// markedWatch marks the bookmarks it sends with the boot they belong to.
type markedWatch struct {
	grpc.ServerStreamingServer[cosi.WatchResponse]
	epoch []byte
}

func (w *markedWatch) Send(resp *cosi.WatchResponse) error {
	for _, event := range resp.GetEvent() {
		if event.GetBookmark() != nil {
			event.Bookmark = append(bytes.Clone(event.GetBookmark()), w.epoch...)
		}
	}
	return w.ServerStreamingServer.Send(resp)
}
