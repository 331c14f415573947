package handshake

import (
	"fmt"
	"strconv"
	"testing"
)

func TestParseDeflate(t *testing.T) {
	for _, test := range []struct {
		clause, params string
		offer, answer  bool // whether it is valid as one
	}{
		{"7.1", "", true, true},
		{"7.1.1.1", "; server_no_context_takeover", true, true},
		{"7.1.1.1", "; server_no_context_takeover=1", false, false},
		{"7.1.1.2", "; client_no_context_takeover", true, true},
		{"7.1.1.2", "; client_no_context_takeover=\"true\"", false, false},
		{"7.1.2.1", "; server_max_window_bits", false, false},
		{"7.1.2.1", "; server_max_window_bits=010", false, false},
		{"7.1.2.1", "; server_max_window_bits=1x", false, false},
		{"7.1.2.1", "; server_max_window_bits=10000000000000000000000", false, false},
		{"7.1.2.2", "; client_max_window_bits", true, false},
		{"7.1.2.2", "; client_max_window_bits=\"12\"", true, true},
		{"7.1", "; server_no_context_takeover; server_no_context_takeover", false, false},
		{"7.1", "; client_max_window_bits; client_max_window_bits=10", false, false},
		{"7.1", "; unknown", false, false},
		{"7.1", "; Server_No_Context_Takeover", false, false},
	} {
		list, err := ParseExtensions(deflateName + test.params)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ParseDeflate(list[0], true); ok != test.offer {
			t.Errorf("RFC 7692 %s: the offer %s is valid: %v", test.clause, list[0], ok)
		}
		if _, ok := ParseDeflate(list[0], false); ok != test.answer {
			t.Errorf("RFC 7692 %s: the answer %s is valid: %v", test.clause, list[0], ok)
		}
	}
	if _, ok := ParseDeflate(Extension{Name: "permessage-bzip2"}, true); ok {
		t.Error("another extension is taken for deflate")
	}
}

// RFC 7692 7.1.2.1, 7.1.2.2: windows from 8 to 15.
func TestWindowBits(t *testing.T) {
	for bits := range 40 {
		for _, name := range []string{serverWindow, clientWindow} {
			e := Extension{deflateName, []Param{{Name: name, Value: strconv.Itoa(bits), HasValue: true}}}
			d, ok := ParseDeflate(e, true)
			if ok != (bits >= 8 && bits <= 15) || ok && max(d.ServerMaxWindowBits, d.ClientMaxWindowBits) != bits {
				t.Errorf("%s: %+v, %v", e, d, ok)
			}
		}
	}
}

// TestAcceptFits holds every answer that a server of ours gives, whatever its
// wishes, against what a client checks.
func TestAcceptFits(t *testing.T) {
	windows := []int{0, 8, 9, 15}
	for mask := range 4 * 4 * 4 * 5 * 16 {
		n := mask
		pick := func(of []int) int { v := of[n%len(of)]; n /= len(of); return v }
		flag := func() bool { b := n%2 == 1; n /= 2; return b }
		wish := Deflate{ServerMaxWindowBits: pick(windows), ClientMaxWindowBits: pick(windows)}
		offer := Deflate{ServerMaxWindowBits: pick(windows), ClientMaxWindowBits: pick([]int{0, 8, 9, 15, Unvalued})}
		wish.ServerNoContextTakeover, wish.ClientNoContextTakeover = flag(), flag()
		offer.ServerNoContextTakeover, offer.ClientNoContextTakeover = flag(), flag()
		answer := wish.Accept(offer)
		parsed, ok := ParseDeflate(answer.Extension(), false)
		if !ok || parsed != answer || offer.fits(answer) != deflateGood {
			t.Fatalf("%+v answers %+v with %+v", wish, offer, answer)
		}
		if answer.ServerWindowBits() > wish.ServerWindowBits() || offer.ClientMaxWindowBits != 0 && answer.ClientWindowBits() > wish.ClientWindowBits() {
			t.Fatalf("%+v answers %+v with %+v, against its wish", wish, offer, answer)
		}
		if agreed := offer.Agree(answer); agreed.ClientWindowBits() > answer.ClientWindowBits() || agreed.ServerWindowBits() != answer.ServerWindowBits() {
			t.Fatalf("%+v and %+v agree on %+v", offer, answer, agreed)
		}
	}
}

// RFC 7692 7.1: a server takes the first offer that is valid, and declines the
// others.
func TestFirstOffer(t *testing.T) {
	for offers, want := range map[string]string{
		"permessage-deflate; bad, permessage-deflate; server_max_window_bits=9": "permessage-deflate; server_max_window_bits=9",
		"x; permessage-deflate, permessage-deflate; client_max_window_bits":     "permessage-deflate; client_max_window_bits",
		"permessage-deflate; server_max_window_bits=99":                         "",
		"x-webkit-deflate-frame":                            "",
		"x\r\nSec-WebSocket-Extensions: permessage-deflate": "permessage-deflate",
	} {
		d, ok := firstOffer(captured(change(t, goodRequest, hostLine, hostLine+"Sec-WebSocket-Extensions: "+offers+"\r\n"), false))
		if ok != (want != "") || ok && d.String() != want {
			t.Errorf("%s: %s, %v", offers, d, ok)
		}
	}
}

func ExampleDeflate_Accept() {
	offer := Deflate{ServerMaxWindowBits: 12, ClientMaxWindowBits: Unvalued}
	wish := Deflate{ServerNoContextTakeover: true, ClientMaxWindowBits: 10}
	fmt.Println(offer)
	fmt.Println(wish.Accept(offer))
	// Output:
	// permessage-deflate; server_max_window_bits=12; client_max_window_bits
	// permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=10
}
