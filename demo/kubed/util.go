package kubed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// digest hashes the parts with the seed: everything that looks random in the
// simulated cluster comes from it, so the same seed gives the same cluster.
func digest(seed int64, parts ...string) [32]byte {
	return sha256.Sum256([]byte(strconv.FormatInt(seed, 10) + "\x00" + strings.Join(parts, "\x00")))
}

func number(seed int64, parts ...string) uint64 {
	d := digest(seed, parts...)
	return binary.BigEndian.Uint64(d[:8])
}

// between returns a number in [low, high] that the parts decide.
func between(seed int64, low, high int64, parts ...string) int64 {
	return low + int64(number(seed, parts...)%uint64(high-low+1))
}

func hexOf(seed int64, n int, parts ...string) string {
	d := digest(seed, parts...)
	return hex.EncodeToString(d[:])[:n]
}

func uuidOf(seed int64, parts ...string) string {
	d := digest(seed, parts...)
	d[6], d[8] = d[6]&0x0f|0x40, d[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[0:4], d[4:6], d[6:8], d[8:10], d[10:16])
}

// suffixOf is a name suffix in the alphabet that Kubernetes uses for generated names.
func suffixOf(seed int64, n int, parts ...string) string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	d := digest(seed, parts...)
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[int(d[i])%len(alphabet)]
	}
	return string(out)
}

// shallow copies the object itself but nothing that it points to, so that its
// own fields can be set without touching the stored one.
func shallow(o object) object {
	if u, ok := o.(*unstructured.Unstructured); ok {
		c := make(map[string]any, len(u.Object))
		for k, v := range u.Object {
			c[k] = v
		}
		if m, ok := c["metadata"].(map[string]any); ok {
			mc := make(map[string]any, len(m))
			for k, v := range m {
				mc[k] = v
			}
			c["metadata"] = mc
		}
		return &unstructured.Unstructured{Object: c}
	}
	src := reflect.ValueOf(o).Elem()
	dst := reflect.New(src.Type())
	dst.Elem().Set(src)
	return dst.Interface().(object)
}

// clone copies the object deeply.
func clone[T object](o T) T { return o.DeepCopyObject().(T) }

func metaTime(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }
