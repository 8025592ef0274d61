package kubed

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func (s *Server) serveGet(c *call) error {
	o, ok := s.fetch(c.res, c.info.namespace, c.info.name)
	if !ok {
		return notFound(c.res, c.info.name)
	}
	return s.answer(c, 200, o)
}

// fetch reads one object, converted if the resource is a view of another one.
func (s *Server) fetch(res *resource, namespace, name string) (o object, ok bool) {
	s.store.read(func(t tx) { o, ok = t.get(res.stored(), namespace, name) })
	if ok {
		o = res.shown(o)
	}
	return o, ok
}

// stored is the resource that holds the objects.
func (res *resource) stored() *resource {
	if res.View {
		return events
	}
	return res
}

// shown converts a stored object to the version of the resource.
func (res *resource) shown(o object) object {
	if res.View {
		return toEventV1(o)
	}
	return o
}

// pageKey names the state of one resource at one version.
type pageKey struct {
	res *resource
	rv  uint64
}

// pageCache keeps the states that lists are being paged through, so that all
// pages of a list show the same moment.
type pageCache struct {
	mu        sync.Mutex
	byVersion map[pageKey][]object
	order     []pageKey
}

// maxPaged is how many states can be paged through at a time; an older one is expired.
const maxPaged = 16

func (p *pageCache) keep(key pageKey, objs []object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.byVersion[key]; ok {
		return
	}
	if len(p.order) >= maxPaged {
		delete(p.byVersion, p.order[0])
		p.order = p.order[1:]
	}
	p.byVersion[key] = objs
	p.order = append(p.order, key)
}

func (p *pageCache) get(key pageKey) ([]object, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	objs, ok := p.byVersion[key]
	return objs, ok
}

// continueToken is where the next page begins.
type continueToken struct {
	Version uint64 `json:"rv"`
	Start   string `json:"start"`
}

func (t continueToken) encode() string {
	// A struct of a number and a string always encodes.
	b, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseContinue(s string) (continueToken, error) {
	var t continueToken
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return t, badRequest(fmt.Sprintf("invalid continue token: %v", err))
	}
	return t, nil
}

func (s *Server) serveList(c *call) error {
	f, err := negotiate(c.r, c.res.Typed)
	if err != nil {
		return err
	}
	sel, err := newSelector(c.res, c.info.namespace, c.query("labelSelector"), c.query("fieldSelector"))
	if err != nil {
		return err
	}
	objs, meta, err := s.page(c, sel)
	if err != nil {
		return err
	}
	var list runtime.Object
	switch {
	case f.table():
		list = s.tableOf(c, objs, meta, true)
	case f.metadata():
		list = partialList(objs, meta)
	default:
		if list, err = listOf(c.res, objs, meta); err != nil {
			return err
		}
	}
	body, err := f.encode(list)
	if err != nil {
		return err
	}
	send(c.w, c.r, f.mime, 200, body)
	return nil
}

// page selects what a list asked for: everything, or the next limit objects.
func (s *Server) page(c *call, sel selector) ([]object, metav1.ListMeta, error) {
	var limit int
	if v := c.query("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, metav1.ListMeta{}, badRequest(fmt.Sprintf("invalid limit %q", v))
		}
		limit = n
	}
	all, start, rv, err := s.moment(c)
	if err != nil {
		return nil, metav1.ListMeta{}, err
	}
	from := 0
	if start != "" {
		from, _ = slices.BinarySearchFunc(all, start, compareKey)
	} else if sel.namespace != "" {
		from, _ = slices.BinarySearchFunc(all, sel.namespace+"/", compareKey)
	}
	meta := metav1.ListMeta{ResourceVersion: strconv.FormatUint(rv, 10)}
	var out []object
	for i := from; i < len(all); i++ {
		o := c.res.shown(all[i])
		if sel.namespace != "" && o.GetNamespace() != sel.namespace {
			break // the keys are sorted by namespace
		}
		if !sel.matches(all[i]) {
			continue
		}
		if limit > 0 && len(out) == limit {
			s.pages.keep(pageKey{c.res.stored(), rv}, all)
			meta.Continue = continueToken{Version: rv, Start: objKey(all[i])}.encode()
			if sel.labels.Empty() && sel.fields.Empty() && sel.namespace == "" {
				left := int64(len(all) - i)
				meta.RemainingItemCount = &left
			}
			break
		}
		out = append(out, o)
	}
	return out, meta, nil
}

// moment returns the objects that a list sees: those of now, or, for a further
// page, those of when the first one was read.
func (s *Server) moment(c *call) (all []object, start string, rv uint64, err error) {
	if token := c.query("continue"); token != "" {
		t, err := parseContinue(token)
		if err != nil {
			return nil, "", 0, err
		}
		objs, ok := s.pages.get(pageKey{c.res.stored(), t.Version})
		if !ok {
			return nil, "", 0, tooOld("The provided continue parameter is too old to display a consistent list result. " +
				"You can start a new list without the continue parameter.")
		}
		return objs, t.Start, t.Version, nil
	}
	s.store.read(func(t tx) { all, rv = t.list(c.res.stored()), s.store.rv })
	asked, err := parseVersion(c.query("resourceVersion"))
	if err != nil {
		return nil, "", 0, err
	}
	if asked > rv {
		return nil, "", 0, tooNew(asked, rv)
	}
	if c.query("resourceVersionMatch") == string(metav1.ResourceVersionMatchExact) && asked != rv {
		objs, ok := s.pages.get(pageKey{c.res.stored(), asked})
		if !ok {
			return nil, "", 0, tooOld(fmt.Sprintf("The resourceVersion for the provided list is too old: %d", asked))
		}
		return objs, "", asked, nil
	}
	return all, "", rv, nil
}

func parseVersion(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, badRequest(fmt.Sprintf("resourceVersion: Invalid value: %q: %v", s, err))
	}
	return v, nil
}
