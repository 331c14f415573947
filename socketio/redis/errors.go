package redis

import (
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// lines is an error of several, as of several sentinels, in one line.
type lines struct{ error }

// Error implements error.
func (e lines) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }

// Unwrap returns them.
func (e lines) Unwrap() error { return e.error }

// oneLine has an error be told in one line.
func oneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return lines{err}
}

// isAnswer reports whether an error is what Redis has answered to a command, and
// not to a greeting.
func isAnswer(err error) bool {
	_, is := err.(goredis.Error)
	return is
}

// movedAway reports whether a slot is another server's.
func movedAway(err error) bool { return goredis.HasErrorPrefix(err, "MOVED ") }

// elsewhere reports whether a slot is another server's, or about to be.
func elsewhere(err error) bool { return movedAway(err) || goredis.HasErrorPrefix(err, "ASK ") }

// unknown reports whether a connection is one that gave no password.
func unknown(err error) bool { return goredis.HasErrorPrefix(err, "NOAUTH ") }
