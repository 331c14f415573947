package interop

import (
	"encoding/json"
	"strings"
	"testing"
)

// inspect goes through every layer up to the extensions agreed.
func TestWSInspect(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for _, row := range []struct {
		name   string
		lib    string
		server wsOptions
		flags  []string
		words  []string
	}{
		{"ws", "node ws", wsOptions{Compress: true, Takeover: true, ServerBits: 12}, nil, []string{"tcp ", "101", "permessage-deflate", "server_max_window_bits=12"}},
		{"wss", "gorilla", wsOptions{Compress: true, Cert: cert.cert, Key: cert.key}, []string{"--ca", a.pem}, []string{"TLS 1.3", "101", "permessage-deflate", "server_no_context_takeover"}},
		{"without extensions", "gobwas", wsOptions{}, nil, []string{"tcp ", "101"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, wsLibraries[row.lib], row.server)
			us := sockkit(t, append([]string{"inspect", p.url}, row.flags...)...)
			us.want(0)
			wantShown(t, us, row.words...)
			machine := sockkit(t, append([]string{"inspect", "--json", p.url}, row.flags...)...)
			machine.want(0)
			var report map[string]any
			if err := json.Unmarshal([]byte(machine.out.String()), &report); err != nil {
				t.Errorf("the report is no JSON object: %v\n%s", err, machine.out)
			}
			if row.server.Compress && !strings.Contains(machine.out.String(), "permessage-deflate") {
				t.Errorf("the report does not hold what was agreed: %s", machine.out)
			}
		})
	}
}

// What is wrong in the handshake is a finding, and the status 3; a refusal is 4.
func TestWSInspectFindings(t *testing.T) {
	t.Parallel()
	for _, row := range broken101 {
		if len(row.flags) > 0 || strings.Contains(row.name, "not offered") { // inspect offers what it likes
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, "inspect", answered101(t, row.mend))
			us.want(3)
			wantShown(t, us, row.clause)
		})
	}
	t.Run("404", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "inspect", "ws://"+rawServer(t, func(c *raw) { c.head(); c.write(wsRefusals[0].wire()) })+"/nowhere")
		us.want(4)
		wantShown(t, us, "404 Not Found")
	})
	t.Run("nginx in between", func(t *testing.T) {
		t.Parallel()
		us := sockkit(t, "inspect", wrongProxies["nginx with nothing but proxy_pass"].start(t, upgradeTarget(t, "sockkit")))
		us.want(4)
		wantShown(t, us, "proxy_set_header")
	})
}
