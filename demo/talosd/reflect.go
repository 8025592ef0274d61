package talosd

import (
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// methodOf finds the description of a gRPC method such as /machine.MachineService/Logs.
func methodOf(full string) (protoreflect.MethodDescriptor, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(full, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if m, ok := d.(protoreflect.MethodDescriptor); ok && err == nil {
		return m, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "unknown method %s", full)
}

func newMessage(d protoreflect.MessageDescriptor) (proto.Message, error) {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		return nil, status.Errorf(codes.Internal, "no message %s: %v", d.FullName(), err)
	}
	return t.New().Interface(), nil
}

func newInput(method string) (proto.Message, error) {
	m, err := methodOf(method)
	if err != nil {
		return nil, err
	}
	return newMessage(m.Input())
}

func newOutput(method string) (proto.Message, error) {
	m, err := methodOf(method)
	if err != nil {
		return nil, err
	}
	return newMessage(m.Output())
}

// stamp sets the field metadata of a message that has one.
func stamp(m protoreflect.Message, md *common.Metadata) {
	if f := m.Descriptor().Fields().ByName("metadata"); f != nil && f.Message() != nil {
		m.Set(f, protoreflect.ValueOfMessage(md.ProtoReflect()))
	}
}

// messages returns the repeated field that every one-to-many response has.
func messages(m protoreflect.Message) protoreflect.FieldDescriptor {
	f := m.Descriptor().Fields().ByName("messages")
	if f == nil || !f.IsList() || f.Message() == nil {
		return nil
	}
	return f
}

func stampMessages(resp proto.Message, md *common.Metadata) {
	m := resp.ProtoReflect()
	f := messages(m)
	if f == nil {
		return
	}
	list := m.Mutable(f).List()
	for i := range list.Len() {
		stamp(list.Get(i).Message(), md)
	}
}

func appendFailure(resp proto.Message, md *common.Metadata) {
	m := resp.ProtoReflect()
	if f := messages(m); f != nil {
		stamp(m.Mutable(f).List().AppendMutable().Message(), md)
	}
}
