package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
)

// Board draws samples for people: curves of RTT and throughput with their
// numbers.
type Board struct {
	Every time.Duration // between samples
	Of    int           // how many there will be; 0 is not known

	samples []Sample // the last ones
	least   time.Duration
	most    time.Duration
}

// boardSamples is how many samples a curve has at most.
const boardSamples = 120

// Add takes a sample.
func (b *Board) Add(s Sample) {
	if len(b.samples) == 0 || s.RTT < b.least {
		b.least = s.RTT
	}
	b.most = max(b.most, s.RTT)
	b.samples = append(b.samples, s)
	if len(b.samples) > boardSamples {
		b.samples = slices.Delete(b.samples, 0, 1)
	}
}

// Lines draws the samples so far. No line is wider than o.Width, if that is set.
func (b *Board) Lines(o TextOptions) []string {
	if len(b.samples) == 0 {
		return nil
	}
	p := &page{o: o}
	last := b.samples[len(b.samples)-1]
	of := ""
	if b.Of > 0 {
		of = fmt.Sprintf(" of %d", b.Of)
	}
	lines := []string{
		fmt.Sprintf("sample %d%s, every %v, %s", last.Number, of, b.Every, b.state(last)),
		b.curve(p, "RTT", func(s Sample) float64 { return float64(s.RTT) }, render.Duration(last.RTT),
			fmt.Sprintf("%s to %s", render.Duration(b.least), render.Duration(b.most))),
		b.curve(p, "in", func(s Sample) float64 { return s.InRate }, rate(last.InRate), render.Size(int64(last.In))+" so far"),
		b.curve(p, "out", func(s Sample) float64 { return s.OutRate }, rate(last.OutRate), render.Size(int64(last.Out))+" so far"),
		fmt.Sprintf("window %d packets, %s; %s, %d lost, %d unacknowledged", last.TCP.Window,
			render.Size(int64(last.TCP.WindowBytes)), plural(last.TCP.Retransmits, "retransmit"), last.TCP.Lost, last.TCP.Unacked),
	}
	if last.Ping > 0 {
		lines = slices.Insert(lines, 2, b.curve(p, "ping", func(s Sample) float64 { return float64(s.Ping) }, render.Duration(last.Ping), "of the WebSocket"))
	}
	for i := range lines {
		lines[i] = cut(lines[i], o.Width)
	}
	return lines
}

func (b *Board) state(last Sample) string {
	if last.End != "" {
		return "the peer: " + last.End
	}
	return strings.ReplaceAll(last.TCP.State, "_", " ")
}

// The columns of a curve's label, of its number, and of what stands behind.
const (
	curveLabel  = 5
	curveNumber = 12
	curveRest   = 24
	leastCurve  = 8
	mostCurve   = 60
)

// curve draws one row: label, curve, the last value, and more.
func (b *Board) curve(p *page, label string, value func(Sample) float64, number, more string) string {
	room := mostCurve
	if p.o.Width > 0 {
		room = min(max(p.o.Width-curveLabel-curveNumber-curveRest, leastCurve), mostCurve)
	}
	values := make([]float64, 0, len(b.samples))
	for _, s := range b.samples {
		values = append(values, value(s))
	}
	drawn := pad(Spark(values, room), room)
	return pad(label, curveLabel) + p.paint(green, drawn) + "  " + pad(number, curveNumber) + more
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// Spark draws the last n values as blocks from 0 to the largest.
func Spark(values []float64, n int) string {
	values = values[max(len(values)-n, 0):]
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	blocks := make([]rune, len(values))
	for i, v := range values {
		at := 0
		if most > 0 {
			at = int(v / most * float64(len(sparks)-1))
		}
		blocks[i] = sparks[at]
	}
	return string(blocks)
}

func rate(bytes float64) string { return render.Size(int64(bytes)) + "/s" }

// Line is a sample on one line.
func (s Sample) Line() string {
	line := fmt.Sprintf("%-8s  RTT %s ± %s  in %s  out %s  window %d  %s", render.Duration(s.Elapsed),
		pad(render.Duration(s.RTT), 8), pad(render.Duration(s.TCP.RTTVar), 8), pad(rate(s.InRate), 11), pad(rate(s.OutRate), 11),
		s.TCP.Window, plural(s.TCP.Retransmits, "retransmit"))
	if s.Ping > 0 {
		line += "  ping " + render.Duration(s.Ping)
	}
	if s.End != "" {
		line += "  the peer: " + s.End
	}
	return line
}

// cut shortens a line to n columns; its colors stay whole. 0 is no bound.
func cut(line string, n int) string {
	if n == 0 || width(line) <= n {
		return line
	}
	var b strings.Builder
	for used := 0; line != "" && used < n; {
		if strings.HasPrefix(line, "\x1b[") {
			code, rest, _ := strings.Cut(line, "m")
			b.WriteString(code + "m")
			line = rest
			continue
		}
		r, size := utf8.DecodeRuneInString(line)
		b.WriteRune(r)
		line, used = line[size:], used+1
	}
	if strings.Contains(b.String(), "\x1b[") {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}
