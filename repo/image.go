package repo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"

	"go.yaml.in/yaml/v3"
)

// What talhelper takes when imageFactory does not say otherwise.
const (
	defaultRegistry      = "factory.talos.dev"
	defaultInstallerTmpl = "{{.RegistryURL}}/{{.Mode}}-installer{{if .Secureboot}}-secureboot{{end}}/{{.ID}}:{{.Version}}"
)

var (
	schematicInURL = regexp.MustCompile(`/([0-9a-f]{64})$`)
	taggedImage    = regexp.MustCompile(`(:[^/]*|@.*)$`)
)

// image derives the installer image: talosImageURL before schematic before the
// stock image, each on the node before the role's section.
func (l *loader) image(root *yaml.Node, set settings, node *Node) {
	url, schematic := set.pickSet("talosImageURL"), set.pick("schematic")
	if scalar(url) != "" {
		l.imageByURL(url, node)
		return
	}
	node.ImageSource = ImageStock
	if url != nil && url.Kind != yaml.ScalarNode {
		node.ImageSource = ImageUnknown
		l.found.add(Error, l.doc.file, url.Line, "talosImageURL is not a text")
		return
	}
	if schematic != nil {
		node.ImageSource = ImageSchematic
		l.schematic(schematic, node)
	} else {
		node.SchematicID = schematicID(nil)
	}
	if node.SchematicID != "" && l.out.TalosVersion != "" {
		node.Image = l.installer(root, set, node.SchematicID)
	}
}

func (l *loader) imageByURL(url *yaml.Node, node *Node) {
	node.ImageSource = ImageURL
	text := l.text(url, "talosImageURL")
	if text == "" {
		return
	}
	if taggedImage.MatchString(text) {
		l.found.add(Error, l.doc.file, url.Line, "talosImageURL has a tag or digest: talhelper adds the version itself")
		return
	}
	if id := schematicInURL.FindStringSubmatch(text); id != nil {
		node.SchematicID = id[1]
	}
	if l.out.TalosVersion != "" {
		node.Image = text + ":" + l.out.TalosVersion
	}
}

// schematic reads what the schematic asks for.
func (l *loader) schematic(schematic *yaml.Node, node *Node) {
	if schematic.Kind != yaml.MappingNode {
		l.found.add(Error, l.doc.file, schematic.Line, "schematic is not a mapping")
		return
	}
	customization := field(schematic, "customization")
	extensions := field(field(customization, "systemExtensions"), "officialExtensions")
	node.Extensions = l.texts(extensions, "officialExtensions")
	node.KernelArgs = l.texts(field(customization, "extraKernelArgs"), "extraKernelArgs")
	node.Overlay = l.text(field(field(schematic, "overlay"), "name"), "overlay.name")
	if len(l.doc.missingBelow(schematic)) == 0 {
		node.SchematicID = schematicID(schematic)
	}
}

// The schematic in the image factory's canonical form: the order of the fields
// is part of the ID.
type (
	schematicFile struct {
		Overlay       schematicOverlay       `yaml:"overlay,omitempty"`
		Customization schematicCustomization `yaml:"customization"`
	}
	schematicOverlay struct {
		Image   string         `yaml:"image"`
		Name    string         `yaml:"name"`
		Options map[string]any `yaml:"options,omitempty"`
	}
	schematicCustomization struct {
		ExtraKernelArgs  []string            `yaml:"extraKernelArgs,omitempty"`
		Meta             []schematicMeta     `yaml:"meta,omitempty"`
		SystemExtensions schematicExtensions `yaml:"systemExtensions,omitempty"`
		Bootloader       string              `yaml:"bootloader,omitempty"`
		SecureBoot       schematicSecureBoot `yaml:"secureboot,omitempty"`
		DiskImage        schematicDiskImage  `yaml:"diskImage,omitempty"`
	}
	schematicMeta struct {
		Key   uint8  `yaml:"key"`
		Value string `yaml:"value"`
	}
	schematicExtensions struct {
		OfficialExtensions []string `yaml:"officialExtensions,omitempty"`
	}
	schematicSecureBoot struct {
		EnrollKeys                   string `yaml:"enrollKeys,omitempty"`
		IncludeWellKnownCertificates bool   `yaml:"includeWellKnownCertificates,omitempty"`
	}
	schematicDiskImage struct {
		SectorSize uint `yaml:"sectorSize,omitempty"`
	}
)

// plainText are texts that every YAML writer gives the same form.
var plainText = regexp.MustCompile(`^[A-Za-z_./-][A-Za-z0-9_./=+-]*(?:[,:;][A-Za-z0-9_./=+-]+)*$`)

// schematicID computes the image factory's ID of a schematic, nil being the
// empty one: the SHA-256 sum of its canonical YAML. It is empty when the
// schematic has a key, a type or a text for which that form is not certain.
func schematicID(node *yaml.Node) string {
	var file schematicFile
	if node != nil {
		var plain any
		if node.Decode(&plain) != nil {
			return ""
		}
		data, err := yaml.Marshal(plain)
		if err != nil {
			return ""
		}
		decoder := yaml.NewDecoder(bytes.NewReader(data))
		decoder.KnownFields(true)
		if decoder.Decode(&file) != nil || !file.certain() {
			return ""
		}
	}
	if file.Customization.Bootloader == "none" {
		file.Customization.Bootloader = ""
	}
	data, err := yaml.Marshal(file)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// certain tells whether the canonical form of every text is beyond doubt.
func (s schematicFile) certain() bool {
	texts := append([]string{s.Overlay.Image, s.Overlay.Name, s.Customization.SecureBoot.EnrollKeys}, s.Customization.ExtraKernelArgs...)
	texts = append(texts, s.Customization.SystemExtensions.OfficialExtensions...)
	for _, one := range s.Customization.Meta {
		texts = append(texts, one.Value)
	}
	switch s.Customization.Bootloader {
	case "", "none", "dual-boot", "sd-boot", "grub":
	default:
		return false
	}
	for _, text := range texts {
		if text != "" && !certainText(text) {
			return false
		}
	}
	for key, value := range s.Overlay.Options {
		if text, ok := value.(string); !certainText(key) || ok && !certainText(text) {
			return false
		}
		switch value.(type) {
		case string, bool, int:
		default:
			return false
		}
	}
	return true
}

func certainText(text string) bool {
	if !plainText.MatchString(text) || len(text) > 200 {
		return false
	}
	var value any
	if yaml.Unmarshal([]byte(text), &value) != nil {
		return false
	}
	_, isText := value.(string)
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "-", "--", "---", ".":
		return false
	}
	return isText
}

// installer fills the factory's template for the installer image.
func (l *loader) installer(root *yaml.Node, set settings, id string) string {
	factory, spec := field(root, "imageFactory"), set.pick("machineSpec")
	if len(pairs(spec)) == 0 {
		spec = field(set.role, "machineSpec")
	}
	secureboot, known := l.boolean(field(spec, "secureboot"), "machineSpec.secureboot")
	if !known || len(l.doc.missingBelow(factory)) > 0 || len(l.doc.missingBelow(spec)) > 0 {
		return ""
	}
	or := func(node *yaml.Node, what, fallback string) string {
		if text := l.text(node, what); text != "" {
			return text
		}
		return fallback
	}
	text := or(field(factory, "installerURLTmpl"), "installerURLTmpl", defaultInstallerTmpl)
	image, err := fill(text, struct {
		RegistryURL, ID, Version, Mode string
		Secureboot                     bool
	}{
		or(field(factory, "registryURL"), "registryURL", defaultRegistry), id, l.out.TalosVersion,
		or(field(spec, "mode"), "machineSpec.mode", "metal"), secureboot,
	})
	if err != nil {
		l.found.add(Warning, l.doc.file, lineOfField(factory, "installerURLTmpl"), "installerURLTmpl %v", err)
	}
	return image
}

// templateError says why a template is not filled.
type templateError string

// Error is the reason.
func (e templateError) Error() string { return string(e) }

// fill runs a Go template that only places fields and tests them: no loops, no
// functions, so that no checkout can make it run long.
func fill(text string, data any) (string, error) {
	parsed, err := template.New("").Parse(text)
	if err != nil || parsed.Tree == nil {
		return "", templateError("is not a Go template that is understood here")
	}
	if len(parsed.Templates()) > 1 || !simple(parsed.Root) {
		return "", templateError("uses functions that are not supported here")
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		return "", templateError("names a field that talhelper does not have")
	}
	return out.String(), nil
}

func simple(node parse.Node) bool {
	switch node := node.(type) {
	case *parse.ListNode:
		for i := 0; node != nil && i < len(node.Nodes); i++ {
			if !simple(node.Nodes[i]) {
				return false
			}
		}
		return true
	case *parse.TextNode, *parse.FieldNode, *parse.DotNode, *parse.StringNode, *parse.BoolNode, *parse.CommentNode:
		return true
	case *parse.ActionNode:
		return simple(node.Pipe)
	case *parse.IfNode:
		return simple(node.Pipe) && simple(node.List) && simple(node.ElseList)
	case *parse.PipeNode:
		for i := 0; node != nil && i < len(node.Cmds); i++ {
			for _, argument := range node.Cmds[i].Args {
				if !simple(argument) {
					return false
				}
			}
		}
		return true
	case *parse.IdentifierNode:
		switch node.Ident {
		case "and", "or", "not", "eq", "ne":
			return true
		}
	}
	return false
}
