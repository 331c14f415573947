package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
)

// answerFlags say how requests are answered, and how the answer is bent.
type answerFlags struct {
	bendFlags
	headers      []string
	subprotocols []string
	compress     bool

	bent   handshake.Bend
	header []handshake.Field
}

func (a *answerFlags) add(f *pflag.FlagSet) {
	group(f, "The response", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&a.headers, "header", "H", nil, "send this header with a 101 too, `'Name: value'` (repeatable)")
		f.StringArrayVarP(&a.subprotocols, "subprotocol", "s", nil, "speak this subprotocol, `NAME` (repeatable)")
		f.BoolVar(&a.compress, "compress", false, "accept an offer of compression (permessage-deflate)")
	})
	group(f, "Bending it on purpose", a.bendFlags.addResponse)
}

// complete reads the flags once, for every answer.
func (a *answerFlags) complete(c *cobra.Command) (err error) {
	a.accepts = c.Flags().Changed("accept")
	if a.bent, err = a.bend(); err != nil {
		return err
	}
	a.header, err = (&askFlags{headers: a.headers}).fields()
	return err
}

// reply is an answer to one request, right or bent.
type reply struct {
	head *handshake.Head
	body string
}

// wire is the reply as it goes over the wire.
func (r *reply) wire() []byte { return append(r.head.AppendTo(nil), r.body...) }

// reply answers a request as the flags say. The finding is the rule for which a
// server has to refuse it, or nil.
func (a *answerFlags) reply(req *handshake.Head) (*reply, *handshake.Finding) {
	acceptor := handshake.Acceptor{Subprotocols: a.subprotocols, Header: a.header}
	if a.compress {
		acceptor.Deflate = &handshake.Deflate{}
	}
	if s := a.bent.Status; s != 0 && s != 101 {
		acceptor.Permit = func(*handshake.Head) error { return &handshake.Refusal{Status: s} }
	}
	var ans handshake.Answer
	_ = acceptor.Accept(req, &ans) // the answer says it too
	r := &reply{head: ans.Head()}
	switch {
	case a.bent.Status == 101 && ans.Status != 101:
		r.head = a.accepted(req)
	case ans.Status != 101:
		r.body = ans.Body()
	}
	a.bent.Apply(r.head)
	if a.accepts && r.head.Status == 101 {
		r.head.Set(handshake.F("Sec-WebSocket-Accept", a.accept))
	}
	return r, ans.Finding
}

// accepted is the 101 for a request that had to be refused.
func (a *answerFlags) accepted(req *handshake.Head) *handshake.Head {
	h := &handshake.Head{}
	h.SetStatusLine("HTTP/1.1", 101, "Switching Protocols")
	h.Add("Upgrade", "websocket")
	h.Add("Connection", "Upgrade")
	h.Add("Sec-WebSocket-Accept", handshake.AcceptKey(req.Get("Sec-WebSocket-Key")))
	for _, f := range a.header {
		h.AddField(f)
	}
	return h
}

// responseOptions are the flags of handshake response.
type responseOptions struct {
	answer answerFlags
	quiet  bool
}

func newHandshakeResponse(s *Streams) *cobra.Command {
	o := &responseOptions{}
	c := &cobra.Command{
		Use:   "response",
		Short: "Read a request on standard input and print the right response",
		Long: `response reads an opening request on standard input and prints the response that
is due, byte for byte: 101, or the refusal that the request deserves. --status,
--set, --omit and --accept bend it on purpose. It answers as soon as the head is
complete, so that it can stand behind listen --exec.`,
		Example: `  sockkit handshake request ws://localhost:9000/ | sockkit handshake response
  sockkit handshake response -s chat.v1 < request.txt
  sockkit handshake response --omit Upgrade < request.txt
  sockkit listen -k 9000 --exec 'sockkit handshake response --accept wrong'`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.answer.complete(c); err != nil {
				return err
			}
			return runHandshakeResponse(c.Context(), s, o)
		},
	}
	s.flags(c, func(f *pflag.FlagSet) {
		f.SortFlags = false
		o.answer.add(f)
		f.BoolVar(&o.quiet, "quiet", false, "note nothing on standard error")
		completeBends(c, responseHeaders...)
	})
	return c
}

func runHandshakeResponse(ctx context.Context, s *Streams, o *responseOptions) error {
	if isTerminal(s.In) && !o.quiet {
		fmt.Fprintln(s.Err, "note: the request is read here; an empty line ends it")
	}
	req, err := requestOnInput(ctx, s)
	if err != nil {
		return err
	}
	if asText, ok := withCRLF(req); ok {
		req = asText
		if !o.quiet {
			fmt.Fprintln(s.Err, "note: the request's lines end with LF alone; they are taken for text and not for what went over the wire")
		}
	}
	r, broken := o.answer.reply(req)
	if broken != nil && !o.quiet {
		noteFindings(s, []handshake.Finding{*broken})
	}
	_, err = s.Out.Write(r.wire())
	return outputError(err)
}

// requestOnInput reads one head from standard input. What is wrong with it is
// for the answer to say; only nothing at all is an error.
func requestOnInput(ctx context.Context, s *Streams) (*handshake.Head, error) {
	type read struct {
		head *handshake.Head
		err  error
	}
	done := make(chan read, 1)
	go func() {
		h := &handshake.Head{}
		done <- read{h, (&handshake.Reader{Source: s.In}).ReadRequest(h)}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		var cut *handshake.CutError
		if errors.As(r.err, &cut) && cut.Got == 0 {
			return nil, &verdictError{statusFailure, "handshake response: no request came on standard input", "sockkit handshake request URL prints one"}
		}
		return r.head, nil
	}
}

// withCRLF reads a head again whose lines all end with LF alone, as an editor
// writes them, as if they ended as they should.
func withCRLF(h *handshake.Head) (*handshake.Head, bool) {
	if bytes.IndexByte(h.Raw, '\r') >= 0 || bytes.IndexByte(h.Raw, '\n') < 0 {
		return nil, false
	}
	list, err := handshake.ReadCapture(h.Raw)
	if err != nil || list[0].Request == nil {
		return nil, false
	}
	return list[0].Request, true
}
