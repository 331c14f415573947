package inspect

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
)

func (p *page) tls(r *Report) {
	t := r.TLS
	if t == nil || r.Connection == nil {
		return
	}
	p.section("tls")
	if t.Version == "" {
		p.lines(p.paint(red, "failed")+" after "+render.Duration(t.Duration)+": "+printable(r.Error), asksFor(t))
		p.certificates(t)
		return
	}
	p.lines(sentence(", ", t.Version, t.Cipher, t.KeyExchange, "in "+render.Duration(t.Duration)),
		sentence(", ", when(t.ServerName != "", "name "+printable(t.ServerName)), alpn(t), when(t.HelloRetry, "after a retry"),
			when(t.OCSP, "OCSP stapled"), when(t.SCTs > 0, plural(t.SCTs, "SCT"))),
		asksFor(t), p.trusted(t))
	p.certificates(t)
}

func (p *page) certificates(t *TLS) {
	for i, c := range t.Certificates {
		p.certificate(i, len(t.Certificates), c)
	}
}

func alpn(t *TLS) string {
	switch {
	case t.ALPN != "":
		return "ALPN " + printable(t.ALPN)
	case len(t.Offered) > 0:
		return "ALPN none of " + printable(strings.Join(t.Offered, ", "))
	}
	return "no ALPN offered"
}

func asksFor(t *TLS) string {
	switch c := t.ClientCertificate; {
	case c == nil:
		return ""
	case c.Sent:
		return "it asked for a client certificate and got one"
	}
	return "it asked for a client certificate"
}

func (p *page) trusted(t *TLS) string {
	by := map[string]string{BySystem: "by the system's authorities", ByCA: "by --ca", ByPin: "by its pin"}[t.TrustedBy]
	if !t.Trusted {
		return p.paint(red, "not trusted")
	}
	if t.Anchor == "" {
		return p.paint(green, "trusted") + " " + by
	}
	return p.paint(green, "trusted") + " " + by + ": " + printable(t.Anchor)
}

func (p *page) certificate(i, n int, c Certificate) {
	p.section("certificate")
	subject := printable(c.Subject)
	if subject == "" {
		subject = "no subject"
	}
	if n > 1 {
		subject = fmt.Sprintf("%d of %d: %s", i+1, n, subject)
	}
	by := "by " + printable(c.Issuer)
	if c.SelfSigned {
		by = "self-signed"
	}
	kind := when(c.Authority, ", an authority")
	p.lines(subject+kind, by,
		when(len(c.Names) > 0, "for "+printable(strings.Join(c.Names, ", "))),
		c.Key+", signed with "+c.Signature,
		p.validity(c), "serial "+c.Serial, c.SHA256, p.paint(red, printable(strings.ReplaceAll(strings.Join(c.Findings, ", "), "_", " "))))
}

func (p *page) validity(c Certificate) string {
	left := plural(c.DaysLeft, "day") + " left"
	switch {
	case c.DaysLeft < 0:
		left = p.paint(red, "expired")
	case c.DaysLeft < soonDays:
		left = p.paint(yellow, left)
	}
	return fmt.Sprintf("valid from %s to %s, %s", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), left)
}

// bannerLines is how many lines of a banner are shown.
const bannerLines = 12

// banner shows what the peer said: its lines in quotes, or a dump of bytes that
// are no text.
func banner(peer *Peer) []string {
	var lines []string
	if isText(peer.Banner) {
		for line := range strings.SplitAfterSeq(string(peer.Banner), "\n") {
			if line != "" {
				lines = append(lines, quoted(line))
			}
		}
	} else {
		for _, line := range render.Hex(peer.Banner) {
			lines = append(lines, strings.TrimPrefix(line, "  "))
		}
	}
	more := ""
	if len(lines) > bannerLines {
		more = fmt.Sprintf("… and %s more", plural(len(lines)-bannerLines, "line"))
		lines = lines[:bannerLines]
	}
	if peer.More {
		more = "… and more; the first " + render.Size(int64(len(peer.Banner))) + " are kept"
	}
	if more != "" {
		lines = append(lines, more)
	}
	return lines
}

// isText reports whether most of b can be read.
func isText(b []byte) bool {
	readable := 0
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if (r != utf8.RuneError || n > 1) && (unicode.IsPrint(r) || unicode.IsSpace(r)) {
			readable += n
		}
		rest = rest[n:]
	}
	return readable*10 >= len(b)*7
}

// quoted is a line in quotes, with all that a terminal would obey escaped.
func quoted(line string) string {
	return `"` + printable(strings.ReplaceAll(strings.ReplaceAll(line, `\`, `\\`), `"`, `\"`)) + `"`
}
