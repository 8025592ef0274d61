package talosapi

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// saidError is an error that the server itself sent: the endpoint is alive and
// the trouble is further on, or in what was asked.
type saidError struct{ error }

func (e *saidError) Unwrap() error { return e.error }

// serverSaid reports whether the server sent the error, as opposed to the
// connection to it having failed.
func serverSaid(err error) bool {
	var said *saidError
	return errors.As(err, &said)
}

// noteUnary marks errors that came with trailers: only a server sends those.
func noteUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var trailer metadata.MD
	err := invoke(ctx, method, req, reply, cc, append(opts, grpc.Trailer(&trailer))...)
	return mark(err, trailer)
}

func noteStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, err
	}
	return &notedStream{stream}, nil
}

type notedStream struct{ grpc.ClientStream }

// RecvMsg reads one message; the error of a server is marked as such.
func (s *notedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil {
		return nil
	}
	return mark(err, s.Trailer())
}

func mark(err error, trailer metadata.MD) error {
	if err == nil || len(trailer) == 0 {
		return err
	}
	return &saidError{err}
}
