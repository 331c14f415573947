package interop

import (
	"testing"
)

// sioTarget is an official server of version 4, as it comes.
func sioTarget(t *testing.T, options map[string]any) (hostPort string) {
	t.Helper()
	return hostPortOf(sioOfficial(t, sioWords{Options: options}).url)
}

// Where a proxy does not pass the upgrade on, Socket.IO stays with polling, and
// the doctor says why.
func TestDoctorSIOProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range sioProxies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := "sio://" + hostPortOf(proxy.start(t, sioTarget(t, nil)))
			if passes(name, true) {
				wantVerdict(t, 0, "", front, "--doctor")
				return
			}
			wantVerdict(t, 3, "proxy upgrade_dropped", front)
			wantVerdict(t, 4, "proxy upgrade_dropped", front, "--transports", "websocket")
		})
	}
}

func TestDoctorSIOServers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		words  sioWords
		target string // behind host:port
		flags  []string
		status int
		want   string
	}{
		"as it comes":       {sioWords{}, "/", []string{"--doctor"}, 0, ""},
		"version 2":         {sioWords{Package: "socket.io-2"}, "/", nil, 3, "client engine_version_3"},
		"version 2 let in":  {sioWords{Options: map[string]any{"allowEIO3": true}}, "/", []string{"--doctor"}, 0, ""},
		"no CORS":           {sioWords{}, "/", []string{"--origin", "https://app.example"}, 3, "server cors"},
		"another's CORS":    {sioWords{Options: map[string]any{"cors": map[string]any{"origin": "https://other.example"}}}, "/", []string{"--origin", "https://app.example"}, 3, "server cors"},
		"CORS":              {sioWords{Options: map[string]any{"cors": map[string]any{"origin": "https://app.example"}}}, "/", []string{"--origin", "https://app.example", "--doctor"}, 0, ""},
		"another path":      {sioWords{}, "/chat", []string{"--path", "/live"}, 4, "client path"},
		"a path of its own": {sioWords{Options: map[string]any{"path": "/live"}}, "/live", nil, 4, "client namespace_is_path"},
		"the path twice":    {sioWords{}, "/socket.io/", nil, 4, "client namespace_is_path"},
		"no namespace":      {sioWords{}, "/nosuch", nil, 4, "client namespace"},
		"a middleware":      {sioWords{}, "/auth", nil, 4, "client middleware"},
		"its token":         {sioWords{}, "/auth", []string{"--auth", `{"token":"abc"}`, "--doctor"}, 0, ""},
		"no polling":        {sioWords{Options: map[string]any{"transports": []string{"websocket"}}}, "/", nil, 3, "client polling_refused"},
		"no WebSocket":      {sioWords{Options: map[string]any{"transports": []string{"polling"}}}, "/", []string{"--doctor"}, 0, ""},
		"slow pings":        {sioWords{Options: map[string]any{"pingInterval": 120_000}}, "/", nil, 3, "server slow_ping"},
		"seconds":           {sioWords{Options: map[string]any{"pingInterval": 25, "pingTimeout": 900}}, "/", nil, 3, "server fast_ping"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := hostPortOf(sioOfficial(t, row.words).url)
			wantVerdict(t, row.status, row.want, append([]string{"sio://" + at + row.target}, row.flags...)...)
		})
	}
}

func TestDoctorSIOBalancer(t *testing.T) {
	t.Parallel()
	front := sioBalancer(t, sioOfficial(t, sioWords{}), sioOfficial(t, sioWords{}))
	wantVerdict(t, 3, "proxy no_sticky_sessions", "sio://"+hostPortOf(front))
}

// One protocol is taken for the other.
func TestDoctorSIOOrNot(t *testing.T) {
	t.Parallel()
	// Engine.IO ends upgrades for other paths than its own without an answer.
	wantVerdict(t, 3, "client socket_io", "ws://"+sioTarget(t, nil)+"/")
	wantVerdict(t, 4, "client plain_websocket", "sio://"+upgradeTarget(t, "node ws"))
}

// A proxy that is less patient than the server's pings ends both transports.
func TestDoctorSIOIdle(t *testing.T) {
	t.Parallel()
	front := "sio://" + hostPortOf(wsProxy{"nginx", nginxRight + " proxy_read_timeout 2s;"}.start(t, sioTarget(t, nil)))
	r := wantVerdict(t, 3, "proxy idle_closed", front, "--idle", "50s")
	if runs := r.Doctor.Idle.Runs; len(runs) != 2 || runs[0].Status != 504 || runs[1].Code != 1006 {
		t.Errorf("%+v", runs)
	}
}
