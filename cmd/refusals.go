package cmd

import (
	"fmt"
	"sync"
	"time"

	"github.com/sockkit/sockkit/internal/render"
)

// refusals words what was turned away for the log, so that a flood of
// connections is no flood of lines: ten at once, and then one a second.
type refusals struct {
	mu     sync.Mutex
	spare  float64
	last   time.Time
	hidden int
}

const logBurst = 10

// line is what to log of a peer that was turned away, or "".
func (r *refusals) line(remote, rule, reason string) string {
	if rule == "tls" {
		return r.sparing(fmt.Sprintf("no TLS with %s: %s", remote, render.Printable(reason)))
	}
	line := fmt.Sprintf("turned away %s: %s", remote, render.Printable(reason))
	if isLimit(rule) {
		line += " (--" + rule + ")"
	}
	return r.sparing(line)
}

// sparing is s, with how many lines before it were not logged, or "".
func (r *refusals) sparing(s string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.last.IsZero() {
		r.spare = logBurst
	}
	r.spare = min(logBurst, r.spare+now.Sub(r.last).Seconds())
	r.last = now
	if r.spare < 1 {
		r.hidden++
		return ""
	}
	r.spare--
	if r.hidden > 0 {
		s += fmt.Sprintf("; %d more were not logged", r.hidden)
		r.hidden = 0
	}
	return s
}

// isLimit reports whether a rule is a flag, and not one of a specification's.
func isLimit(rule string) bool {
	switch rule {
	case "max-conns", "max-conns-per-ip", "max-rate", "allow", "deny", "timeout", "idle-timeout":
		return true
	}
	return false
}
