package render

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/trace"
)

// adapterMessage words what one server of a cluster has told others: what it says
// goes out, and what it answers comes in.
func adapterMessage(e trace.AdapterMessage) (trace.Dir, string) {
	s := printable(e.Adapter) + " " + server(e.Server)
	if e.To != "" {
		s += " to " + printable(e.To)
	}
	s += " in " + printable(e.Namespace) + ": "
	dir := trace.Out
	if words, ok := answerWords(e); ok {
		dir = trace.In
		s += words
		if e.After > 0 {
			s += ", after " + Duration(e.After)
		}
		if e.Late {
			s += ", too late"
		}
	} else {
		s += askedWords(e)
	}
	if e.Attachments > 0 {
		s += ", " + counted(e.Attachments, "attachment")
	}
	return dir, s + ", " + bytesOf(e.Size)
}

// jsonText is JSON as it is, which is easier to read than in quotes.
func jsonText(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	shown := p[:min(len(p), shownWidth)]
	for len(shown) < len(p) && len(shown) > 0 && !utf8.Valid(shown) { // a rune was cut
		shown = shown[:len(shown)-1]
	}
	text := " " + printable(string(shown))
	if rest := len(p) - len(shown); rest > 0 {
		text += fmt.Sprintf("… and %s more", bytesOf(rest))
	}
	return text
}

// server names who said something. The official adapter pubsub does not in
// answers.
func server(id string) string {
	if id == "" {
		return "(a server without a name)"
	}
	return printable(id)
}

// answerWords are those of an answer; ok is false for all else.
func answerWords(e trace.AdapterMessage) (words string, ok bool) {
	switch e.Type {
	case "FETCH_SOCKETS_RESPONSE", "SOCKETS_RESPONSE":
		return "has " + counted(e.Count, "socket"), true
	case "ALL_ROOMS_RESPONSE":
		return "has " + counted(e.Count, "room"), true
	case "SERVER_SIDE_EMIT_RESPONSE":
		return "answers serverSideEmit", true
	case "BROADCAST_CLIENT_COUNT":
		return "asks " + counted(e.Count, "client"), true
	case "BROADCAST_ACK":
		return "has an acknowledgement of a client", true
	}
	return "", false
}

func askedWords(e trace.AdapterMessage) string {
	switch e.Type {
	case "BROADCAST":
		return "broadcast " + quoted([]byte(e.EventName)) + " to " + selected(e) + flagged(e)
	case "SERVER_SIDE_EMIT":
		return "serverSideEmit " + quoted([]byte(e.EventName)) + requested(e)
	case "FETCH_SOCKETS":
		return "fetchSockets of " + selected(e) + requested(e)
	case "SOCKETS_JOIN":
		return "socketsJoin of " + selected(e) + ": " + listed(e.Change)
	case "SOCKETS_LEAVE":
		return "socketsLeave of " + selected(e) + ": " + listed(e.Change)
	case "DISCONNECT_SOCKETS":
		if e.Close {
			return "disconnectSockets of " + selected(e) + ", with their connections"
		}
		return "disconnectSockets of " + selected(e)
	}
	return officialWords(e.Type) + requested(e)
}

// officialWords are those of messages that have no method: ALL_ROOMS, HEARTBEAT.
func officialWords(kind string) string {
	return strings.ToLower(strings.ReplaceAll(printable(kind), "_", " "))
}

// mostNames bounds how many rooms a line names.
const mostNames = 8

func listed(list []string) string {
	more := ""
	if len(list) > mostNames {
		more = fmt.Sprintf(" and %d more", len(list)-mostNames)
		list = list[:mostNames]
	}
	shown := make([]string, len(list))
	for i, name := range list {
		shown[i] = quoted([]byte(name))
	}
	return strings.Join(shown, ", ") + more
}

// selected says whose sockets are meant.
func selected(e trace.AdapterMessage) string {
	s := "all"
	if len(e.Rooms) > 0 {
		s = listed(e.Rooms)
	}
	if len(e.Except) > 0 {
		s += " except " + listed(e.Except)
	}
	return s
}

func flagged(e trace.AdapterMessage) string {
	s := requested(e)
	if e.Volatile {
		s += ", volatile"
	}
	if e.Uncompressed {
		s += ", uncompressed"
	}
	return s
}

// requested says that answers are asked for.
func requested(e trace.AdapterMessage) string {
	if e.Request == "" {
		return ""
	}
	s := ", request " + printable(e.Request)
	if e.Timeout > 0 {
		s += " for " + Duration(e.Timeout)
	}
	return s
}

// adapterRequest words the end of a request.
func adapterRequest(e trace.AdapterRequest) string {
	what := map[string]string{"FETCH_SOCKETS": "fetchSockets", "SERVER_SIDE_EMIT": "serverSideEmit", "BROADCAST": "broadcast"}[e.Type]
	if what == "" {
		what = officialWords(e.Type)
	}
	if e.EventName != "" {
		what += " " + quoted([]byte(e.EventName))
	}
	s := fmt.Sprintf("%s of %s in %s, request %s: ", what, server(e.Server), printable(e.Namespace), printable(e.Request)) + cameOf(e)
	if e.Clients > 0 || e.Acks > 0 {
		s += fmt.Sprintf("; %d of %s acknowledged", e.Acks, counted(e.Clients, "client"))
	}
	if n := len(e.Silent); n > 0 {
		s += "; silent: " + trace.SilentAmong(e.Among, n, e.Expected-e.Came) + listed(e.Silent)
	}
	return s
}

func cameOf(e trace.AdapterRequest) string {
	switch {
	case e.Expected < 0:
		return fmt.Sprintf("%s answered within %s, and how many there are Redis did not tell", counted(e.Came, "server"), Duration(e.Duration))
	case e.Expected == 1 && e.Came == 0:
		return "NOT ANSWERED by the other server within " + Duration(e.Duration)
	case e.Came < e.Expected:
		return fmt.Sprintf("NOT ANSWERED by %d of %s within %s", e.Expected-e.Came, counted(e.Expected, "other server"), Duration(e.Duration))
	case e.TimedOut:
		return fmt.Sprintf("answered by %s, and not by all clients within %s", counted(e.Came, "other server"), Duration(e.Duration))
	}
	if e.Expected == 1 {
		return "answered by the other server in " + Duration(e.Duration)
	}
	return fmt.Sprintf("answered by all %d other servers in %s", e.Expected, Duration(e.Duration))
}
