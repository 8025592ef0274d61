package talosd

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

// alertTime is how long a refused client is given to read why.
const alertTime = 250 * time.Millisecond

// patientCreds are server credentials that make sure a refused client reads the
// TLS alert: a connection that is closed with unread bytes is reset, and the
// reset can overtake the alert ("certificate required", "expired certificate").
type patientCreds struct {
	credentials.TransportCredentials
}

// Clone implements credentials.TransportCredentials.
func (c patientCreds) Clone() credentials.TransportCredentials {
	return patientCreds{c.TransportCredentials.Clone()}
}

// ServerHandshake implements credentials.TransportCredentials.
func (c patientCreds) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	held := &heldConn{Conn: raw}
	conn, info, err := c.TransportCredentials.ServerHandshake(held)
	held.free.Store(true)
	if err == nil {
		return conn, info, nil
	}
	if gated, ok := raw.(*gatedConn); ok {
		gated.closeWrite()
	}
	if raw.SetReadDeadline(time.Now().Add(alertTime)) == nil {
		_, _ = io.Copy(io.Discard, raw)
	}
	_ = raw.Close()
	return nil, nil, err
}

// heldConn does not close before it is free.
type heldConn struct {
	net.Conn
	free atomic.Bool
}

func (h *heldConn) Close() error {
	if !h.free.Load() {
		return nil
	}
	return h.Conn.Close()
}
