package h2

import (
	"golang.org/x/net/http2/hpack"
)

// Head is one that somebody else has sent.
type Head struct {
	Fields []Field // as far as there is room
	Large  bool    // there are more
	Wrong  string  // what is wrong with it (RFC 9113 sections 8.2 and 8.3); empty where nothing is
	Size   int     // as section 6.5.2 counts it
}

// ReadHead takes a head out of its block, and keeps as much of it as most allows,
// in bytes. An error means that nothing behind it can be taken out.
func ReadHead(dec *hpack.Decoder, block []byte, most int) (h Head, err error) {
	d := decoding{left: most}
	dec.SetEmitFunc(func(f hpack.HeaderField) {
		h.Size += int(f.Size())
		d.field(f)
	})
	if _, err = dec.Write(block); err == nil {
		err = dec.Close()
	}
	h.Fields, h.Large, h.Wrong = d.fields, d.large, d.wrong
	return h, err
}

// WrongResponse says what is wrong with a response; empty where nothing is.
func (h *Head) WrongResponse() string {
	_, wrong := (&decoding{fields: h.Fields, wrong: h.Wrong}).wrongResponse()
	return wrong
}

// WrongRequest is the same of a request.
func (h *Head) WrongRequest() string {
	_, wrong := (&decoding{fields: h.Fields, wrong: h.Wrong}).wrongRequest()
	return wrong
}
