package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// WatchOptions say how a connection is watched.
type WatchOptions struct {
	Interval time.Duration // between samples; 0 means 1 second
	Count    int           // samples to take; 0: until the peer or ctx ends it
	// Send is sent once before each sample: the kernel measures the round trip
	// on what is sent, and on nothing else. A WebSocket is sent a ping, too.
	Send []byte
	Each func(Sample) error // takes the samples; its error ends the watch
}

// Sample is what the kernel knew of the connection at one time. It is one line
// of inspect --watch --json.
type Sample struct {
	Version int           `json:"version"`
	Kind    string        `json:"kind"`
	Number  int           `json:"number"` // from 1
	Time    time.Time     `json:"time"`
	Elapsed time.Duration `json:"elapsed_ns"`        // since the watch began
	RTT     time.Duration `json:"rtt_ns"`            // smoothed by the kernel (RFC 6298)
	In      uint64        `json:"in"`                // bytes received so far, as on the wire
	Out     uint64        `json:"out"`               // bytes that the peer acknowledged so far
	Ping    time.Duration `json:"ping_ns,omitempty"` // of a WebSocket: the last round trip of a ping
	InRate  float64       `json:"in_rate"`           // bytes a second since the last sample
	OutRate float64       `json:"out_rate"`
	End     string        `json:"end,omitempty"` // of the last sample: closed, reset or failed
	TCP     *TCP          `json:"tcp"`
}

// Watch samples the connection. It ends with nil after Count samples or at the
// peer's end, with ctx's cause, or with what broke the connection. What comes
// meanwhile is read and dropped. Where there is no TCP_INFO the error is an
// [errors.ErrUnsupported].
func (in *Inspection) Watch(ctx context.Context, o WatchOptions) error {
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	if in.Conn == nil {
		return errors.New("there is no connection to watch")
	}
	info, err := tcp.Info(in.Conn)
	if err != nil {
		return fmt.Errorf("--watch: %w", err)
	}
	w := &watch{in: in, o: o, began: time.Now(), ended: make(chan error, 1)}
	w.last = w.sample(info)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() { w.ended <- w.drop(reading) }()
	err = w.run(reading)
	stop()
	if !w.over {
		if in.ws == nil {
			_ = in.Conn.SetReadDeadline(time.Unix(1, 0))
		}
		<-w.ended
	}
	w.pings.Wait()
	return err
}

// drop reads and drops what comes, until the peer's end.
func (w *watch) drop(ctx context.Context) error {
	if w.in.ws == nil {
		_, err := io.Copy(io.Discard, w.in.Conn)
		return err
	}
	for {
		_, _, err := w.in.ws.Read(ctx)
		var closed *ws.CloseError
		switch {
		case err == nil:
		case errors.As(err, &closed) && closed.Orderly():
			return nil
		default:
			return err
		}
	}
}

type watch struct {
	in    *Inspection
	o     WatchOptions
	began time.Time
	last  Sample
	ended chan error // the peer's end
	over  bool       // it was taken
	reset error      // told to a write; the kernel tells once
	rtt   atomic.Int64
	pings sync.WaitGroup
}

func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(w.o.Interval)
	defer tick.Stop()
	for w.o.Count == 0 || w.last.Number < w.o.Count {
		if err := w.send(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-w.ended:
			w.over = true
			return w.finish(err)
		case <-tick.C:
			if err := w.next(""); err != nil {
				return err
			}
		}
	}
	return nil
}

// send sends the payload; that the peer does not take it shows in its end.
func (w *watch) send(ctx context.Context) error {
	if w.in.ws != nil {
		return w.ping(ctx)
	}
	if len(w.o.Send) == 0 {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.in.Conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = w.in.Conn.SetWriteDeadline(time.Now().Add(w.in.o.Timeout))
	_, err := w.in.Conn.Write(w.o.Send)
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		w.reset = err
		return nil
	case err == nil, tcp.IsReset(err):
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// ping sends a ping on a WebSocket, and the payload where there is one. What
// goes wrong shows in the connection's end.
func (w *watch) ping(ctx context.Context) error {
	c := w.in.ws
	if len(w.o.Send) > 0 {
		_ = c.Write(ctx, w.in.kind(), w.o.Send)
	}
	ctx, cancel := context.WithTimeout(ctx, max(w.o.Interval, w.in.o.Timeout))
	w.pings.Go(func() {
		defer cancel()
		if rtt, err := c.Ping(ctx); err == nil {
			w.rtt.Store(int64(rtt))
		}
	})
	return nil
}

// finish takes the last sample, after the peer's end.
func (w *watch) finish(err error) error {
	p := &Peer{End: EndClosed}
	if err == nil {
		err = w.reset
	}
	if err != nil {
		p.ended(err, 0)
	}
	if sampling := w.next(p.End); sampling != nil {
		return sampling
	}
	if p.End == EndClosed {
		return nil
	}
	return err
}

// next takes a sample and hands it on.
func (w *watch) next(end string) error {
	info, err := tcp.Info(w.in.Conn)
	if err != nil {
		return err
	}
	s := w.sample(info)
	s.Number, s.End = w.last.Number+1, end
	if past := (s.Elapsed - w.last.Elapsed).Seconds(); past > 0 {
		s.InRate, s.OutRate = growth(w.last.In, s.In)/past, growth(w.last.Out, s.Out)/past
	}
	w.last = s
	return w.o.Each(s)
}

// growth is what was added; a socket that was reset may have forgotten.
func growth(before, now uint64) float64 {
	if now < before {
		return 0
	}
	return float64(now - before)
}

func (w *watch) sample(info *TCP) Sample {
	s := Sample{
		Version: Version, Kind: KindSample, Time: time.Now().UTC(), Elapsed: time.Since(w.began),
		RTT: info.RTT, Ping: time.Duration(w.rtt.Load()), In: info.BytesReceived, Out: info.BytesAcked, TCP: info,
	}
	if s.Out > 0 {
		s.Out-- // the SYN
	}
	return s
}
