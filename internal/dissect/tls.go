package dissect

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/trace"
)

const recordHead = 5

var recordTypes = map[byte]struct{ name, meaning string }{
	20: {"change_cipher_spec", "TLS 1.2 changes over to encryption with this; TLS 1.3 sends it for show, for the sake of boxes on the way."},
	21: {"alert", "A warning or an error; under encryption also the goodbye."},
	22: {"handshake", "Both sides agree on a version, a cipher and keys."},
	23: {"application_data", "Encrypted: in TLS 1.3 the end of the handshake looks like this, too."},
	24: {"heartbeat", "A sign of life (RFC 6520), which hardly anybody uses."},
}

// recordOf is a TLS record: from its bytes, or else its head.
func recordOf(e trace.TLSRecord, wire []byte) Dissection {
	if len(wire) > 0 {
		return dissect(wire, max(len(wire), recordHead+e.Size), "", tlsRecords)
	}
	head := []byte{0, 3, 3, byte(e.Size >> 8), byte(e.Size)}
	for number, t := range recordTypes {
		if t.name == e.Type {
			head[0] = number
		}
	}
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		if tls.VersionName(v) == e.Version {
			binary.BigEndian.PutUint16(head[1:], v)
		}
	}
	if head[0] == 0 {
		return Dissection{Note: "a record of unknown type"}
	}
	return dissect(head, recordHead, "the head of the record, written again: its body is among the bytes", tlsHead)
}

// looksLikeTLS reports whether b begins with the head of a record.
func looksLikeTLS(b []byte) bool {
	if len(b) < recordHead {
		return false
	}
	_, known := recordTypes[b[0]]
	return known && b[1] == 3 && b[2] <= 4 && binary.BigEndian.Uint16(b[3:]) <= 1<<14+2048
}

// tlsRecords are the records at the beginning of b, of which the last may be
// cut.
func tlsRecords(b []byte) (fields []Field) {
	for from := 0; from < len(b); {
		rest := b[from:]
		if !looksLikeTLS(rest) || len(fields) == mostParts {
			return append(fields, at(from, len(rest), "rest", hexOf(rest), "Part of a record: the border of a piece is not that of a record.", rfc(8446, "5.1")))
		}
		n := min(recordHead+int(binary.BigEndian.Uint16(rest[3:])), len(rest))
		f := at(from, n, "record", recordTypes[rest[0]].name, recordTypes[rest[0]].meaning, rfc(8446, "5.1"))
		f.Fields = shift(append(tlsHead(rest[:recordHead]), tlsBody(rest[:n])...), from)
		fields = append(fields, f)
		from += n
	}
	return fields
}

func tlsHead(b []byte) []Field {
	t := recordTypes[b[0]]
	version := tls.VersionName(binary.BigEndian.Uint16(b[1:]))
	return []Field{
		at(0, 1, "content type", fmt.Sprintf("%d %s", b[0], t.name), t.meaning, rfc(8446, "5.1")),
		at(1, 2, "legacy version", version, "Stays at TLS 1.2, or older, whatever is spoken: boxes on the way know that one.", rfc(8446, "5.1")),
		at(3, 2, "length", fmt.Sprint(binary.BigEndian.Uint16(b[3:])), "How many bytes of this record follow.", rfc(8446, "5.1")),
	}
}

// tlsBody is what stands behind the head of a record.
func tlsBody(record []byte) []Field {
	b := record[recordHead:]
	whole := recordHead+int(binary.BigEndian.Uint16(record[3:])) == len(record)
	switch {
	case len(b) == 0:
		return nil
	case record[0] == 22 && plainHandshake(b, whole):
		return shift(messages(b), recordHead)
	case record[0] == 21 && len(b) == 2 && whole:
		return shift(alert(b), recordHead)
	case record[0] == 20:
		return []Field{at(recordHead, len(b), "change cipher spec", hexOf(b), "Always 1.", rfc(8446, "5"))}
	}
	return []Field{at(recordHead, len(b), "encrypted", hexOf(b), "Only the two ends can read it.", rfc(8446, "5.2"))}
}

func alert(b []byte) []Field {
	level := "warning"
	if b[0] == 2 {
		level = "fatal"
	}
	text := strings.TrimPrefix(tls.AlertError(b[1]).Error(), "tls: ")
	return []Field{
		at(0, 1, "level", fmt.Sprintf("%d %s", b[0], level), "How bad it is.", rfc(8446, "6")),
		at(1, 1, "description", fmt.Sprintf("%d %s", b[1], text), "What is wrong; 0 only says goodbye.", rfc(8446, "6")),
	}
}

var messageTypes = map[byte]struct{ name, meaning, section string }{
	1:  {"ClientHello", "What the client can do: versions, ciphers, and its half of the key.", "4.1.2"},
	2:  {"ServerHello", "What the server has chosen of it, and its half of the key.", "4.1.3"},
	4:  {"NewSessionTicket", "With this the client can come back sooner.", "4.6.1"},
	8:  {"EncryptedExtensions", "More that the server has chosen.", "4.3.1"},
	11: {"Certificate", "Who the server is, and who says so.", "4.4.2"},
	12: {"ServerKeyExchange", "The server's half of the key, in TLS 1.2.", "4"},
	13: {"CertificateRequest", "The server wants to know who the client is.", "4.3.2"},
	14: {"ServerHelloDone", "It is the client's turn, in TLS 1.2.", "4"},
	15: {"CertificateVerify", "Proves that the certificate is the sender's.", "4.4.3"},
	16: {"ClientKeyExchange", "The client's half of the key, in TLS 1.2.", "4"},
	20: {"Finished", "Proves that nobody has changed the handshake on its way.", "4.4.4"},
	22: {"CertificateStatus", "Says that the certificate was not revoked, in TLS 1.2.", "4"},
}

// plainHandshake reports whether b are handshake messages in the clear: known
// types, whose lengths come out even.
func plainHandshake(b []byte, whole bool) bool {
	for len(b) >= 4 {
		n := 4 + int(wide(b[1:4]))
		if _, known := messageTypes[b[0]]; !known {
			return false
		}
		if n > len(b) {
			return !whole || n > 1<<14 // cut by us, or it goes on in another record
		}
		b = b[n:]
	}
	return len(b) == 0
}

func messages(b []byte) (fields []Field) {
	for from := 0; from < len(b); {
		rest := b[from:]
		if len(rest) < 4 {
			return append(fields, restOf(b, from)...)
		}
		t := messageTypes[rest[0]]
		n := min(4+int(wide(rest[1:4])), len(rest))
		f := at(from, n, "handshake message", t.name, t.meaning, rfc(8446, t.section))
		f.Fields = []Field{
			at(0, 1, "message type", fmt.Sprintf("%d %s", rest[0], t.name), t.meaning, rfc(8446, "4")),
			at(1, 3, "length", fmt.Sprint(wide(rest[1:4])), "How many bytes of this message follow.", rfc(8446, "4")),
		}
		f.Fields = shift(append(f.Fields, messageBody(rest[:n])...), from)
		fields = append(fields, f)
		from += n
	}
	return fields
}

func messageBody(b []byte) []Field {
	switch {
	case len(b) == 4:
		return nil
	case b[0] == 1 || b[0] == 2:
		if fields, ok := hello(b[4:], b[0] == 1); ok {
			return shift(fields, 4)
		}
	}
	return []Field{at(4, len(b)-4, "body", hexOf(b[4:]), "", clause{})}
}
