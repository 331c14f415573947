// Package guard is what the examples do before they believe a client: whatever
// arrives may be of any type, of any length, and come at any rate. What is
// refused is acknowledged as {"error": "…"}, in words for a reader.
package guard

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text returns v if it is text of 1 to most characters, none of which controls
// anything; spaces around it are cut off.
func Text(what string, v any, most int) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s has to be text, and %s came", what, kind(v))
	}
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n == 0 || n > most {
		return "", fmt.Errorf("%s has %d characters; 1 to %d are allowed", what, n, most)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "", fmt.Errorf("%s has control characters in it", what)
	}
	return text, nil
}

// Whole returns v if it is a whole number from least to most.
func Whole(what string, v any, least, most int) (int, error) {
	n, ok := v.(float64)
	if !ok {
		return 0, fmt.Errorf("%s has to be a number, and %s came", what, kind(v))
	}
	if n != math.Trunc(n) || n < float64(least) || n > float64(most) {
		return 0, fmt.Errorf("%s is %v; a whole number from %d to %d was due", what, n, least, most)
	}
	return int(n), nil
}

// Object returns v if it is an object.
func Object(what string, v any) (map[string]any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s has to be an object, and %s came", what, kind(v))
	}
	return object, nil
}

// kind names what came in the words of JSON.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case bool:
		return "a truth value"
	case float64:
		return "a number"
	case []byte:
		return "binary data"
	case []any:
		return "a list"
	}
	return "an object"
}

// ErrRate is told to who sends more than a rate allows.
var ErrRate = errors.New("that was too much at once; wait a moment")

// Rate lets through so many events a second, and that many at once. Its zero
// value lets nothing through. Each socket has its own.
type Rate struct {
	PerSecond, AtOnce float64

	mu   sync.Mutex
	used float64
	last time.Time
}

// Allow reports whether one more event may pass.
func (r *Rate) Allow() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.used = max(0, r.used-r.PerSecond*now.Sub(r.last).Seconds())
	r.last = now
	if r.used+1 > r.AtOnce {
		return false
	}
	r.used++
	return true
}

// Answer makes a handler of an event that has one argument. It acknowledges with
// what f returns, and with {"error": …} where f, or the rate, refuses.
func (r *Rate) Answer(f func(v any) (any, error)) func(v any, ack func(any)) {
	return func(v any, ack func(any)) {
		if !r.Allow() {
			ack(refusal(ErrRate))
			return
		}
		answer, err := f(v)
		if err != nil {
			ack(refusal(err))
			return
		}
		ack(answer)
	}
}

func refusal(err error) map[string]any { return map[string]any{"error": err.Error()} }
