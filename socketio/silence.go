package socketio

import (
	"context"
	"sync"
)

// silence is who can say which servers have not answered a request.
type silence struct {
	mu  sync.Mutex
	ask func() error
}

type silenceKey struct{}

// withSilence has an adapter say who is silent, of a request with that context.
func withSilence(ctx context.Context) (context.Context, *silence) {
	s := &silence{}
	return context.WithValue(ctx, silenceKey{}, s), s
}

// OnSilence is for adapters, of which [Adapter.ServerSideEmit] and
// [Adapter.BroadcastWithAck] do not wait for other servers. Ask is called where the
// request with this context has ended by its deadline, and its error is returned to who
// made it: it says which servers have not answered; nil where all have. OnSilence
// reports whether there is anybody to call it.
func OnSilence(ctx context.Context, ask func() error) bool {
	s, ok := ctx.Value(silenceKey{}).(*silence)
	if ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ask = ask
	}
	return ok
}

// explain returns the error of a request that has ended by err: where that is its
// deadline, with who was silent.
func (s *silence) explain(ctx context.Context, err error) error {
	s.mu.Lock()
	ask := s.ask
	s.mu.Unlock()
	if err == nil || ask == nil || ctx.Err() != context.DeadlineExceeded {
		return err
	}
	if who := ask(); who != nil {
		return &silentError{who, err}
	}
	return err
}

// silentError says who was silent, where a request has ended by err.
type silentError struct{ who, err error }

// Error implements error.
func (e *silentError) Error() string { return e.who.Error() }

// Unwrap returns both.
func (e *silentError) Unwrap() []error { return []error{e.who, e.err} }
