package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/render"
)

// Text is the report for people. Nothing of what a peer said in it can do harm
// to a terminal.
func (r *Report) Text(o TextOptions) string {
	p := &page{o: o}
	p.WriteString(p.paint(bold, printable(r.Address)) + "\n")
	p.name(r.Name)
	p.file(r.File)
	p.attempts(r.Attempts)
	p.connection(r)
	p.tls(r)
	p.peer(r)
	p.engine(r.Engine)
	p.handshake(r.Handshake)
	p.webSocket(r.WebSocket)
	p.http2(r.HTTP2)
	p.socketIO(r)
	p.redis(r.Cluster)
	p.findings(r)
	p.doctor(r)
	return p.String()
}

func (p *page) name(n *Name) {
	if n == nil {
		return
	}
	p.section("name")
	how := "in " + render.Duration(n.Duration)
	if n.Source == SourceFlag {
		how = "by --resolve"
	}
	if n.Error != "" {
		p.lines(p.paint(red, "not resolved") + ", " + how + ": " + printable(n.Error))
		return
	}
	p.lines(fmt.Sprintf("%s is %s, %s", printable(n.Host), strings.Join(n.Addresses, ", "), how))
}

func (p *page) file(f *File) {
	if f == nil {
		return
	}
	p.section("file")
	state := map[string]string{FileAlive: p.paint(green, "alive"), FileStale: p.paint(red, "stale: nobody is bound to it")}[f.State]
	switch f.Kind {
	case KindMissing, KindUnknown:
		state = p.paint(red, f.Error)
	case KindDirectory, KindFile:
		state = p.paint(red, "a "+f.Kind+", and no socket")
	}
	target := ""
	if f.Target != "" {
		target = "a link to " + printable(f.Target)
	}
	p.lines(sentence(", ", target, sentence(" ", f.Mode, f.Octal), f.ownership(), state))
}

func (f *File) ownership() string {
	if f.UID == nil || f.GID == nil {
		return ""
	}
	return "owned by " + account(f.User, *f.UID) + ", group " + account(f.Group, *f.GID)
}

// account names a user or a group.
func account(name string, id int) string {
	if name == "" {
		return strconv.Itoa(id)
	}
	return printable(name) + " (" + strconv.Itoa(id) + ")"
}

// resultWords words [Attempt.Result] with a color.
func resultWords(result string) (words, color string) {
	switch result {
	case Connected, Answered:
		return result, green
	case Silent, NotTried, GivenUp:
		return strings.ReplaceAll(result, "_", " "), dim
	}
	return strings.ReplaceAll(result, "_", " "), red
}

func (p *page) attempts(list []Attempt) {
	if len(list) == 1 && strings.HasPrefix(list[0].Network, "unix") {
		return // the file and the socket say it all
	}
	wide, wider := 0, 0
	for _, a := range list {
		words, _ := resultWords(a.Result)
		wide, wider = max(wide, width(printable(a.Address))), max(wider, width(words))
	}
	p.section("attempts")
	for _, a := range list {
		words, color := resultWords(a.Result)
		took, note := "", ""
		if a.Duration > 0 {
			took = render.Duration(a.Duration)
		}
		if a.Used && len(list) > 1 {
			note = "used"
		}
		if a.Error != "connection refused" && !strings.HasPrefix(a.Error, words) {
			note += printable(a.Error)
		}
		address := pad(printable(a.Address), wide) + "  "
		p.line(address+p.paint(color, pad(words, wider))+"  "+pad(took, 8)+"  "+note, 2)
	}
}

func (p *page) connection(r *Report) {
	c := r.Connection
	if c == nil {
		return
	}
	p.section(c.Network)
	ends := ""
	if c.Local != "" {
		ends = printable(c.Local) + " to " + printable(c.Remote)
	}
	state := ""
	if r.TCP != nil {
		state = strings.ReplaceAll(r.TCP.State, "_", " ")
	}
	connected := "connected in " + render.Duration(c.Duration)
	if c.Network == "udp" {
		connected = ""
	}
	p.lines(sentence(", ", ends, connected, state), c.NotTold)
	p.tcp(r.TCP)
	if s := c.Socket; s != nil {
		p.section("socket")
		p.lines(fmt.Sprintf("buffers %s out, %s in", render.Size(int64(s.SendBuffer)), render.Size(int64(s.ReceiveBuffer))))
	}
	p.credentials(c.Credentials)
}

func (p *page) credentials(c *Credentials) {
	if c == nil {
		return
	}
	p.section("process")
	name := strconv.Itoa(c.PID)
	if c.Process != "" {
		name += " (" + printable(c.Process) + ")"
	}
	p.lines(name + ", user " + account(c.User, c.UID) + ", group " + account(c.Group, c.GID))
}

func (p *page) tcp(t *TCP) {
	if t == nil {
		return
	}
	least := when(t.MinRTT > 0, " (at least "+render.Duration(t.MinRTT)+")")
	p.lines(
		fmt.Sprintf("RTT %s ± %s%s, RTO %s", render.Duration(t.RTT), render.Duration(t.RTTVar), least, render.Duration(t.RTO)),
		fmt.Sprintf("MSS %d out, %d in; path MTU %d; receive window: peer's %s, ours %s", t.SendMSS, t.ReceiveMSS, t.PathMTU,
			render.Size(int64(t.SendWindow)), render.Size(int64(t.ReceiveWindow))),
		fmt.Sprintf("congestion control %s, %s; window %d packets, %s", t.CongestionControl, t.CongestionState, t.Window, render.Size(int64(t.WindowBytes))),
		fmt.Sprintf("%d segments out, %d in; %s out, %s in; %s, %d lost, %d reordered", t.SegmentsOut, t.SegmentsIn,
			render.Size(int64(t.BytesSent)), render.Size(int64(t.BytesReceived)), plural(t.Retransmits, "retransmit"), t.Lost, t.Reordered),
		"options "+tcpOptions(t),
	)
	p.section("socket")
	p.lines(socketText(t))
}

func tcpOptions(t *TCP) string {
	o := t.Options
	scale := ""
	if o.WindowScale {
		scale = fmt.Sprintf("window scale %d out, %d in", o.SendScale, o.ReceiveScale)
	}
	words := sentence(", ", when(o.SACK, "SACK"), when(o.Timestamps, "timestamps"), scale, when(o.ECN, "ECN"), when(o.FastOpen, "fast open"))
	if words == "" {
		return "none"
	}
	return words
}

func when(is bool, words string) string {
	if is {
		return words
	}
	return ""
}

func socketText(t *TCP) string {
	s := t.Socket
	keep := "keep-alive off"
	if s.KeepAlive {
		keep = fmt.Sprintf("keep-alive after %v, then every %v, %d times", s.KeepAliveIdle, s.KeepAliveInterval, s.KeepAliveCount)
	}
	linger := ""
	if s.Linger != nil {
		linger = fmt.Sprintf("linger %d s", *s.Linger)
	}
	delay := "Nagle's algorithm on"
	if s.NoDelay {
		delay = "no delay"
	}
	return sentence("; ", delay, keep, linger, when(s.UserTimeout > 0, fmt.Sprintf("user timeout %v", s.UserTimeout)),
		when(s.TTL > 0, fmt.Sprintf("TTL %d", s.TTL)),
		fmt.Sprintf("buffers %s out, %s in", render.Size(int64(s.SendBuffer)), render.Size(int64(s.ReceiveBuffer))))
}

func (p *page) peer(r *Report) {
	peer := r.Peer
	if peer == nil {
		return
	}
	p.section("peer")
	switch {
	case peer.Sent > 0:
		p.lines("was sent " + plural(peer.Sent, "byte"))
	case r.Connection.Network == "udp":
		p.lines("was sent an empty datagram")
	}
	end := p.ended(r, peer)
	if peer.Size == 0 && peer.After == 0 {
		within := when(peer.End == EndOpen, " within "+render.Duration(peer.Waited.Round(time.Millisecond)))
		p.lines("said nothing" + within + when(end != "", ", and "+end))
		return
	}
	from := when(peer.From != "", " from "+printable(peer.From)) + when(peer.TTL > 0, fmt.Sprintf(", TTL %d", peer.TTL))
	p.lines(fmt.Sprintf("said %s after %s%s", plural(peer.Size, "byte"), render.Duration(peer.After), from))
	for _, line := range banner(peer) {
		p.line(line, 0)
	}
	p.lines(end)
}

// ended words how the peer ended the connection, or that it did not.
func (p *page) ended(r *Report, peer *Peer) string {
	after := " after " + render.Duration(peer.EndAfter)
	switch peer.End {
	case EndOpen:
		return when(r.Connection.Network != "udp" && r.Connection.Network != "unixgram", "keeps the connection open")
	case EndClosed:
		return "closed" + after
	case EndReset:
		return p.paint(red, "reset the connection") + after
	}
	return p.paint(red, "failed") + after + ": " + printable(peer.Error)
}

func (p *page) findings(r *Report) {
	p.section("findings")
	if len(r.Findings) == 0 {
		if r.Error == "" {
			p.lines(p.paint(green, "none"))
		}
		return
	}
	number := 0
	for _, f := range r.Findings {
		what := printable(f.What)
		if f.Clause != "" {
			what += " (" + printable(f.Clause) + ")"
		}
		if f.opening && p.numbered {
			number++
			what = fmt.Sprintf("[%d] %s", number, what)
		}
		color := map[Severity]string{Error: red, Warning: yellow, Note: dim}[f.Severity]
		const indent = 9
		p.line(p.paint(color, pad(string(f.Severity), indent-2))+"  "+what, indent)
		for _, more := range []struct{ label, text string }{{"due: ", f.Due}, {"hint: ", f.Hint}} {
			if more.text != "" {
				p.line(strings.Repeat(" ", indent)+more.label+printable(more.text), indent)
			}
		}
	}
}
