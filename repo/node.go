package repo

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// settings are a node's entry and the section of its role.
type settings struct{ own, role *yaml.Node }

// pick is a setting that the role's section gives as a whole when the node does
// not have it (null counts as not having it).
func (s settings) pick(key string) *yaml.Node {
	if own := field(s.own, key); own != nil {
		return own
	}
	return field(s.role, key)
}

// pickSet is pick for texts and booleans, of which the empty one and false
// count as not set.
func (s settings) pickSet(key string) *yaml.Node {
	own := field(s.own, key)
	if own != nil && (own.Kind != yaml.ScalarNode || own.Value != "" && own.Value != "false") {
		return own
	}
	if role := field(s.role, key); role != nil {
		return role
	}
	return own
}

// node reads one entry of nodes; written is the same entry before substitution.
func (l *loader) node(root, entry, written *yaml.Node) Node {
	node := Node{Line: entry.Line, RawHostname: scalar(field(written, "hostname"))}
	node.Hostname = l.hostname(entry)
	node.IgnoreHostname, _ = l.boolean(field(entry, "ignoreHostname"), "ignoreHostname")
	node.Addresses = l.addresses(entry)
	node.ControlPlane, node.RoleKnown = l.boolean(field(entry, "controlPlane"), "controlPlane")
	set := settings{own: entry}
	if node.RoleKnown {
		set.role = field(root, roleSection(node.ControlPlane))
	}
	l.disk(entry, &node)
	l.image(root, set, &node)
	node.NodeLabels, node.TemplatedLabels = l.labels(set.pick("nodeLabels"), "nodeLabels")
	node.NodeTaints, _ = l.labels(set.pick("nodeTaints"), "nodeTaints")
	node.Interfaces = l.interfaces(set.pick("networkInterfaces"))
	inputs := l.nodeInputs(root, set, &node)
	node.Unresolved = l.unresolved(set, inputs)
	node.ConfigFile = l.configFile(set, node, scalar(field(entry, "ipAddress")), inputs)
	return node
}

func roleSection(controlPlane bool) string {
	if controlPlane {
		return "controlPlane"
	}
	return "worker"
}

var hostnamePattern = regexp.MustCompile(`^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9])(\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9]))*$`)

func (l *loader) hostname(entry *yaml.Node) string {
	hostname := l.required(entry, "hostname")
	if hostname != "" && (len(hostname) > 255 || !hostnamePattern.MatchString(hostname)) {
		l.found.add(Error, l.doc.file, lineOfField(entry, "hostname"), "hostname is not a valid host name")
	}
	return hostname
}

var domainPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62}(\.[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62})*[._]?$`)

// addresses splits ipAddress at its commas and leaves out what is unresolved.
func (l *loader) addresses(entry *yaml.Node) []string {
	node := field(entry, "ipAddress")
	whole := l.required(entry, "ipAddress")
	if whole == "" && node != nil && node.Kind == yaml.ScalarNode {
		whole = node.Value
	}
	var addresses []string
	for part := range strings.SplitSeq(whole, ",") {
		part = strings.TrimSpace(part)
		if part == "" || len(l.doc.missingIn(part)) > 0 {
			continue
		}
		if _, err := netip.ParseAddr(part); err != nil && !domainPattern.MatchString(part) {
			l.found.add(Error, l.doc.file, node.Line, "ipAddress is neither an address nor a DNS name")
			continue
		}
		addresses = append(addresses, part)
	}
	return addresses
}

// disk reads installDisk and installDiskSelector, which no role section has.
func (l *loader) disk(entry *yaml.Node, node *Node) {
	disk, selector := field(entry, "installDisk"), field(entry, "installDiskSelector")
	node.InstallDisk = l.text(disk, "installDisk")
	if selector != nil && selector.Kind != yaml.MappingNode {
		l.found.add(Error, l.doc.file, selector.Line, "installDiskSelector is not a mapping")
	}
	if selector != nil {
		get := func(key string) string { return l.text(field(selector, key), "installDiskSelector."+key) }
		node.DiskSelector = &DiskSelector{
			Size: get("size"), Name: get("name"), Model: get("model"), Serial: get("serial"), Modalias: get("modalias"),
			UUID: get("uuid"), WWID: get("wwid"), Type: get("type"), BusPath: get("busPath"),
		}
	}
	if selector == nil && (disk == nil || disk.Kind == yaml.ScalarNode && disk.Value == "") {
		l.found.add(Error, l.doc.file, entry.Line, "neither installDisk nor installDiskSelector is set")
	}
}

// labels reads a map of texts; templated values are given by key alone.
func (l *loader) labels(node *yaml.Node, what string) (values map[string]string, templated []string) {
	if node == nil {
		return nil, nil
	}
	if node.Kind != yaml.MappingNode {
		l.found.add(Error, l.doc.file, node.Line, "%s is not a mapping", what)
		return nil, nil
	}
	values = map[string]string{}
	for _, one := range pairs(node) {
		if len(l.doc.missingIn(one.key)) > 0 || one.value != nil && len(l.doc.missingIn(one.value.Value)) > 0 {
			continue
		}
		text := ""
		if one.value != nil && one.value.Kind != yaml.ScalarNode {
			l.found.add(Error, l.doc.file, one.line, "a value of %s is not a text", what)
			continue
		}
		if one.value != nil {
			text = canonical(one.value)
		}
		if strings.Contains(text, "{{") || strings.Contains(one.key, "{{") {
			templated = append(templated, one.key)
			continue
		}
		values[one.key] = text
	}
	return values, templated
}

// interfaces reads networkInterfaces as far as hardware matters.
func (l *loader) interfaces(list *yaml.Node) []Interface {
	if list == nil {
		return nil
	}
	if list.Kind != yaml.SequenceNode {
		l.found.add(Error, l.doc.file, list.Line, "networkInterfaces is not a list")
		return nil
	}
	var all []Interface
	for _, entry := range list.Content {
		one := Interface{Name: l.text(field(entry, "interface"), "interface")}
		one.Ignore, _ = l.boolean(field(entry, "ignore"), "ignore")
		one.Selectors = l.selectors(field(entry, "deviceSelector"))
		for _, kind := range []string{"bond", "bridge"} {
			made := field(entry, kind)
			one.Members = append(one.Members, l.texts(field(made, "interfaces"), kind+".interfaces")...)
			one.Selectors = append(one.Selectors, l.selectors(field(made, "deviceSelectors"))...)
		}
		for _, kind := range []string{"bond", "bridge", "dummy", "wireguard"} {
			one.Virtual = one.Virtual || field(entry, kind) != nil && scalar(field(entry, kind)) != "false"
		}
		one.VIPs = l.vips(entry)
		all = append(all, one)
	}
	return all
}

// selectors reads one device selector or a list of them.
func (l *loader) selectors(node *yaml.Node) []DeviceSelector {
	if node == nil {
		return nil
	}
	if node.Kind == yaml.SequenceNode {
		var all []DeviceSelector
		for _, item := range node.Content {
			if one := content(item); one != nil && one.Kind == yaml.MappingNode {
				all = append(all, l.selectors(one)...)
			}
		}
		return all
	}
	get := func(key string) string { return l.text(field(node, key), "deviceSelector."+key) }
	return []DeviceSelector{{
		BusPath: get("busPath"), HardwareAddr: get("hardwareAddr"), PermanentAddr: get("permanentAddr"),
		PCIID: get("pciID"), Driver: get("driver"), Physical: get("physical"),
	}}
}

// vips are the shared addresses of an interface and its VLANs.
func (l *loader) vips(entry *yaml.Node) []string {
	holders := []*yaml.Node{entry}
	if vlans := field(entry, "vlans"); vlans != nil && vlans.Kind == yaml.SequenceNode {
		holders = append(holders, vlans.Content...)
	}
	var all []string
	for _, holder := range holders {
		if ip := l.text(field(field(holder, "vip"), "ip"), "vip.ip"); ip != "" {
			all = append(all, ip)
		}
	}
	return all
}

// unresolved names the variables without a value that a node's files need.
func (l *loader) unresolved(set settings, inputs []string) []string {
	names := map[string]bool{}
	for _, node := range []*yaml.Node{set.own, set.role} {
		for _, name := range l.doc.missingBelow(node) {
			names[name] = true
		}
	}
	for _, path := range inputs {
		if file := l.files[path]; file != nil {
			for _, name := range file.unresolved {
				names[name] = true
			}
		}
	}
	return sortedKeys(names)
}

// String is the node in the words of an operator.
func (n Node) String() string {
	name := n.Hostname
	if name == "" {
		name = n.RawHostname
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(slices.Clone(n.Addresses), ", "))
}
