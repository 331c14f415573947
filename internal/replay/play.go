package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/sockkit/sockkit/ws"
)

// Peer is the other side of a conversation that is played again.
type Peer interface {
	// Send says one thing.
	Send(ctx context.Context, item Item) error
	// End says that no more comes from here.
	End(item Item) error
	// Receive returns the next thing that the other side says; io.EOF or a close
	// of its own is its end.
	Receive() (Item, error)
	Close() error
}

// Player plays scripts.
type Player struct {
	Layer Layer
	// Fast sends each thing as soon as what came before it in the recording has
	// come, and not at its time.
	Fast bool
	// Answers waits for what came before, besides: a server does not answer what it
	// has not been asked.
	Answers bool
	// Wait bounds the wait for something that came in the recording; 0 is 5
	// seconds.
	Wait time.Duration
	// Linger is for how long more is waited for than came in the recording; 0 is
	// half a second.
	Linger time.Duration
}

const (
	defaultWait   = 5 * time.Second
	defaultLinger = 500 * time.Millisecond
)

// Outcome is what became of one script.
type Outcome struct {
	Sent int    // things said
	Came []Item // things heard
	End  *Item  // how the other side ended the conversation; nil where it did not
	ID   string // of the socket of Socket.IO that played
	Err  error  // why it could not be played to its end
}

// performance is one script that is being played.
type performance struct {
	*Player
	peer Peer

	id      string // of a socket of Socket.IO, while it is connected
	mu      sync.Mutex
	changed chan struct{}
	came    []Item
	bytes   int
	end     error // of receiving
}

// Play plays a script to a peer, and closes it.
func (p *Player) Play(ctx context.Context, s *Script, peer Peer) *Outcome {
	f := &performance{Player: p, peer: peer, changed: make(chan struct{})}
	if named, ok := peer.(interface{ ID() string }); ok {
		f.id = named.ID()
	}
	stop := context.AfterFunc(ctx, func() { _ = peer.Close() })
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); f.hear() }()
	sent, err := f.say(ctx, s)
	_ = peer.Close() // it has said all that is waited for
	<-done
	o := &Outcome{Sent: sent, Came: f.came, End: endOf(f.end), ID: f.id, Err: err}
	if err == nil && f.end != nil && !isEnd(f.end) && !errors.Is(f.end, errClosedHere) {
		o.Err = f.end
	}
	return o
}

// errClosedHere is the end that Play itself brings about.
var errClosedHere = errors.New("closed by the player")

// isEnd reports whether the other side has ended a conversation as one does.
func isEnd(err error) bool { return endOf(err) != nil }

// endOf is how the other side has ended; nil where it has not.
func endOf(err error) *Item {
	var closed *ws.CloseError
	switch {
	case errors.As(err, &closed):
		return &Item{End: true, Code: int(closed.Code), Why: closed.Reason}
	case errors.Is(err, io.EOF):
		return &Item{End: true}
	}
	return nil
}

// mostCame bounds what is kept of what the other side says.
const mostCame = 256 << 20

func (f *performance) hear() {
	for {
		item, err := f.peer.Receive()
		f.mu.Lock()
		if err == nil {
			f.came = append(f.came, item)
			if f.bytes += len(item.Data); f.bytes > mostCame {
				err = fmt.Errorf("more than %d MiB came", mostCame>>20)
			}
		}
		f.end = err
		close(f.changed)
		f.changed = make(chan struct{})
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// say says what is ours, each thing when its time has come.
func (f *performance) say(ctx context.Context, s *Script) (sent int, err error) {
	began := time.Now()
	heard := 0 // of the recording, so far
	first := s.endsFirst()
	for i, item := range s.Items {
		if !item.Ours {
			heard += f.weight(item)
			continue
		}
		if !f.Fast {
			if err := sleepUntil(ctx, began.Add(item.At)); err != nil {
				return sent, err
			}
		}
		if f.Fast || f.Answers {
			f.await(ctx, heard, f.wait())
			f.awaitEnd(ctx, first >= 0 && first < i)
		}
		if item.End {
			if item.Code == 0 { // a half-close: more may come
				err = f.peer.End(item)
			} else {
				f.await(ctx, heard, f.wait())
				err = f.peer.End(item)
			}
		} else if err = f.peer.Send(ctx, s.withID(item, f.id)); err == nil {
			sent++
		}
		if err != nil {
			return sent, err
		}
	}
	if f.await(ctx, heard, f.wait()) && !f.awaitEnd(ctx, first >= 0) {
		f.await(ctx, heard+1, f.linger())
	}
	return sent, context.Cause(ctx)
}

// awaitEnd waits for the end of the other side, where one is due, and reports
// whether it has come.
func (f *performance) awaitEnd(ctx context.Context, due bool) bool {
	if !due {
		return false
	}
	f.await(ctx, math.MaxInt, f.wait())
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end != nil
}

// weight is how much something that came counts: a stream knows its bytes only.
func (f *performance) weight(item Item) int {
	switch {
	case item.End:
		return 0
	case f.Layer == Stream:
		return len(item.Data)
	}
	return 1
}

// await waits until so much has come, and reports whether it has.
func (f *performance) await(ctx context.Context, much int, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		f.mu.Lock()
		have, changed, end := len(f.came), f.changed, f.end
		if f.Layer == Stream {
			have = f.bytes
		}
		f.mu.Unlock()
		if have >= much || end != nil {
			return have >= much
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (f *performance) wait() time.Duration {
	if f.Wait > 0 {
		return f.Wait
	}
	return defaultWait
}

func (f *performance) linger() time.Duration {
	if f.Linger > 0 {
		return f.Linger
	}
	return defaultLinger
}

func sleepUntil(ctx context.Context, when time.Time) error {
	timer := time.NewTimer(time.Until(when))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
