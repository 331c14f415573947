package load

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Text is the report for people, in lines of at most width columns; 0 is 80.
func (p *Report) Text(width int) string {
	if width <= 0 {
		width = 80
	}
	w := &writer{width: width}
	fmt.Fprintf(&w.b, "%s\n", p.Address)
	w.row("load", p.Setting.words())
	w.row("connections", p.connections())
	if p.Mode != Idle && p.Mode != Connect {
		w.row("messages", p.messages())
	}
	if p.Mode != Idle {
		w.row("throughput", p.throughput())
	}
	w.latency(p)
	w.errors(p.Errors)
	w.row("bench's CPU", p.CPU.words(&p.Setting))
	if p.CPU.Bottleneck {
		w.row("warning", "bench itself was busy nearly all the time that it may have: the server may be faster than these figures say")
	}
	w.bars(p.Latency)
	return w.b.String()
}

type writer struct {
	b     strings.Builder
	width int
}

const labelWidth = 13

// row writes a label and what belongs to it, wrapped.
func (w *writer) row(label, text string) {
	line := fmt.Sprintf("%-*s", labelWidth, label)
	used := labelWidth
	for i, word := range strings.Split(text, " ") {
		size := len([]rune(word))
		if i > 0 && used+1+size > w.width && size > 0 {
			line += "\n" + strings.Repeat(" ", labelWidth)
			used = labelWidth
		} else if i > 0 {
			line += " "
			used++
		}
		line, used = line+word, used+size
	}
	w.b.WriteString(line + "\n")
}

// words are what was asked for.
func (s *Setting) words() string {
	parts := []string{string(s.Mode), plural(int64(s.Conns), "connection")}
	switch s.Mode {
	case Connect:
		parts[1] += " at once"
	case Broadcast:
		parts[1] += " and one that sends"
	}
	if s.Mode != Idle && s.Mode != Connect {
		parts = append(parts, size(int64(s.Size))+" a message")
	}
	if s.Mode == Echo || s.Mode == Broadcast {
		parts = append(parts, Thousands(int64(s.InFlight))+" in flight")
	}
	if s.Rate > 0 {
		parts = append(parts, Thousands(int64(s.Rate))+" a second")
	}
	if s.Count > 0 {
		parts = append(parts, Thousands(s.Count)+" in all")
	}
	if s.Duration > 0 {
		parts = append(parts, s.Duration.String())
	}
	return strings.Join(parts, ", ")
}

func (p *Report) connections() string {
	if p.Mode == Connect {
		return Thousands(p.Connections.Opened) + " opened and closed"
	}
	text := fmt.Sprintf("%s opened, %s alive at the end", Thousands(p.Connections.Opened), Thousands(p.Connections.Alive))
	if o := p.Opening; o != nil {
		text += fmt.Sprintf("; half within %s, 99 %% within %s, the slowest %s",
			Duration(o.Percentile(50)), Duration(o.Percentile(99)), Duration(o.Max))
	}
	return text
}

func (p *Report) messages() string {
	m := p.Messages
	text := Thousands(m.Sent) + " sent"
	switch {
	case p.Mode == Push:
	case p.Mode == Broadcast:
		text += ", " + Thousands(m.Answered) + " received by all, every byte compared"
	case m.Answered == m.Sent:
		text += ", all answered, every byte compared"
	default:
		text += ", " + Thousands(m.Answered) + " answered, every byte compared"
	}
	for _, one := range []struct {
		n    int64
		what string
	}{{m.Lost, "lost"}, {m.Unsent, "due and not sent"}, {m.Late, "late or twice"}} {
		if one.n > 0 {
			text += ", " + Thousands(one.n) + " " + one.what
		}
	}
	return text
}

func (p *Report) throughput() string {
	if p.Mode == Connect {
		return fmt.Sprintf("%s connections/s, in %s", rate(p.Messages.PerSecond), Duration(p.Elapsed))
	}
	seconds, deliveries := max(p.Elapsed.Seconds(), 1e-9), ""
	if p.Mode == Broadcast {
		deliveries = rate(p.Messages.PerSecond*float64(p.Conns)) + " deliveries/s, "
	}
	return fmt.Sprintf("%s messages/s, %s%s/s out, %s/s in, in %s", rate(p.Messages.PerSecond), deliveries,
		size(int64(float64(p.Messages.BytesOut)/seconds)), size(int64(float64(p.Messages.BytesIn)/seconds)), Duration(p.Elapsed))
}

// latency is the table of percentiles.
func (w *writer) latency(p *Report) {
	if p.Latency == nil {
		return
	}
	heads := []string{}
	for _, percent := range p.Latency.Percentiles {
		heads = append(heads, strconv.FormatFloat(percent.Percent, 'f', -1, 64)+" %")
	}
	w.cells("latency", append(heads, "slowest"))
	w.cells("", p.Latency.values())
	if p.Service == nil {
		return
	}
	w.cells("from sending", p.Service.values())
	if p.Lag != nil {
		w.cells("bench late", p.Lag.values())
	}
	w.row("", "The first line counts from when a message was due by --rate, so that a stall counts for all that it holds back.")
}

func (l *Latency) values() (list []string) {
	for _, percent := range l.Percentiles {
		list = append(list, Duration(percent.Value))
	}
	return append(list, Duration(l.Max))
}

func (w *writer) cells(label string, cells []string) {
	line := fmt.Sprintf("%-*s", labelWidth, label)
	for _, c := range cells {
		line += c + strings.Repeat(" ", max(9-len([]rune(c)), 1))
	}
	w.b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func (w *writer) errors(list []Failures) {
	label := "errors"
	if len(list) == 0 {
		w.row(label, "none")
	}
	for _, f := range list {
		w.row(label, fmt.Sprintf("%s %s: %s", Thousands(f.Count), f.Kind, printable(f.Example)))
		label = ""
	}
}

func (c *CPU) words(s *Setting) string {
	text := fmt.Sprintf("%.2f of %s", c.Cores, plural(int64(c.Allowed), "core"))
	switch {
	case c.PerMessage > 0 && s.Mode == Connect:
		text += ", " + micros(c.PerMessage) + " a connection"
	case c.PerMessage > 0 && s.Mode == Broadcast:
		text += ", " + micros(c.PerMessage/time.Duration(s.Conns)) + " a delivery"
	case c.PerMessage > 0:
		text += ", " + micros(c.PerMessage) + " a message"
	}
	return text
}

// bars draw the histogram.
func (w *writer) bars(l *Latency) {
	if l == nil {
		return
	}
	most := int64(1)
	for _, b := range l.Buckets {
		most = max(most, b.Count)
	}
	room := max(w.width-labelWidth-20, 10)
	for i, b := range l.Buckets {
		label := ""
		if i == 0 {
			label = "histogram"
		}
		length := int(math.Ceil(float64(b.Count) / float64(most) * float64(room)))
		share := 100 * float64(b.Count) / float64(l.Count)
		fmt.Fprintf(&w.b, "%s\n", strings.TrimRight(fmt.Sprintf("%-*s< %-7s %6.2f %%  %s",
			labelWidth, label, Duration(b.Below), share, strings.Repeat("#", length)), " "))
	}
}

// Duration is d to about three digits.
func Duration(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case d < time.Millisecond:
		return digits3(float64(d)/1e3) + " µs"
	case d < time.Second:
		return digits3(float64(d)/1e6) + " ms"
	}
	return digits3(d.Seconds()) + " s"
}

func micros(d time.Duration) string { return fmt.Sprintf("%.2f µs", float64(d)/1e3) }

// digits3 is v with three digits, without a fraction of zeros.
func digits3(v float64) string {
	places := 0
	switch {
	case v < 9.995:
		places = 2
	case v < 99.95:
		places = 1
	}
	s := strconv.FormatFloat(v, 'f', places, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func rate(v float64) string {
	if v < 100 {
		return digits3(v)
	}
	return Thousands(int64(v))
}

// Thousands is n with commas.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Thousands(n) + " " + what + "s"
}

// size is n bytes in powers of 1024.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value, unit = value/1024, u; value < 1024 {
			break
		}
	}
	return digits3(value) + " " + unit
}

// printable is s without what does something to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '.'
		}
		return r
	}, s)
}
