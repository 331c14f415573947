package demo

import (
	"fmt"
	"regexp"
)

// measured are the words whose figures differ from run to run and from machine
// to machine.
var measured = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`((?:&|\?|\b)sid(?:=|\\?":\\?"))[\w-]{20}`), "$1<sid>"},
	{regexp.MustCompile(`((pid|offset)\\":\\")[\w-]{20}`), "$1<$2>"},
	{regexp.MustCompile(`\\"[\w-]{20}\\"\]`), `\"<offset>\"]`},
	{regexp.MustCompile(`\d+ µs|\d+\.\d ms|\d+\.\d\d s\b`), "<time>"},
	{regexp.MustCompile(`\d+\.\d [KM]iB`), "<size>"},
	{regexp.MustCompile(`[0-9A-Za-z+/]{22}==`), "<key>"},
	{regexp.MustCompile(`[0-9A-Za-z+/]{27}=`), "<accept>"},
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), "<sha1>"},
	{regexp.MustCompile(`\bsha256:[0-9a-f]{64}\b`), "<sha256>"},
	{regexp.MustCompile(`\bTLS_\w+_SHA\d+`), "<cipher>"},
	{regexp.MustCompile(`, until \d{4}-\d\d-\d\d,`), ", until <date>,"},
	{regexp.MustCompile(`record handshake, (.*), \d+ bytes`), "record handshake, $1, <n> bytes"},
	{regexp.MustCompile(`on the wire: 81 8e( [0-9a-f]{2}){18}$`), "on the wire: 81 8e <18 bytes>"},
	{regexp.MustCompile(`on the wire:( [0-9a-f]{2}){37}$`), "on the wire: <37 bytes>"},
	{regexp.MustCompile(`the key is( [0-9a-f]{2}){4},`), "the key is <key>,"},
	{regexp.MustCompile(`\bmask [0-9a-f]{8}\b`), "mask <key>"},
	{regexp.MustCompile(`… \d+ more of these lines, \d+ bytes …`), "… <n> more of these lines, <n> bytes …"},
	{regexp.MustCompile(`^\d+ bytes "[^"]*"…$`), `<n> bytes "<text>"…`},
	{regexp.MustCompile(`"\d+ of 100[ .]*"…$`), `"<i> of 100"…`},
	{regexp.MustCompile(`stuck: \d+ of`), "stuck: <n> of"},
	{regexp.MustCompile(`\d+ bytes not sent yet; the peer's window is \d+`), "<n> bytes not sent yet; the peer's window is <n>"},
	{regexp.MustCompile(`\d+ bytes received, none`), "<n> bytes received, none"},
	{regexp.MustCompile(`could write [\d,]+ bytes`), "could write <n> bytes"},
	{regexp.MustCompile(`^[\d,]+ of them were in(.*) the other [\d,]+ in`), "<n> of them were in$1 the other <n> in"},
	{regexp.MustCompile(`got stuck, [\d,]+ of`), "got stuck, <n> of"},
	{regexp.MustCompile(`dropped \d+ datagrams`), "dropped <n> datagrams"},
	{regexp.MustCompile(`and \d+ arrived: number [\d, to]+\.`), "and <n> arrived: number <list>."},
	{regexp.MustCompile(`The other \d+ are gone`), "The other <n> are gone"},
	{regexp.MustCompile(`^\{\d+ of the hundred`), "{<n> of the hundred"},
}

var (
	address   = regexp.MustCompile(`(127\.0\.0\.1|239\.255\.0\.9):(\d+)`)
	namedPort = regexp.MustCompile(`(chose port|for it, too:) (\d+)`)
)

// newNormal returns a normaliser for one lesson: ports are named in the order
// in which they turn up, and what was measured is left out.
func newNormal() func(string) string {
	names := map[string]string{}
	name := func(pattern *regexp.Regexp, between, s string) string {
		return pattern.ReplaceAllStringFunc(s, func(found string) string {
			part := pattern.FindStringSubmatch(found)
			if names[part[2]] == "" {
				names[part[2]] = fmt.Sprintf("<p%d>", len(names)+1)
			}
			return part[1] + between + names[part[2]]
		})
	}
	return func(s string) string {
		s = name(namedPort, " ", name(address, ":", s))
		for _, m := range measured {
			s = m.pattern.ReplaceAllString(s, m.with)
		}
		return s
	}
}
