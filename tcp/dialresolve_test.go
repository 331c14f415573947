package tcp

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

func TestResolve(t *testing.T) {
	var seen trace.Recorder
	d := &Dialer{Hosts: map[string]string{"app.test:80": "192.0.2.7"}, NoLookup: true, Tracer: trace.New(&seen, trace.Connection)}
	for address, want := range map[string]string{"192.0.2.1:80": "192.0.2.1:80", "[2001:db8::1]:80": "[2001:db8::1]:80", "app.test:80": "192.0.2.7:80"} {
		got, err := d.Resolve(t.Context(), "tcp", address)
		if err != nil || !slices.Equal(got, []netip.AddrPort{netip.MustParseAddrPort(want)}) {
			t.Errorf("%s: %v, %v", address, got, err)
		}
	}
	if len(seen.Records()) != 0 {
		t.Error("an address was tried")
	}
}

func TestResolveFails(t *testing.T) {
	d := &Dialer{NoLookup: true}
	for _, test := range []struct{ network, address string }{{"tcp", "app.test:80"}, {"tcp6", "192.0.2.1:80"}} {
		_, err := d.Resolve(t.Context(), test.network, test.address)
		var operation *Error
		var dns *net.DNSError
		if !errors.As(err, &operation) || operation.Op != "resolve" || !errors.As(err, &dns) {
			t.Errorf("%s: %v", test.address, err)
		}
	}
	if _, err := d.Resolve(t.Context(), "tcp", "192.0.2.1:70000"); err == nil {
		t.Error("port 70000 passed")
	}
}
