package talosd

import (
	"github.com/cosi-project/runtime/pkg/resource"
	"github.com/cosi-project/runtime/pkg/resource/meta"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"google.golang.org/protobuf/encoding/protowire"
)

// bootID is the resource in which Talos 1.14 tells the kernel's boot ID.
type bootID struct {
	md   resource.Metadata
	spec bootIDSpec
}

type bootIDSpec struct {
	BootID string `yaml:"bootID"`
}

func newBootID(id string) *bootID {
	return &bootID{
		md:   resource.NewMetadata(runtime.NamespaceName, bootIDType, "boot-id", resource.VersionUndefined),
		spec: bootIDSpec{BootID: id},
	}
}

// Metadata implements resource.Resource.
func (b *bootID) Metadata() *resource.Metadata { return &b.md }

// Spec implements resource.Resource.
func (b *bootID) Spec() any { return b.spec }

// DeepCopy implements resource.Resource.
func (b *bootID) DeepCopy() resource.Resource {
	return &bootID{md: b.md.Copy(), spec: b.spec}
}

// ResourceDefinition implements meta.ResourceDefinitionProvider.
func (b *bootID) ResourceDefinition() meta.ResourceDefinitionSpec {
	return meta.ResourceDefinitionSpec{
		Type: bootIDType, DefaultNamespace: runtime.NamespaceName,
		PrintColumns: []meta.PrintColumn{{Name: "Boot ID", JSONPath: "{.bootID}"}},
	}
}

// MarshalProto writes the one field of the specification.
func (s bootIDSpec) MarshalProto() ([]byte, error) {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), s.BootID), nil
}
