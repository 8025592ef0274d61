package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// Manager is the field manager of every change that the cockpit makes.
const Manager = "talos-cockpit"

// Dial connects to an address, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Options of a client. The zero Options are fine.
type Options struct {
	// Dial replaces the network, for a simulated cluster; nil: the real one.
	Dial Dial
	// Version of the cockpit, for the user agent.
	Version string
	// Log receives what the Kubernetes libraries log; nil: nobody does.
	Log slog.Handler

	// Go runs f in a goroutine of its own; nil: a plain one. A panic in f is its business.
	Go func(f func())

	pace *pace // nil: usual
}

// pace is how long a silent server is waited for, and how often it is asked.
type pace struct {
	// A connection without a frame for pingAfter is pinged, and given up
	// pingTimeout later: a hung server or a dead link is noticed within ten
	// seconds even while nothing happens in the cluster.
	pingAfter, pingTimeout time.Duration
	// The health is looked at every look, or every lookAway while there is trouble.
	look, lookAway time.Duration
	// The kinds are discovered again every discover, or every lookAway while there is trouble.
	discover time.Duration
	// Slow kinds may hold up the first list of Flux objects for patience.
	patience time.Duration
}

var usual = pace{
	pingAfter: 5 * time.Second, pingTimeout: 3 * time.Second,
	look: 10 * time.Second, lookAway: 2 * time.Second,
	discover: time.Minute, patience: 2 * time.Second,
}

const (
	dialTimeout = 5 * time.Second
	tlsTimeout  = 5 * time.Second
	callTimeout = 10 * time.Second // of one request with one answer
	listTimeout = 30 * time.Second // of one page of a list
)

// Client speaks with one Kubernetes API server. It is safe for concurrent use.
type Client struct {
	cfg       *Config
	pace      pace
	http      *http.Client
	transport *http.Transport
	base      *url.URL
	core      rest.Interface
	auth      rest.Interface
	leases    rest.Interface
	policy    rest.Interface
	dynamic   dynamic.Interface
	plugin    *pluginOutput
	spawn     func(f func())

	kick   chan struct{} // asks for a look at the server's health at once
	back   broadcast     // sent when the server answers after trouble
	access accessCache
	pods   *table[Pod]
	onNode atomic.Pointer[nodePods]
	kinds  kindCache
}

// Open prepares the client; it sends nothing yet. Its errors are *cluster.Trouble.
func Open(cfg *Config, o Options) (*Client, error) {
	quiet(o.Log)
	c := &Client{cfg: cfg, kick: make(chan struct{}, 1), pods: newTable(samePod), pace: usual}
	if o.pace != nil {
		c.pace = *o.pace
	}
	if c.spawn = o.Go; c.spawn == nil {
		c.spawn = plain
	}
	rc := rest.CopyConfig(cfg.rest)
	version := o.Version
	if version == "" {
		version = "dev"
	}
	rc.UserAgent = Manager + "/" + version
	rc.QPS, rc.Burst = 50, 100
	rc.WarningHandler = rest.NoWarnings{}
	rc.WarningHandlerWithContext = rest.NoWarnings{}
	var err error
	if c.plugin, err = quietPlugin(rc); err != nil {
		return nil, badFile(cfg.Paths[0], err)
	}
	if err := c.connect(rc, o.Dial); err != nil {
		c.Close()
		return nil, c.Explain(err, "prepare the connection")
	}
	return c, nil
}

// connect builds the transport and the REST clients on it.
func (c *Client) connect(rc *rest.Config, dial Dial) error {
	tc, err := rc.TransportConfig()
	if err != nil {
		return err
	}
	tlsConfig, err := transport.TLSConfigFor(tc)
	if err != nil {
		return err
	}
	c.transport = &http.Transport{
		DialContext:           dialer(dial, tc, c.pace),
		Proxy:                 proxy(dial, tc),
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   tlsTimeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   25,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: c.pace.pingAfter, PingTimeout: c.pace.pingTimeout},
	}
	wrapped, err := transport.HTTPWrappersForConfig(tc, c.transport)
	if err != nil {
		return err
	}
	c.http = &http.Client{Transport: wrapped}
	if c.base, _, err = rest.DefaultServerUrlFor(rc); err != nil {
		return err
	}
	if c.core, err = restClient(rc, c.http, "/api", corev1.SchemeGroupVersion, corev1.AddToScheme); err != nil {
		return err
	}
	if c.auth, err = restClient(rc, c.http, "/apis", authorizationv1.SchemeGroupVersion, authorizationv1.AddToScheme); err != nil {
		return err
	}
	if c.leases, err = restClient(rc, c.http, "/apis", coordinationv1.SchemeGroupVersion, coordinationv1.AddToScheme); err != nil {
		return err
	}
	if c.policy, err = restClient(rc, c.http, "/apis", policyv1.SchemeGroupVersion, policyv1.AddToScheme); err != nil {
		return err
	}
	c.dynamic, err = dynamic.NewForConfigAndClient(dynamic.ConfigFor(rc), c.http)
	return err
}

func dialer(own Dial, tc *transport.Config, p pace) Dial {
	dial := own
	if dial == nil && tc.DialHolder != nil {
		dial = tc.DialHolder.Dial
	}
	if dial == nil {
		dial = (&net.Dialer{
			Timeout:         dialTimeout,
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: p.pingAfter, Interval: p.pingTimeout, Count: 1},
		}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return dial(ctx, network, address)
	}
}

// proxy is the kubeconfig's, else the environment's; an injected network has none but the former.
func proxy(own Dial, tc *transport.Config) func(*http.Request) (*url.URL, error) {
	if tc.Proxy != nil {
		return tc.Proxy
	}
	if own != nil {
		return nil
	}
	return utilnet.NewProxierWithNoProxyCIDR(http.ProxyFromEnvironment)
}

// restClient is a client for one built-in group, in protobuf with JSON as the second choice.
func restClient(base *rest.Config, hc *http.Client, path string, gv schema.GroupVersion, add func(*runtime.Scheme) error) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := add(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	rc := rest.CopyConfig(base)
	rc.APIPath = path
	rc.GroupVersion = &gv
	rc.ContentType = runtime.ContentTypeJSON // of what is sent; what is received is protobuf
	rc.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	rc.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientForConfigAndClient(rc, hc)
}

// Config is what the client was opened with.
func (c *Client) Config() *Config { return c.cfg }

// Close lets go of idle connections and of the file that a credential plugin
// wrote to. End the contexts of all calls first.
func (c *Client) Close() {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	c.plugin.close()
}

// Explain is the package's Explain with what the client knows of its server
// and its credential plugin.
func (c *Client) Explain(err error, what string) *cluster.Trouble {
	if known := new(cluster.Trouble); err == nil || errors.As(err, &known) {
		return Explain(err, what) // others may hold it: it stays as it is
	}
	t := Explain(err, what)
	if said := c.plugin.said(); said != "" && strings.Contains(t.Raw, "getting credentials") {
		t.Raw += " | " + said
	}
	if strings.Contains(t.Raw, "getting credentials") {
		t.Kind = cluster.TroubleUnauthorized
		t.What = feed.Clean(fmt.Sprintf("%s: the credential plugin %q gave no credentials", what, c.cfg.Plugin))
		t.Do = "run it by hand, or log in where it wants a login"
	}
	if t.Kind == cluster.TroubleUnauthorized && !c.cfg.Expiry.IsZero() && time.Now().After(c.cfg.Expiry) {
		t.Kind, t.Until = cluster.TroubleExpired, c.cfg.Expiry
		t.What = feed.Clean(fmt.Sprintf("%s: the client certificate expired on %s", what, day(c.cfg.Expiry)))
		t.Do = "fetch a new kubeconfig: talosctl kubeconfig"
	}
	return t
}
