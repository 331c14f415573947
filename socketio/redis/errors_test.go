package redis

import "testing"

// TestWords has faults of Redis be told in plain words.
func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"ERR unknown command `ssubscribe`, with args beginning with: `socket.io#/#`, ": "it has no sharded channels, which Redis has from version 7 on",
		"ERR unknown command 'SPUBLISH'":                                               "it has no sharded channels, which Redis has from version 7 on",
		"ERR unknown command 'XADD', with args beginning with: 'a' ":                   "ERR unknown command 'XADD', with args beginning with: 'a' ",
		"failed to initialize connection options: ERR DB index is out of range":        "ERR DB index is out of range",
		"NOPERM this user has no permissions to run the 'ssubscribe' command":          "NOPERM this user has no permissions to run the 'ssubscribe' command",
	} {
		if got := words(refusal(text)); got.Error() != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
