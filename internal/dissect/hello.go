package dissect

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
)

// hello are the fields of a ClientHello or ServerHello; ok is false where it is
// not whole.
func hello(b []byte, client bool) (fields []Field, ok bool) {
	section, sizes := "4.1.3", []int{0, 0, 1, 0, 0, 2}
	if client {
		section, sizes = "4.1.2", []int{0, 0, 1, 2, 1, 2}
	}
	fixed := []int{2, 32, 0, 2, 1, 0} // where there is no length in front
	from := 0
	for i, prefix := range sizes {
		n := fixed[i]
		if prefix > 0 {
			if from+prefix > len(b) {
				return fields, i == 5 && from == len(b) // extensions may be absent
			}
			n = prefix + int(wide(b[from:from+prefix]))
		}
		if from+n > len(b) {
			return nil, false
		}
		f := helloPart(i, prefix, b[from:from+n], client)
		f.Clause, f.Link = rfc(8446, section).name, rfc(8446, section).link
		fields = append(fields, shift([]Field{f}, from)...)
		from += n
	}
	return append(fields, restOf(b, from)...), true
}

func helloPart(i, prefix int, b []byte, client bool) Field {
	value := b[prefix:]
	part := func(name, value, meaning string) Field { return at(0, len(b), name, value, meaning, clause{}) }
	switch i {
	case 0:
		return part("legacy version", tls.VersionName(binary.BigEndian.Uint16(b)), "Stays at TLS 1.2; the versions stand in an extension.")
	case 1:
		return part("random", hexOf(b), "32 random bytes, so that no two handshakes are alike.")
	case 2:
		return part("session id", hexOf(value), "A left-over of older versions, which TLS 1.3 only echoes.")
	case 3:
		return part(suites(value, client))
	case 4:
		return part("compression", hexOf(value), "None: 0.")
	}
	f := part("extensions", count(len(value), "byte"), "Everything else, each with its type and its length.")
	f.Fields = shift(helloExtensions(value), prefix)
	return f
}

func suites(b []byte, client bool) (name, value, meaning string) {
	for i := 0; i+1 < len(b) && i < 64; i += 2 {
		if i > 0 {
			value += ", "
		}
		value += tls.CipherSuiteName(binary.BigEndian.Uint16(b[i:]))
	}
	if client {
		return "cipher suites", value, "The ciphers that the client knows, the best first."
	}
	return "cipher suite", value, "The cipher that is used."
}

var extensionTypes = map[uint16][2]string{
	0:     {"server_name", "The host that the client wants to reach, in the clear."},
	5:     {"status_request", "The client would like proof that the certificate was not revoked."},
	10:    {"supported_groups", "The kinds of key exchange that the client knows."},
	11:    {"ec_point_formats", "A left-over of older versions."},
	13:    {"signature_algorithms", "The signatures that the client can check."},
	16:    {"application_layer_protocol_negotiation", "ALPN: the protocols that may be spoken within; a WebSocket needs http/1.1."},
	18:    {"signed_certificate_timestamp", "The client would like proof that the certificate is in a public log."},
	23:    {"extended_master_secret", "A mend of TLS 1.2."},
	35:    {"session_ticket", "A ticket of an earlier session, in TLS 1.2."},
	41:    {"pre_shared_key", "A ticket of an earlier session."},
	42:    {"early_data", "Data comes before the handshake is over."},
	43:    {"supported_versions", "The versions that are spoken: here TLS 1.3 is found."},
	45:    {"psk_key_exchange_modes", "How a ticket may be used."},
	50:    {"signature_algorithms_cert", "The signatures in certificates that the client can check."},
	51:    {"key_share", "One half of the key; the other side sends its own."},
	65281: {"renegotiation_info", "A mend of TLS 1.2."},
}

func helloExtensions(b []byte) (fields []Field) {
	for from := 0; from+4 <= len(b) && len(fields) < mostParts; {
		n := 4 + int(binary.BigEndian.Uint16(b[from+2:]))
		if from+n > len(b) {
			break
		}
		number := binary.BigEndian.Uint16(b[from:])
		words, ok := extensionTypes[number]
		if !ok {
			words = [2]string{fmt.Sprintf("extension %d", number), ""}
		}
		fields = append(fields, at(from, n, words[0], extensionValue(number, b[from+4:from+n]), words[1], rfc(8446, "4.2")))
		from += n
	}
	return fields
}

// extensionValue is what an extension holds: names as text, else hex.
func extensionValue(number uint16, b []byte) string {
	switch {
	case number == 0 && len(b) > 5:
		return show(b[5:])
	case number == 16 && len(b) > 3:
		var names string
		for i := 2; i < len(b); i += 1 + int(b[i]) {
			if i > 2 {
				names += ", "
			}
			names += show(b[i+1 : min(len(b), i+1+int(b[i]))])
		}
		return names
	}
	return hexOf(b)
}
