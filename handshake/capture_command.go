package handshake

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// findCommand finds where a command line of curl begins, or -1.
func findCommand(text []byte) int {
	pos := 0
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		bare := bytes.TrimLeft(line, " \t$#>%")
		for _, name := range []string{"curl ", "curl.exe ", "curl\t"} {
			if bytes.HasPrefix(bare, []byte(name)) {
				return pos + len(line) - len(bare)
			}
		}
		pos += len(line)
	}
	return -1
}

// readCommands rebuilds the requests that commands of curl would send.
func readCommands(text []byte) (pieces []piece) {
	for _, words := range splitCommands(string(text)) {
		c := curlCommand{proto: "HTTP/1.1"}
		c.read(words[1:])
		if c.url == "" {
			continue
		}
		pieces = append(pieces, piece{head: c.head(), rebuilt: true, notes: c.notes()})
	}
	return pieces
}

// curlCommand is what a command says about the request.
type curlCommand struct {
	url, method, proto  string
	agent, referer      string
	cookie, user, token string
	headers             []string
	data, upload, get   bool
	headOnly            bool
	proven              bool // the version was asked for
}

// takesValue are the options, beyond those that matter here, behind which a
// value stands.
const takesValue = " -o --output -m --max-time --connect-timeout -x --proxy --resolve --connect-to --cacert --capath --cert -E --key --pinnedpubkey -w --write-out -K --config -c --cookie-jar --retry --retry-delay --limit-rate -r --range --interface --ciphers --tls13-ciphers --tls-max -y -Y -z -C --continue-at -D --dump-header --stderr --trace --trace-ascii --unix-socket --abstract-unix-socket --dns-servers --noproxy -U --proxy-user --proxy-header --max-redirs --keepalive-time -P -Q -t --haproxy-clientip --aws-sigv4 --alt-svc --hsts -F --form --form-string "

// read goes over the words behind "curl".
func (c *curlCommand) read(words []string) {
	for i := 0; i < len(words); i++ {
		word := words[i]
		if len(word) > 2 && word[0] == '-' && word[1] != '-' {
			word, words = splitBundle(words, i)
		}
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch {
		case word == "" || word == "-":
		case word[0] != '-':
			c.url = or(c.url, word)
		case c.option(word, next) || strings.Contains(takesValue, " "+word+" "):
			c.data = c.data || word == "-F" || strings.HasPrefix(word, "--form")
			i++
		default:
			c.flag(word)
		}
	}
}

// splitBundle splits -sSH'name: value' into its first option and the rest.
func splitBundle(words []string, i int) (string, []string) {
	word := words[i]
	first, rest := word[:2], word[2:]
	if !strings.Contains("HXAebud", first[1:]) && !strings.Contains(takesValue, " "+first+" ") {
		rest = "-" + rest
	}
	split := append([]string{}, words[:i]...)
	split = append(split, first, rest)
	return first, append(split, words[i+1:]...)
}

// option takes one with a value, if it matters here.
func (c *curlCommand) option(word, value string) bool {
	switch word {
	case "-H", "--header":
		c.headers = append(c.headers, value)
	case "-X", "--request":
		c.method = value
	case "--url":
		c.url = value
	case "-A", "--user-agent":
		c.agent = value
	case "-e", "--referer":
		c.referer = value
	case "-b", "--cookie":
		c.cookie = value
	case "-u", "--user":
		c.user = value
	case "--oauth2-bearer":
		c.token = value
	case "-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--data-urlencode", "--json":
		c.data = true
	case "-T", "--upload-file":
		c.upload = true
	default:
		return false
	}
	return true
}

func (c *curlCommand) flag(word string) {
	switch word {
	case "-0", "--http1.0":
		c.proto, c.proven = "HTTP/1.0", true
	case "--http1.1":
		c.proven = true
	case "--http2", "--http2-prior-knowledge", "--http3", "--http3-only":
		c.proto, c.proven = "HTTP/"+word[6:7], true
	case "-G", "--get":
		c.get = true
	case "-I", "--head":
		c.headOnly = true
	}
}

// verb is the method that curl uses.
func (c *curlCommand) verb() string {
	switch {
	case c.method != "":
		return c.method
	case c.headOnly:
		return "HEAD"
	case c.upload:
		return "PUT"
	case c.data && !c.get:
		return "POST"
	}
	return "GET"
}

// head rebuilds the request, in curl's order.
func (c *curlCommand) head() *Head {
	host, target := splitAddress(c.url)
	h := &Head{}
	h.SetRequestLine(c.verb(), target, c.proto)
	h.Add("Host", host)
	for _, f := range []struct{ name, value string }{
		{"Authorization", c.authorization()}, {"User-Agent", or(c.agent, "curl")}, {"Accept", "*/*"},
		{"Referer", c.referer}, {"Cookie", c.cookie},
	} {
		if f.value != "" {
			h.Add(f.name, f.value)
		}
	}
	var set []Field
	for _, line := range c.headers {
		name, value, ok := strings.Cut(line, ":")
		value = string(trim([]byte(value)))
		switch {
		case ok && value == "":
			h.Omit(name)
		case ok:
			set = append(set, F(name, value))
		case strings.HasSuffix(line, ";"):
			set = append(set, F(strings.TrimSuffix(line, ";"), ""))
		}
	}
	setAll(h, set)
	wire := h.AppendTo(nil)
	h.capture(wire, false) // so that what is wrong with it is seen
	return h
}

func (c *curlCommand) authorization() string {
	switch {
	case c.token != "":
		return "Bearer " + c.token
	case c.user != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.user))
	}
	return ""
}

// notes says what the command would do beyond the head.
func (c *curlCommand) notes() []string {
	if strings.HasPrefix(strings.ToLower(c.url), "https:") && !c.proven {
		return []string{"run as it is, curl would agree on HTTP/2 with most servers, which knows no Upgrade: add --http1.1"}
	}
	return nil
}

// splitAddress is the host and the target of an address; where it has no
// scheme, curl takes it for http.
func splitAddress(address string) (host, target string) {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	address, _, _ = strings.Cut(address, "#")
	host, target = address, "/"
	if i := strings.IndexAny(address, "/?"); i >= 0 {
		host, target = address[:i], address[i:]
	}
	if target[0] == '?' {
		target = "/" + target
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	return host, target
}
