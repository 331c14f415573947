package inspect

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/ws"
)

// idler serves WebSockets: end says when the connection with a number ends.
func idler(t *testing.T, end func(number int64, c *ws.Conn)) endpoint.Address {
	t.Helper()
	var n atomic.Int64
	s := &ws.Server{Handler: func(ctx context.Context, c *ws.Conn) error {
		number := n.Add(1)
		if number > 1 { // the first is the plain way
			go end(number-1, c)
		}
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return err
			}
		}
	}}
	return httpAt(t, s.ServeHTTP)
}

func TestDoctorOnSilence(t *testing.T) {
	for name, row := range map[string]struct {
		end  func(number int64, c *ws.Conn)
		want string
		runs int
	}{
		"nobody":            {func(int64, *ws.Conn) {}, "", 1},
		"a proxy":           {func(n int64, c *ws.Conn) { cutIf(n == 1, c) }, "proxy idle_closed", 2},
		"the server":        {func(n int64, c *ws.Conn) { closeIf(n == 1, c) }, "server idle_closed", 2},
		"pings or not":      {func(n int64, c *ws.Conn) { closeIf(n < 3, c) }, "server lifetime", 2},
		"pings, by a proxy": {func(n int64, c *ws.Conn) { cutIf(n == 1, c); closeIf(n == 2, c) }, "proxy lifetime", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{Address: idler(t, row.end), Doctor: DoctorOptions{When: DoctorAuto, Idle: time.Minute}}
			if row.want == "" {
				o.Doctor.Idle = 50 * time.Millisecond
			}
			r := diagnosed(t, o)
			if r.Doctor == nil || r.Doctor.Idle == nil || len(r.Doctor.Idle.Runs) != row.runs {
				t.Fatalf("%+v", r.Doctor)
			}
			if row.want == "" {
				if w := r.Worst(); w != nil || len(r.Doctor.Verdicts) != 0 || r.Doctor.Idle.Runs[0].Ended {
					t.Errorf("%+v %+v", w, r.Doctor)
				}
				return
			}
			wantVerdict(t, r, row.want)
			if w := r.Worst(); w == nil || w.Severity != Warning || !strings.HasSuffix(row.want, w.ID) {
				t.Errorf("%+v", w)
			}
		})
	}
}

func cutIf(is bool, c *ws.Conn) {
	if is {
		time.Sleep(silence)
		c.CloseNow()
	}
}

func closeIf(is bool, c *ws.Conn) {
	if is {
		time.Sleep(silence)
		_ = c.Close(ws.StatusGoingAway, "")
	}
}

func TestDoctorOnSilentSessions(t *testing.T) {
	s := chatServer(nil)
	var polls atomic.Int64
	gives := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("transport") == "polling" && r.Method == http.MethodGet && r.URL.Query().Get("sid") != "" && polls.Add(1) > 1 {
			http.Error(w, "gone", http.StatusGatewayTimeout)
			return
		}
		s.ServeHTTP(w, r)
	})
	r := diagnosed(t, Options{Address: sioAt(t, gives), SocketIO: SocketIOOptions{Transports: []string{"polling"}}, Doctor: DoctorOptions{When: DoctorAuto, Idle: time.Minute}})
	wantVerdict(t, r, "proxy idle_closed")
	if run := r.Doctor.Idle.Runs[0]; run.Status != 504 || run.Transport != "polling" {
		t.Errorf("%+v", run)
	}
	quiet := diagnosed(t, Options{Address: sioAt(t, chatServer(nil)), Doctor: DoctorOptions{When: DoctorAuto, Idle: 50 * time.Millisecond}})
	if d := quiet.Doctor; len(d.Idle.Runs) != 2 || len(d.Verdicts) != 0 || d.Idle.Runs[0].Ended || d.Idle.Runs[1].Ended {
		t.Errorf("%+v %+v", d.Idle, verdictIDs(quiet))
	}
}

// silence is how long the first connection of an idler lasts. Pings are sent at
// a third of it, and another connection is kept for twice as long.
const silence = 400 * time.Millisecond
