package socketio

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Of returns the namespace of that name, and makes it where there is none yet. A
// name that a pattern of [Server.OfPattern] matches becomes a child of that
// dynamic namespace.
func (s *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	if n := s.existing(name); n != nil {
		return n
	}
	for _, parent := range s.parents() {
		if parent.pattern != nil && parent.pattern.MatchString(name) {
			n, _ := s.add(name, parent, false)
			return n
		}
	}
	n, _ := s.add(name, nil, false)
	return n
}

// OfPattern returns a dynamic namespace: clients may join every name that the
// pattern matches. Its middlewares and handlers are those of each of them.
func (s *Server) OfPattern(pattern *regexp.Regexp) *Namespace {
	return s.ofMatch(pattern, func(name string, _ map[string]any) bool { return pattern.MatchString(name) })
}

// OfFunc is OfPattern for a function, which gets what the client sent along. It
// may block.
func (s *Server) OfFunc(match func(name string, auth map[string]any) bool) *Namespace {
	return s.ofMatch(nil, match)
}

func (s *Server) ofMatch(pattern *regexp.Regexp, match func(string, map[string]any) bool) *Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := newNamespace(s, fmt.Sprintf("/_%d", len(s.dynamic)))
	n.pattern, n.match = pattern, match
	n.setUp()
	s.dynamic = append(s.dynamic, n)
	return n
}

// OnNewNamespace adds a handler for namespaces that are made.
func (s *Server) OnNewNamespace(f func(*Namespace)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onNew = append(s.onNew, f)
}

func (s *Server) existing(name string) *Namespace {
	s.mu.RLock()
	n := s.namespaces[name]
	s.mu.RUnlock()
	if n != nil {
		n.setUp()
	}
	return n
}

func (s *Server) parents() []*Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dynamic
}

// namespaceFor returns the namespace that a client may join under a name; nil
// where there is none. It may block, for a function may decide.
func (s *Server) namespaceFor(name string, auth map[string]any) *Namespace {
	if n := s.existing(name); n != nil {
		return n
	}
	for _, parent := range s.parents() {
		matches := false
		s.guard(func() { matches = parent.match(name, orEmpty(auth)) })
		if !matches {
			continue
		}
		n, ok := s.add(name, parent, true)
		if !ok {
			s.note(nil, "clients have made more than %d namespaces", s.maxChildNamespaces())
		}
		return n
	}
	return nil
}

// add makes a namespace, perhaps as a child, unless there is one by now. It
// reports false where clients may make no more of them.
func (s *Server) add(name string, parent *Namespace, byClient bool) (*Namespace, bool) {
	s.mu.Lock()
	n := s.namespaces[name]
	if n != nil {
		s.mu.Unlock()
		n.setUp()
		return n, true
	}
	if byClient && beyond(s.children+1, s.maxChildNamespaces()) {
		s.mu.Unlock()
		return nil, false
	}
	if n = newNamespace(s, name); parent != nil {
		n.inherit(parent)
		s.children++
	}
	s.namespaces[name] = n
	hooks := s.onNew
	s.mu.Unlock()
	n.setUp()
	for _, f := range hooks {
		s.guard(func() { f(n) })
	}
	return n, true
}

// drop forgets a child of a dynamic namespace that has no sockets any more.
func (s *Server) drop(n *Namespace) {
	s.mu.Lock()
	if s.namespaces[n.name] != n || !n.retire() {
		s.mu.Unlock()
		return
	}
	delete(s.namespaces, n.name)
	s.children--
	s.mu.Unlock()
	n.parent.disown(n)
	if err := n.adapter.Close(); err != nil {
		n.AdapterError(err)
	}
}

// Namespaces returns the namespaces there are, in the order of their names.
func (s *Server) Namespaces() []*Namespace {
	s.mu.RLock()
	all := make([]*Namespace, 0, len(s.namespaces))
	for _, n := range s.namespaces {
		all = append(all, n)
	}
	s.mu.RUnlock()
	for _, n := range all {
		n.setUp()
	}
	slices.SortFunc(all, func(a, b *Namespace) int { return strings.Compare(a.name, b.name) })
	return all
}
