package talosapi

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"time"

	machineapi "github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// readClock compares the node's clock with this host's. Talos has no call that
// just tells the time (TimeService asks an NTP server first), but the empty event
// that opens each event stream carries an id that begins with the node's time in
// whole seconds. So the answer is good to half a second plus half the round trip;
// an offset within that is told as zero.
func readClock(ctx context.Context, conn *grpc.ClientConn) (change, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := time.Now()
	stream, err := machineapi.NewMachineServiceClient(conn).Events(ctx, &machineapi.EventsRequest{})
	if err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	offset := offsetOf(first.GetId(), sent, time.Now())
	return func(v *cluster.Machine) { v.ClockOffset = offset }, nil
}

// offsetOf is the offset told by an event id that was made between the two times.
func offsetOf(id string, sent, got time.Time) cluster.Opt[time.Duration] {
	at, ok := timeOfID(id)
	if !ok {
		return cluster.Opt[time.Duration]{}
	}
	half := got.Sub(sent) / 2
	offset := at.Add(500 * time.Millisecond).Sub(sent.Add(half))
	if offset.Abs() <= 500*time.Millisecond+half {
		offset = 0
	}
	return cluster.Some(offset.Round(100 * time.Millisecond))
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// timeOfID reads the time from an event's id: twelve bytes in base 32, of which
// the first four are seconds since 1970.
func timeOfID(id string) (time.Time, bool) {
	b, err := idEncoding.DecodeString(id)
	if err != nil || len(b) != 12 {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.BigEndian.Uint32(b)), 0), true
}
