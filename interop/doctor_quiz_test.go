package interop

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
)

// TestDoctorQuiz holds the doctor against the servers of the quiz, each of which
// breaks one rule: what a person is to find out, the doctor says. Servers whose
// fault shows only to one who talks on are left out.
func TestDoctorQuiz(t *testing.T) {
	t.Parallel()
	servers := quizServers(t)
	for number, row := range map[int]struct {
		flags []string
		want  string
	}{
		1: {nil, "server handshake"}, 2: {nil, "server handshake"}, 3: {nil, "server handshake"}, 4: {nil, "client refused"}, 5: {nil, "server handshake"},
		8: {nil, "server handshake"}, 9: {[]string{"-s", "chat", "-s", "log"}, "server handshake"}, 10: {[]string{"--doctor"}, "server extension_forced"},
		11: {nil, "server handshake"}, 12: {nil, "server handshake"}, 13: {nil, "server handshake"}, 15: {nil, "proxy upgrade_dropped"},
		16: {[]string{"-x", "hello"}, "server frame-masked"}, 20: {[]string{"-x", "hello"}, "server frame-rsv"},
		22: {nil, "proxy upgrade_dropped"}, 23: {nil, "proxy no_sticky_sessions"}, 24: {[]string{"--origin", "http://app.test"}, "server cors"},
		25: {nil, "client engine_version_3"}, 26: {nil, "server open_packet"}, 27: {nil, "server fast_ping"}, 28: {[]string{"--idle", "4s"}, "server pings_due"},
		29: {nil, "server upgrade_failed"}, 30: {[]string{"-w", "2s"}, "server connect_unanswered"},
	} {
		t.Run(strconv.Itoa(number), func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, append([]string{"inspect", "--json", servers[number-1]}, row.flags...)...)
			us.wait()
			var r doctored
			must(t, json.Unmarshal([]byte(us.out.String()), &r))
			var got []string
			if r.Doctor != nil {
				for _, v := range r.Doctor.Verdicts {
					got = append(got, v.Where+" "+v.ID)
				}
			}
			if !slices.Equal(got, []string{row.want}) {
				t.Errorf("verdicts %q, want %q\n%s", got, row.want, us.out)
			}
		})
	}
}
