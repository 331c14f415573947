package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// WatchOptions say how a connection is watched.
type WatchOptions struct {
	Interval time.Duration // between samples; 0 means 1 second
	Count    int           // samples to take; 0: until the peer or ctx ends it
	// Send is sent once before each sample: the kernel measures the round trip
	// on what is sent, and on nothing else.
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
	Elapsed time.Duration `json:"elapsed_ns"` // since the watch began
	RTT     time.Duration `json:"rtt_ns"`     // smoothed by the kernel (RFC 6298)
	In      uint64        `json:"in"`         // bytes received so far, as on the wire
	Out     uint64        `json:"out"`        // bytes that the peer acknowledged so far
	InRate  float64       `json:"in_rate"`    // bytes a second since the last sample
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
	go func() {
		_, err := io.Copy(io.Discard, in.Conn)
		w.ended <- err
	}()
	err = w.run(ctx)
	if !w.over {
		_ = in.Conn.SetReadDeadline(time.Unix(1, 0))
		<-w.ended
	}
	return err
}

type watch struct {
	in    *Inspection
	o     WatchOptions
	began time.Time
	last  Sample
	ended chan error // the peer's end
	over  bool       // it was taken
	reset error      // told to a write; the kernel tells once
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
		RTT: info.RTT, In: info.BytesReceived, Out: info.BytesAcked, TCP: info,
	}
	if s.Out > 0 {
		s.Out-- // the SYN
	}
	return s
}
