package udp

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("package net has Windows not tell refusals")
	}
	for _, host := range loopbacks {
		_, live := echoServer(t, host)
		mute := listen(t, "udp", on(host))
		for _, test := range []struct {
			address string
			wait    time.Duration
			want    Answer
		}{
			{live.String(), patience, Replied},
			{closedPort(t, host), patience, Refused},
			{mute.LocalAddr().String(), 30 * time.Millisecond, Silent},
		} {
			got, err := (&Dialer{}).Probe(soon(t), "udp", test.address, test.wait)
			if err != nil || got != test.want {
				t.Errorf("%s: %v, %v, want %v", test.address, got, err, test.want)
			}
		}
		receiveFrom(t, mute, "") // what it sends is empty
	}
}

func TestProbeErrors(t *testing.T) {
	s := listen(t, "udp", "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := (&Dialer{}).Probe(ctx, "udp", s.LocalAddr().String(), patience)
	wantError(t, err, context.Canceled, "udp://"+s.LocalAddr().String())
	_, err = (&Dialer{}).Probe(soon(t), "udp", net.JoinHostPort("127.0.0.1", "nosuchservice"), 0)
	if err == nil {
		t.Error("a service that is none was probed")
	}
	if got := Silent.String() + Refused.String() + Replied.String(); got != "silentrefusedreplied" {
		t.Error(got)
	}
}
