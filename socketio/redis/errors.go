package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// worded is an error in words of ours.
type worded struct {
	text string
	err  error
}

// Error implements error.
func (e worded) Error() string { return e.text }

// Unwrap returns what it says in other words.
func (e worded) Unwrap() error { return e.err }

// lostError is why a connection to a server of Redis is of no use.
type lostError struct {
	address    string
	text, hint string
	err        error
}

// Error implements error.
func (e *lostError) Error() string { return e.address + ": " + e.bare() }

// bare is the error without the address.
func (e *lostError) bare() string {
	if e.hint == "" {
		return e.text
	}
	return e.text + " (" + e.hint + ")"
}

// Unwrap returns the cause.
func (e *lostError) Unwrap() error { return e.err }

const noAnswer = "no answer in time"

// ofOptions is what go-redis puts before an error of Redis to what a connection begins
// with, such as its database.
const ofOptions = "failed to initialize connection options: "

// words has an error be told in one line, and in plain words where it is none of
// Redis's own: a wait that is over, an answer that nobody can read.
func words(err error) error {
	var reply goredis.Error
	var lost *lostError
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), ofOptions):
		return worded{strings.TrimPrefix(err.Error(), ofOptions), err}
	case unsharded(err):
		return worded{"it has no sharded channels, which Redis has from version 7 on", err}
	case errors.As(err, &reply) && strings.TrimSpace(reply.Error()) == "":
		return worded{"an error without a word", err}
	case strings.Contains(err.Error(), "\n"): // of several sentinels
		return worded{strings.ReplaceAll(strings.TrimPrefix(err.Error(), "redis: "), "\n", "; "), err}
	case errors.Is(err, errUnsent), errors.As(err, &reply) && !errors.Is(err, goredis.Nil), errors.As(err, &lost), errors.As(err, new(worded)):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, goredis.ErrPoolTimeout):
		return worded{noAnswer, err}
	}
	if text := unreadable(err); text != "" {
		return worded{"what answers is no Redis (" + text + ")", err}
	}
	return err
}

// unsharded reports whether Redis does not know a command of sharded channels.
func unsharded(err error) bool {
	text := strings.ToLower(err.Error())
	return goredis.HasErrorPrefix(err, "unknown command") && (strings.Contains(text, "ssubscribe") || strings.Contains(text, "spublish"))
}

// foreignError is an answer that says whose a slot is, where only one server is known.
type foreignError string

// Error implements error.
func (e foreignError) Error() string {
	return "it is a server of a Redis Cluster: put ?cluster=true behind the address (" + string(e) + ")"
}

// foreign words that a slot is another server's, where none but this one is known:
// that does not pass.
func (c *Conn) foreign(err error) error {
	if c.cluster != nil || !elsewhere(err) {
		return err
	}
	return foreignError(err.Error())
}

// unreadable is what is wrong with an answer that go-redis cannot read, and "" for
// all other errors.
func unreadable(err error) string {
	var number *strconv.NumError
	text, its := strings.CutPrefix(err.Error(), "redis: ")
	is := func(begins string) bool { return its && strings.HasPrefix(text, begins) }
	switch {
	case errors.Is(err, goredis.Nil):
		return "nothing came where an answer is due"
	case errors.As(err, &number):
		return fmt.Sprintf("%q came where a number is due", number.Num)
	case is("unsupported pubsub message"):
		return errMalformed.Error()
	case is("RESP3 map key"):
		return "a map came with a list for a key"
	case is("can't parse"), is("invalid reply"), is("got "), is("the length of"):
		return text
	}
	return ""
}

// at leaves the address out of an error that is told behind it.
func at(address string, err error) error {
	err = words(err)
	var lost *lostError
	if _, host, ok := strings.Cut(address, "://"); ok {
		address = host
	}
	if errors.As(err, &lost) && err.Error() == lost.Error() && strings.TrimSuffix(address, ":6379") == strings.TrimSuffix(lost.address, ":6379") {
		return worded{lost.bare(), err}
	}
	return err
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

// hungUpOn reports whether the other side has ended a connection on which it had
// answered before.
func hungUpOn(err error) bool {
	var lost *lostError
	return errors.As(err, &lost) && !isLate(err)
}

// isReply reports whether an error is an answer of Redis.
func isReply(err error) bool {
	var reply goredis.Error
	return errors.As(err, &reply)
}

// passing are the beginnings of the errors of Redis that pass: it starts, it has
// no memory, another server is the one to ask, the password is being changed.
// Nothing was done.
var passing = []string{
	"LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "READONLY", "OOM", "MOVED", "ASK", "BUSY ", "NOREPLICAS", "MISCONF", "NOAUTH", "WRONGPASS",
}

func passes(err error) bool {
	for _, word := range passing {
		if goredis.HasErrorPrefix(err, word) {
			return true
		}
	}
	return false
}

// moved reports whether a cluster is not as it was.
func moved(err error) bool { return err != nil && (!isReply(err) || passes(err)) }

// unsent reports whether a command has certainly not reached Redis: there was no
// connection, or Redis has refused its greeting.
func unsent(err error) bool {
	var op *net.OpError
	return errors.Is(err, errUnsent) || errors.Is(err, goredis.ErrPoolTimeout) || errors.As(err, &op) && op.Op == "dial" ||
		isReply(err) && !isAnswer(err) || strings.Contains(err.Error(), "all sentinels specified in configuration are unreachable")
}
