package handshake

// Field is one header field.
type Field struct {
	Name  []byte // as it was spelled
	Value []byte // without the whitespace around it; folded lines joined by a space
	Raw   []byte // the line or lines as they came, with their ends; nil where it was built here

	id     fieldID
	folded bool // it went over several lines
}

// F is a field to be written as "name: value".
func F(name, value string) Field {
	return Field{Name: []byte(name), Value: []byte(value)}
}

// AppendTo appends the field as it came, or else as one line that ends in CRLF.
func (f *Field) AppendTo(b []byte) []byte {
	if f.Raw != nil {
		return append(b, f.Raw...)
	}
	b = append(b, f.Name...)
	b = append(b, ": "...)
	b = append(b, f.Value...)
	return append(b, "\r\n"...)
}

// String is the field as one line, escaped where it does not print.
func (f *Field) String() string {
	if f.Raw != nil && len(f.Name) == 0 {
		return show(trimEOL(f.Raw))
	}
	return show(f.Name) + ": " + show(f.Value)
}

// fieldID numbers the fields that rules ask for, so that asking is an index
// and not a search.
type fieldID uint8

const (
	otherField fieldID = iota
	hostField
	upgradeField
	connectionField
	keyField
	versionField
	protocolField
	extensionsField
	acceptField
	originField
	contentLengthField
	transferEncodingField
	expectField
	locationField
	allowField
	authenticateField
	proxyAuthenticateField
	numFields
)

// fieldNames are the names by number, as they are usually spelled.
var fieldNames = [numFields]string{
	hostField: "Host", upgradeField: "Upgrade", connectionField: "Connection",
	keyField: "Sec-WebSocket-Key", versionField: "Sec-WebSocket-Version",
	protocolField: "Sec-WebSocket-Protocol", extensionsField: "Sec-WebSocket-Extensions",
	acceptField: "Sec-WebSocket-Accept", originField: "Origin",
	contentLengthField: "Content-Length", transferEncodingField: "Transfer-Encoding",
	expectField: "Expect", locationField: "Location", allowField: "Allow",
	authenticateField: "WWW-Authenticate", proxyAuthenticateField: "Proxy-Authenticate",
}

// identify finds the number of a field's name, whatever its case
// (RFC 9110 5.1).
func identify(name []byte) fieldID {
	switch len(name) {
	case 4:
		return either(name, "host", hostField)
	case 5:
		return either(name, "allow", allowField)
	case 6:
		if lower(name[0]) == 'o' {
			return either(name, "origin", originField)
		}
		return either(name, "expect", expectField)
	case 7:
		return either(name, "upgrade", upgradeField)
	case 8:
		return either(name, "location", locationField)
	case 10:
		return either(name, "connection", connectionField)
	case 14:
		return either(name, "content-length", contentLengthField)
	}
	return identifyLong(name)
}

func identifyLong(name []byte) fieldID {
	switch len(name) {
	case 16:
		return either(name, "www-authenticate", authenticateField)
	case 17:
		if lower(name[0]) == 't' {
			return either(name, "transfer-encoding", transferEncodingField)
		}
		return either(name, "sec-websocket-key", keyField)
	case 18:
		return either(name, "proxy-authenticate", proxyAuthenticateField)
	case 20:
		return either(name, "sec-websocket-accept", acceptField)
	case 21:
		return either(name, "sec-websocket-version", versionField)
	case 22:
		return either(name, "sec-websocket-protocol", protocolField)
	case 24:
		return either(name, "sec-websocket-extensions", extensionsField)
	}
	return otherField
}

// either is id where name is s, and else no field that rules ask for.
func either(name []byte, s string, id fieldID) fieldID {
	if foldEqual(name, s) {
		return id
	}
	return otherField
}
