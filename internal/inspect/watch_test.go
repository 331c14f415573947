package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// opened inspects what handle serves, and keeps the connection.
func opened(t *testing.T, handle func(net.Conn)) *Inspection {
	t.Helper()
	in, err := Open(within(t), Options{Address: tcpAt("127.0.0.1", serve(t, handle)), BannerWait: -1})
	t.Cleanup(func() { in.Close() })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tcp.Info(in.Conn); errors.Is(err, errors.ErrUnsupported) {
		if watching := in.Watch(within(t), WatchOptions{}); !errors.Is(watching, errors.ErrUnsupported) {
			t.Fatal(watching)
		}
		if runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return in
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

func TestWatchCounts(t *testing.T) {
	in := opened(t, echo)
	var samples []Sample
	err := in.Watch(within(t), WatchOptions{Interval: time.Millisecond, Count: 20, Send: []byte("ping"), Each: func(s Sample) error {
		samples = append(samples, s)
		return nil
	}})
	if err != nil || len(samples) != 20 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for i, s := range samples {
		if s.Number != i+1 || s.Kind != KindSample || s.Version != Version || s.TCP == nil || s.RTT == 0 || s.End != "" {
			t.Errorf("%+v", s)
		}
		if i > 0 && (s.Elapsed <= samples[i-1].Elapsed || s.In < samples[i-1].In || s.Out < samples[i-1].Out) {
			t.Errorf("sample %d goes back", i+1)
		}
	}
	if s := in.Report.TCP; s == nil {
		t.Error("the report has no TCP_INFO")
	}
}

// What comes is counted and taken, so that the peer is never held up.
func TestWatchTakesWhatComes(t *testing.T) {
	const size = 8 << 20
	in := opened(t, func(conn net.Conn) { _, _ = conn.Write(make([]byte, size)) })
	var last Sample
	err := in.Watch(within(t), WatchOptions{Interval: time.Millisecond, Each: func(s Sample) error { last = s; return nil }})
	if err != nil || last.End != EndClosed || last.In < size || last.In > size+1 { // the FIN counts as one
		t.Fatalf("%v, end %q, %d bytes in", err, last.End, last.In)
	}
}

func TestWatchEndsByReset(t *testing.T) {
	in := opened(t, func(conn net.Conn) {
		stay(conn)
		conn.(*net.TCPConn).SetLinger(0)
	})
	var last Sample
	err := in.Watch(within(t), WatchOptions{Interval: time.Millisecond, Send: []byte("x"), Each: func(s Sample) error { last = s; return nil }})
	if !tcp.IsReset(err) || last.End != EndReset {
		t.Fatalf("%v, end %q", err, last.End)
	}
}

func TestWatchEndsByContext(t *testing.T) {
	in := opened(t, stay)
	ctx, cancel := context.WithCancelCause(within(t))
	why := errors.New("enough")
	err := in.Watch(ctx, WatchOptions{Interval: time.Millisecond, Each: func(Sample) error { cancel(why); return nil }})
	if !errors.Is(err, why) {
		t.Fatal(err)
	}
}

func TestWatchEndsByItsReader(t *testing.T) {
	in := opened(t, stay)
	why := errors.New("the reader left")
	if err := in.Watch(within(t), WatchOptions{Interval: time.Millisecond, Each: func(Sample) error { return why }}); !errors.Is(err, why) {
		t.Fatal(err)
	}
}

func TestWatchNothing(t *testing.T) {
	if err := (&Inspection{}).Watch(within(t), WatchOptions{}); err == nil {
		t.Fatal("no error")
	}
}

func TestSpark(t *testing.T) {
	tests := []struct {
		values []float64
		n      int
		want   string
	}{
		{nil, 8, ""}, {[]float64{0, 0}, 8, "▁▁"}, {[]float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, "▁▂▃▄▅▆▇█"}, {[]float64{9, 0, 5}, 2, "▁█"},
	}
	for _, test := range tests {
		if got := Spark(test.values, test.n); got != test.want {
			t.Errorf("%v: %q, want %q", test.values, got, test.want)
		}
	}
}

func sampled(number int, rtt time.Duration, in float64) Sample {
	return Sample{
		Version: Version, Kind: KindSample, Number: number, Elapsed: time.Duration(number) * time.Second, RTT: rtt, InRate: in, In: 4096,
		TCP: &TCP{State: "established", RTTVar: rtt / 2, Window: 10, WindowBytes: 14600},
	}
}

func TestBoard(t *testing.T) {
	b := &Board{Every: time.Second, Of: 60}
	if len(b.Lines(TextOptions{})) != 0 {
		t.Error("an empty board has lines")
	}
	for i := range 8 {
		b.Add(sampled(i+1, time.Duration(i+1)*time.Millisecond, float64(i)*1024))
	}
	want := []string{
		"sample 8 of 60, every 1s, established",
		"RTT  ▁▂▃▄▅▆▇█                                 8.0 ms      1.0 ms to 8.0 ms",
		"in   ▁▂▃▄▅▆▇█                                 7.0 KiB/s   4.0 KiB so far",
		"out  ▁▁▁▁▁▁▁▁                                 0 B/s       0 B so far",
		"window 10 packets, 14.3 KiB; 0 retransmits, 0 lost, 0 unacknowledged",
	}
	if got := b.Lines(TextOptions{Width: 80}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, wide := range []int{20, 40, 60, 80, 200} {
		for _, line := range b.Lines(TextOptions{Width: wide, Color: true}) {
			if width(line) > wide {
				t.Errorf("%d columns of %d: %q", width(line), wide, line)
			}
			if strings.Count(line, "\x1b[") > 0 && !strings.Contains(line, "\x1b[0m") {
				t.Errorf("the color does not end: %q", line)
			}
		}
	}
	end := sampled(9, time.Millisecond, 0)
	end.End = EndClosed
	b.Add(end)
	if got := b.Lines(TextOptions{})[0]; got != "sample 9 of 60, every 1s, the peer: closed" {
		t.Error(got)
	}
}

func TestBoardKeepsTheLast(t *testing.T) {
	b := &Board{}
	for i := range 3 * boardSamples {
		b.Add(sampled(i, time.Millisecond, 0))
	}
	if len(b.samples) != boardSamples || b.samples[boardSamples-1].Number != 3*boardSamples-1 {
		t.Errorf("%d samples", len(b.samples))
	}
}

func TestSampleLine(t *testing.T) {
	s := sampled(3, 45*time.Microsecond, 2048)
	want := "3.00 s    RTT 45 µs    ± 22 µs     in 2.0 KiB/s    out 0 B/s        window 10  0 retransmits"
	if got := s.Line(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	s.End = EndReset
	if got := s.Line(); got != want+"  the peer: reset" {
		t.Error(got)
	}
}

func TestSampleJSON(t *testing.T) {
	b, err := json.Marshal(sampled(1, time.Millisecond, 1))
	if err != nil || !strings.HasPrefix(string(b), fmt.Sprintf(`{"version":%d,"kind":"inspect_sample","number":1,`, Version)) {
		t.Fatalf("%s, %v", b, err)
	}
}
