package handshake

import "bytes"

// isCurlOutput knows what `curl -v` writes: "> " before each line that it
// sent, "< " before each that came.
func isCurlOutput(text []byte) bool {
	for _, line := range bytes.Split(text, []byte("\n")) {
		line = bareLine(line)
		if sent, ok := bytes.CutPrefix(line, []byte("> ")); ok && isRequestLine(trimEOL(sent)) {
			return true
		}
		if came, ok := bytes.CutPrefix(line, []byte("< ")); ok && isStatusLine(came) {
			return true
		}
	}
	return false
}

// bareLine takes off what curl writes before a line: its progress meter, which
// begins with CR and has no end, and the time of --trace-time.
func bareLine(line []byte) []byte {
	if len(line) > 1 && line[0] == '\r' && line[1] != '\n' {
		line = bytes.TrimLeft(line, "\r 0123456789.kMGTPdhms:-")
		if len(line) == 1 { // the meter had the line to itself
			return nil
		}
	}
	return withoutTime(line)
}

func withoutTime(line []byte) []byte {
	if len(line) > 16 && line[2] == ':' && line[5] == ':' && line[8] == '.' && line[15] == ' ' && isDigits(line[9:15]) {
		return line[16:]
	}
	return line
}

// readCurlOutput sorts the lines of `curl -v`.
func readCurlOutput(text []byte) []piece {
	c := &curlOutput{asText: !curlIsExact(text)}
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		c.take(bareLine(line))
	}
	c.endHead()
	for i := range c.pieces {
		c.pieces[i].text = c.asText
	}
	if n := len(c.pieces); n > 0 {
		c.pieces[n-1].notes = append(c.pieces[n-1].notes, c.notes...)
	}
	return c.pieces
}

// curlIsExact tells whether line ends are still those of the wire: curl ends
// its own lines ("*") with LF, and leaves the CR of the others in place.
func curlIsExact(text []byte) (exact bool) {
	for _, line := range bytes.Split(text, []byte("\n")) {
		line = bareLine(line)
		if len(line) < 2 || line[len(line)-1] != '\r' {
			continue
		}
		switch line[0] {
		case '*':
			return false
		case '>', '<':
			exact = true
		}
	}
	return exact
}

// curlOutput gathers pieces line by line.
type curlOutput struct {
	asText bool
	pieces []piece
	notes  []string
	head   []byte // of the head that is being read
	sign   byte   // '>' or '<' while one is, else 0
}

func (c *curlOutput) take(line []byte) {
	if len(line) == 0 {
		return
	}
	switch sign := line[0]; {
	case (sign == '>' || sign == '<') && (len(line) == 1 || line[1] == ' ' || line[1] == '\r' || line[1] == '\n'):
		c.takeHead(sign, line[min(2, len(line)):], line)
	case sign == '*' && len(line) > 1 && line[1] == ' ':
		c.notes = append(c.notes, string(trimEOL(line[2:])))
	case (sign == '{' || sign == '}') && bytes.HasPrefix(line[1:], []byte(" [")), isProgress(line):
	default:
		c.takeBody(line)
	}
}

func (c *curlOutput) takeHead(sign byte, line, whole []byte) {
	if sign != c.sign || isStatusLine(line) && len(c.head) > 0 { // after 100 curl leaves the empty line out
		c.endHead()
	}
	c.sign = sign
	if len(trimEOL(line)) == 0 || whole[1] != ' ' { // the empty line
		if line = []byte("\r\n"); !c.asText && !bytes.HasSuffix(whole, line) {
			line = []byte("\n")
		}
		c.head = append(c.head, line...)
		c.endHead()
		return
	}
	if c.asText {
		line = append(bytes.Clone(trimEOL(line)), "\r\n"...)
	}
	c.head = append(c.head, line...)
}

func (c *curlOutput) endHead() {
	if len(c.head) > 0 {
		p := piece{head: &Head{}, notes: c.notes}
		if !bytes.HasSuffix(c.head, []byte("\n\n")) && !bytes.HasSuffix(c.head, []byte("\n\r\n")) {
			c.head = append(c.head, "\r\n"...)
		}
		p.head.capture(c.head, c.sign == '<')
		c.pieces, c.notes = append(c.pieces, p), nil
	}
	c.head, c.sign = nil, 0
}

// takeBody keeps what came behind a response.
func (c *curlOutput) takeBody(line []byte) {
	if c.sign == 0 && len(c.pieces) > 0 {
		if p := &c.pieces[len(c.pieces)-1]; p.head.response && len(p.body) < maxBody {
			p.body = append(p.body, line...)
		}
	}
}

// isProgress knows the lines of curl's progress meter, and of its errors.
func isProgress(line []byte) bool {
	if bytes.Contains(line, []byte("% Total    % Received")) || bytes.Contains(line, []byte("Dload  Upload")) {
		return true
	}
	return bytes.Contains(line, []byte("--:--:--")) || bytes.HasPrefix(line, []byte("curl: ("))
}
