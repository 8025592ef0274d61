// Package talosapi is the only importer of the Talos machinery. It reads
// talosconfig files, keeps one connection to each Talos endpoint with a failover
// of its own, watches machines and discovery, follows logs and asks etcd, and
// hands everything over as the plain values of package cluster.
//
// Rules that hold everywhere in here:
//
//   - a call goes to one node (metadata "node") through one endpoint that is
//     known, has its own deadline, and is retried through another endpoint only
//     where it reads;
//   - an endpoint is used while its own probe answers; a probe that fails closes
//     its connection, so that streams do not hang on it;
//   - what a node does not tell, or this role may not see, stays unknown;
//   - text from the network is cleaned (feed.Clean) before it leaves the package;
//     log lines are not: the ring cleans them when it takes them in.
package talosapi
