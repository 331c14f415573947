package handshake

import (
	"strconv"
	"strings"
)

// Body is the text that goes with a refusal: which rule was broken, by what,
// and what was due.
func (ans *Answer) Body() string {
	switch {
	case ans.Refusal != nil && ans.Refusal.Body != "":
		return ans.Refusal.Body
	case ans.Finding == nil:
		return strconv.Itoa(ans.Status) + " " + statusText(ans.Status) + "\n"
	}
	f := ans.Finding
	var b strings.Builder
	b.WriteString(f.Summary + " (" + f.Clause + ")\n")
	b.WriteString("came: " + f.Came + "\n")
	b.WriteString("due:  " + f.Due + "\n")
	return b.String()
}

// refusalHead makes the head of a refusal, with the headers that its status
// owes.
func (ans *Answer) refusalHead() *Head {
	h := &Head{}
	h.SetStatusLine("HTTP/1.1", ans.Status, statusText(ans.Status))
	switch ans.Status {
	case 405: // RFC 9110 15.5.6
		h.Add("Allow", "GET")
	case 426: // RFC 9110 15.5.22, 7.8
		h.Add("Upgrade", "websocket")
	}
	if ans.Status == 426 {
		h.Add("Connection", "Upgrade, close")
	} else {
		h.Add("Connection", "close")
	}
	if ans.Finding != nil && (ans.Status == 426 || strings.HasPrefix(ans.Finding.ID, "request-version-")) { // RFC 6455 4.2.2 item 4
		h.Add("Sec-WebSocket-Version", "13")
	}
	h.Add("Content-Type", "text/plain; charset=utf-8")
	h.Add("X-Content-Type-Options", "nosniff")
	h.Add("Content-Length", strconv.Itoa(len(ans.Body())))
	if ans.Refusal != nil {
		for _, f := range ans.Refusal.Header {
			h.Set(f)
		}
	}
	return h
}

// statusText is the reason of a status (RFC 9110 15), empty where none is known.
func statusText(status int) string {
	switch status {
	case 101:
		return "Switching Protocols"
	case 200:
		return "OK"
	case 301:
		return "Moved Permanently"
	case 302:
		return "Found"
	case 307:
		return "Temporary Redirect"
	case 308:
		return "Permanent Redirect"
	case 400:
		return "Bad Request"
	case 401:
		return "Unauthorized"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 408:
		return "Request Timeout"
	case 426:
		return "Upgrade Required"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	}
	return ""
}
