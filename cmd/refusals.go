package cmd

import (
	"fmt"
	"net"
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
func (r *refusals) line(remote net.Addr, rule, reason string) string {
	return r.sparing(func() string {
		if rule == "tls" {
			return fmt.Sprintf("no TLS with %s: %s", remote, render.Printable(reason))
		}
		line := fmt.Sprintf("turned away %s: %s", remote, render.Printable(reason))
		if isLimit(rule) {
			line += " (--" + rule + ")"
		}
		return line
	})
}

// sparing is a line, with how many before it were not logged, or "". Nothing is
// worded that is not logged.
func (r *refusals) sparing(word func() string) string {
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
	s := word()
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
