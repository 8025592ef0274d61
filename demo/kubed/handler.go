package kubed

import (
	"io"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxBody bounds a request's body, in bytes, as the API server does.
const maxBody = 3 << 20

// call is one request, taken apart.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	user user
	info requestInfo
	res  *resource
}

// requestInfo is what a path and a method mean.
type requestInfo struct {
	group, version, plural, subresource string
	namespace, name                     string
	verb                                string
	resource                            bool // a path below a group version
}

func parseInfo(r *http.Request) requestInfo {
	var i requestInfo
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2:
		i.version, parts = parts[1], parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		i.group, i.version, parts = parts[1], parts[2], parts[3:]
	default:
		i.verb = strings.ToLower(r.Method)
		return i
	}
	i.resource = true
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
		i.namespace, parts = parts[1], parts[2:]
	}
	i.plural = parts[0]
	if len(parts) > 1 {
		i.name = parts[1]
	}
	if len(parts) > 2 {
		i.subresource = strings.Join(parts[2:], "/")
	}
	i.verb = verbOf(r, i.name)
	return i
}

func verbOf(r *http.Request, name string) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		q := r.URL.Query().Get("watch")
		if q == "true" || q == "1" {
			return "watch"
		}
		if name == "" {
			return "list"
		}
		return "get"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if name == "" {
			return "deletecollection"
		}
		return "delete"
	default:
		return strings.ToLower(r.Method)
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.add(1)
	defer s.busy.add(-1)
	c := &call{w: w, r: r, user: userOf(r), info: parseInfo(r)}
	s.calls.add(Call{
		At: s.opts.Now(), User: c.user.name, UserAgent: r.UserAgent(), Verb: c.info.verb, Path: r.URL.RequestURI(),
	})
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := s.serve(c); err != nil {
		c.fail(err)
	}
}

func (s *Server) serve(c *call) error {
	if s.serveHealth(c) {
		return nil
	}
	if c.user.name == "" {
		return unauthorized()
	}
	if !c.info.resource {
		return s.serveDiscovery(c)
	}
	if c.info.verb == "create" && s.serveReview(c) {
		return nil
	}
	c.res = lookup(c.info.group, c.info.version, c.info.plural)
	if c.res == nil {
		return unknownPath()
	}
	if err := c.user.authorize(c.info); err != nil {
		return err
	}
	if c.res.Namespaced && c.info.namespace == "" && (c.info.name != "" || c.info.verb == "create") {
		return unknownPath()
	}
	return s.serveResource(c)
}

func (s *Server) serveResource(c *call) error {
	if c.res.ReadOnly {
		return s.serveMetrics(c)
	}
	switch c.info.subresource {
	case "", "status":
	case "log":
		return s.serveLog(c)
	case "eviction":
		return s.serveEviction(c)
	case "scale":
		return s.serveScale(c)
	case "exec", "attach", "portforward", "proxy", "ephemeralcontainers", "resize", "binding", "token":
		return notSimulated(c.info.plural+"/"+c.info.subresource, http.StatusNotImplemented)
	default:
		return unknownPath()
	}
	if c.info.subresource == "status" && !c.res.Status {
		return unknownPath()
	}
	switch c.info.verb {
	case "get":
		return s.serveGet(c)
	case "list":
		return s.serveList(c)
	case "watch":
		return s.serveWatch(c)
	case "create":
		return s.serveCreate(c)
	case "update":
		return s.serveUpdate(c)
	case "patch":
		return s.servePatch(c)
	case "delete":
		return s.serveDelete(c)
	case "deletecollection":
		return s.serveDeleteCollection(c)
	default:
		return methodNotAllowed()
	}
}

// fail answers with the error's Status.
func (c *call) fail(err error) {
	status := asStatus(err)
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	f, negotiateErr := negotiate(c.r, true)
	if negotiateErr != nil {
		f = form{mime: mimeJSON}
	}
	f.as = ""
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		c.w.Header().Set("Retry-After", "1")
	}
	body, encodeErr := f.encode(&status)
	if encodeErr != nil {
		http.Error(c.w, encodeErr.Error(), http.StatusInternalServerError)
		return
	}
	send(c.w, c.r, f.mime, int(status.Code), body)
}

// answer writes one stored object in the form that the client asked for.
func (s *Server) answer(c *call, code int, o object) error {
	f, err := negotiate(c.r, c.res.Typed)
	if err != nil {
		return err
	}
	out := withType(c.res, o)
	switch {
	case f.table():
		out = s.tableOf(c, []object{o}, metav1.ListMeta{ResourceVersion: o.GetResourceVersion()}, true)
	case f.metadata():
		out = typedPartial(o)
	}
	body, err := f.encode(out)
	if err != nil {
		return err
	}
	send(c.w, c.r, f.mime, code, body)
	return nil
}

func (c *call) body() ([]byte, error) {
	body, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, badRequest("read the request: " + err.Error())
	}
	return body, nil
}

func (c *call) query(name string) string { return c.r.URL.Query().Get(name) }

func (c *call) flag(name string) bool {
	v := c.query(name)
	return v == "true" || v == "1" || (v == "" && c.r.URL.Query().Has(name))
}

func (c *call) dryRun() bool { return c.query("dryRun") == metav1.DryRunAll }

// manager is the name under which a change is recorded: the field manager that
// the client names, or the first word of its user agent.
func (c *call) manager() string {
	if m := c.query("fieldManager"); m != "" {
		return m
	}
	agent, _, _ := strings.Cut(c.r.UserAgent(), "/")
	if len(agent) > 128 {
		agent = agent[:128]
	}
	if agent == "" {
		return "unknown"
	}
	return agent
}
