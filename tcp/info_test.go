package tcp

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

func TestInfoNeedsTCP(t *testing.T) {
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	if _, err := Info(pipe); !errors.Is(err, errors.ErrUnsupported) || err.Error() != "TCP_INFO needs a TCP connection, and this is pipe" {
		t.Error(err)
	}
	if _, err := SocketOptions(pipe); !errors.Is(err, errors.ErrUnsupported) || err.Error() != "socket options need a socket, and this is pipe" {
		t.Error(err)
	}
	if n, err := Undelivered(pipe); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Error(n, err)
	}
	if n, err := AwaitDelivered(context.Background(), pipe); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Error(n, err)
	}
}

func TestInfoOfAClosedConnection(t *testing.T) {
	client, _ := joined(t)
	client.Close()
	_, err := Info(client)
	if !errors.Is(err, net.ErrClosed) && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	_, err = AwaitDelivered(context.Background(), client)
	if !errors.Is(err, net.ErrClosed) && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

func TestUnsupportedWords(t *testing.T) {
	var err error = &unsupported{"TCP_INFO is not supported on windows"}
	if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "TCP_INFO") {
		t.Error(err)
	}
}
