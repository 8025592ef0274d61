package repo

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"go.yaml.in/yaml/v3"
)

// What keeps a sops file from being decrypted. None of these texts holds content.
var (
	errNoKey     = errors.New("no age key was found (SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, age.key)")
	errWrongKey  = errors.New("none of the age keys that were found fits")
	errNoAge     = errors.New("it is not encrypted for an age key")
	errShamir    = errors.New("its data key is split among several key groups, which is not supported here")
	errDocuments = errors.New("it has several YAML documents, which is not supported here")
	errMAC       = errors.New("its MAC does not match: it was changed after it was encrypted")
	errMetadata  = errors.New("its sops section is damaged")
	errValue     = errors.New("a value is damaged or was encrypted with another data key")
	errPlain     = errors.New("a value that should be encrypted is not")
)

// macOnlyEncryptedStart starts the MAC of a file whose MAC covers encrypted
// values only: the SHA-256 sum of "sops".
var macOnlyEncryptedStart = []byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

var encryptedValue = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]`)

// sopsFile decrypts one document and sums up its MAC on the way.
type sopsFile struct {
	key       []byte
	encrypted func(path []string) bool // nil: told by the value's form
	macOnly   bool
	mac       io.Writer
}

// decryptSops returns the plain YAML of a sops file, its MAC verified, comments
// dropped (the format of getsops/sops: AES-256-GCM by value, the data key
// encrypted with age).
func decryptSops(documents []*yaml.Node, keys *keyring) ([]byte, error) {
	if len(documents) != 1 {
		return nil, errDocuments
	}
	root := content(documents[0])
	metadata := field(root, "sops")
	key, err := sopsDataKey(metadata, keys)
	if err != nil {
		return nil, err
	}
	sum := sha512.New()
	file := &sopsFile{key: key, mac: sum, macOnly: scalar(field(metadata, "mac_only_encrypted")) == "true"}
	if err := file.setRule(metadata); err != nil {
		return nil, err
	}
	if file.macOnly {
		_, _ = sum.Write(macOnlyEncryptedStart)
	}
	plain, err := file.mapping(root, nil)
	if err != nil {
		return nil, err
	}
	if err := file.verify(metadata, fmt.Sprintf("%X", sum.Sum(nil))); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	if err := encoder.Encode(plain); err != nil {
		return nil, errValue
	}
	return out.Bytes(), encoder.Close()
}

// sopsDataKey decrypts the data key with the first age key that fits.
func sopsDataKey(metadata *yaml.Node, keys *keyring) ([]byte, error) {
	recipients := field(metadata, "age")
	if groups := field(metadata, "key_groups"); groups != nil && groups.Kind == yaml.SequenceNode {
		if len(groups.Content) > 1 {
			return nil, errShamir
		}
		if len(groups.Content) == 1 && recipients == nil {
			recipients = field(groups.Content[0], "age")
		}
	}
	if recipients == nil || recipients.Kind != yaml.SequenceNode || len(recipients.Content) == 0 {
		return nil, errNoAge
	}
	if len(keys.identities) == 0 {
		return nil, errNoKey
	}
	for _, recipient := range recipients.Content {
		sealed := armor.NewReader(strings.NewReader(scalar(field(recipient, "enc"))))
		opened, err := age.Decrypt(sealed, keys.identities...)
		if err != nil {
			continue
		}
		key, err := io.ReadAll(io.LimitReader(opened, 64))
		if err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, errWrongKey
}

// setRule reads which values are encrypted.
func (s *sopsFile) setRule(metadata *yaml.Node) error {
	rule := func(name string) string { return scalar(field(metadata, name)) }
	match := func(pattern string) (func(string) bool, error) {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, errMetadata
		}
		return compiled.MatchString, nil
	}
	suffix := func(end string) func(string) bool {
		return func(key string) bool { return strings.HasSuffix(key, end) }
	}
	var err error
	var matches func(string) bool
	want := false
	switch {
	case rule("encrypted_comment_regex") != "" || rule("unencrypted_comment_regex") != "":
		return nil
	case rule("encrypted_regex") != "":
		matches, err = match(rule("encrypted_regex"))
		want = true
	case rule("unencrypted_regex") != "":
		matches, err = match(rule("unencrypted_regex"))
	case rule("encrypted_suffix") != "":
		matches, want = suffix(rule("encrypted_suffix")), true
	case rule("unencrypted_suffix") != "":
		matches = suffix(rule("unencrypted_suffix"))
	default:
		matches = suffix("_unencrypted")
	}
	s.encrypted = func(path []string) bool {
		for _, key := range path {
			if matches(key) {
				return want
			}
		}
		return !want
	}
	return err
}

func (s *sopsFile) mapping(node *yaml.Node, path []string) (*yaml.Node, error) {
	plain := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := content(node.Content[i])
		if key == nil || key.Kind != yaml.ScalarNode {
			return nil, errValue
		}
		if len(path) == 0 && key.Value == "sops" {
			continue
		}
		inner := append(path[:len(path):len(path)], key.Value)
		value, err := s.value(node.Content[i+1], inner)
		if err != nil {
			return nil, err
		}
		plain.Content = append(plain.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: key.Tag, Value: key.Value}, value)
	}
	return plain, nil
}

func (s *sopsFile) value(node *yaml.Node, path []string) (*yaml.Node, error) {
	node = content(node)
	switch {
	case len(path) > maxDepth:
		return nil, errValue
	case node == nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case node.Kind == yaml.MappingNode:
		return s.mapping(node, path)
	case node.Kind == yaml.SequenceNode:
		plain := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range node.Content {
			value, err := s.value(item, path)
			if err != nil {
				return nil, err
			}
			plain.Content = append(plain.Content, value)
		}
		return plain, nil
	default:
		return s.scalar(node, path)
	}
}

// scalar decrypts one value and adds it to the MAC.
func (s *sopsFile) scalar(node *yaml.Node, path []string) (*yaml.Node, error) {
	var value any
	if err := node.Decode(&value); err != nil {
		return nil, errValue
	}
	text, isText := value.(string)
	encrypted := isText && strings.HasPrefix(text, "ENC[AES256_GCM,")
	if s.encrypted != nil {
		encrypted = s.encrypted(path)
	}
	if encrypted {
		if !isText {
			return nil, errPlain
		}
		opened, err := openValue(text, s.key, strings.Join(path, ":")+":")
		if err != nil {
			return nil, err
		}
		value = opened
	}
	if encrypted || !s.macOnly {
		data, err := macBytes(value)
		if err != nil {
			return nil, err
		}
		_, _ = s.mac.Write(data)
	}
	plain := &yaml.Node{}
	if err := plain.Encode(value); err != nil {
		return nil, errValue
	}
	return plain, nil
}

// verify compares the sum of the values with the MAC of the file.
func (s *sopsFile) verify(metadata *yaml.Node, sum string) error {
	modified, err := time.Parse(time.RFC3339, scalar(field(metadata, "lastmodified")))
	if err != nil {
		return errMetadata
	}
	stored, err := openValue(scalar(field(metadata, "mac")), s.key, modified.Format(time.RFC3339))
	if err != nil {
		return errMAC
	}
	want, ok := stored.(string)
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(sum)) != 1 {
		return errMAC
	}
	return nil
}

// openValue decrypts one ENC[...] text; an empty one is the empty string.
func openValue(text string, key []byte, bound string) (any, error) {
	if text == "" {
		return "", nil
	}
	parts := encryptedValue.FindStringSubmatch(text)
	if parts == nil {
		return nil, errPlain
	}
	var raw [3][]byte
	for i := range raw {
		data, err := base64.StdEncoding.DecodeString(parts[i+1])
		if err != nil || len(data) == 0 {
			return nil, errValue
		}
		raw[i] = data
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errValue
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(raw[1]))
	if err != nil {
		return nil, errValue
	}
	plain, err := gcm.Open(nil, raw[1], append(raw[0], raw[2]...), []byte(bound))
	if err != nil {
		return nil, errValue
	}
	return typedValue(string(plain), parts[4])
}

// typedValue restores a value's type.
func typedValue(text, kind string) (value any, err error) {
	switch kind {
	case "str", "bytes", "comment":
		return text, nil
	case "int":
		value, err = strconv.Atoi(text)
	case "float":
		value, err = strconv.ParseFloat(text, 64)
	case "bool":
		value, err = strconv.ParseBool(text)
	case "time":
		var at time.Time
		err = at.UnmarshalText([]byte(text))
		value = at
	default:
		err = errValue
	}
	if err != nil {
		return nil, errValue
	}
	return value, nil
}

// macBytes is the form in which a value goes into the MAC.
func macBytes(value any) ([]byte, error) {
	switch value := value.(type) {
	case string:
		return []byte(value), nil
	case int:
		return []byte(strconv.Itoa(value)), nil
	case float64:
		return []byte(strconv.FormatFloat(value, 'f', -1, 64)), nil
	case bool:
		if value {
			return []byte("True"), nil
		}
		return []byte("False"), nil
	case time.Time:
		return value.MarshalText()
	default:
		return nil, errValue
	}
}

// scalar is a scalar's text as written; empty for anything else.
func scalar(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode {
		return ""
	}
	return node.Value
}
