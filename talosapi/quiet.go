package talosapi

import (
	"io"

	"google.golang.org/grpc/grpclog"
)

// gRPC writes to standard error unless told otherwise, which would spoil the
// screen. COSI's client logs nothing unless it is given a logger.
func init() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
}
