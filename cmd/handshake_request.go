package cmd

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/render"
)

// askFlags say what an opening request asks for, and how it is bent.
type askFlags struct {
	bendFlags
	headers      []string
	subprotocols []string
	origin       string
	basicAuth    string
	compress     bool
}

func (a *askFlags) add(f *pflag.FlagSet) {
	group(f, "The request", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&a.headers, "header", "H", nil, "send this header too, `'Name: value'` (repeatable)")
		f.StringArrayVarP(&a.subprotocols, "subprotocol", "s", nil, "ask for this subprotocol, the best first, `NAME` (repeatable)")
		f.StringVar(&a.origin, "origin", "", "send this `ORIGIN`, as a browser does for the page")
		f.StringVar(&a.basicAuth, "basic-auth", "", "send a name and a password, `USER:PASS` or @FILE")
		f.BoolVar(&a.compress, "compress", false, "offer compression (permessage-deflate), as browsers do")
	})
	group(f, "Bending it on purpose", a.bendFlags.addRequest)
}

// head builds the request for an address, bent where that is asked for.
func (a *askFlags) head(to endpoint.Address) (*handshake.Head, error) {
	r := handshake.Request{URL: to.URL(), Subprotocols: a.subprotocols, Origin: a.origin}
	if to.User != "" {
		r.URL = strings.Replace(r.URL, "://", "://"+to.User+"@", 1)
	}
	if a.compress {
		r.Offers = []handshake.Deflate{{ClientMaxWindowBits: handshake.Unvalued}}
	}
	var err error
	if r.Header, err = a.fields(); err != nil {
		return nil, err
	}
	h, err := r.Head()
	if err != nil {
		return nil, &usageError{plainError(err), "--set sends a header as it is, right or wrong"}
	}
	bend, err := a.bend()
	if err != nil {
		return nil, err
	}
	bend.Apply(h)
	return h, nil
}

// fields are the headers that are asked for.
func (a *askFlags) fields() (list []handshake.Field, err error) {
	for _, line := range a.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usagef(fmt.Sprintf("-H %q is no header", line), "write it as 'Name: value'")
		}
		list = append(list, handshake.F(name, strings.TrimSpace(value)))
	}
	if a.basicAuth == "" {
		return list, nil
	}
	credentials, err := secretValue("--basic-auth", a.basicAuth)
	if err != nil {
		return nil, err
	}
	return append(list, handshake.F("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))), nil
}

// secretValue reads a flag that is a secret, or @FILE that holds it.
func secretValue(flag, value string) (string, error) {
	name, ok := strings.CutPrefix(value, "@")
	if !ok {
		return value, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

// plainError is an error of package handshake without the package's name.
func plainError(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "handshake: "))
}

// printableValue is a value fit for a terminal.
func printableValue(s string) string { return render.Printable(s) }

// requestOptions are the flags of handshake request.
type requestOptions struct {
	ask   askFlags
	quiet bool

	address endpoint.Address
}

func newHandshakeRequest(s *Streams) *cobra.Command {
	o := &requestOptions{}
	c := &cobra.Command{
		Use:   "request URL",
		Short: "Print an opening request, byte for byte",
		Long: `request prints the request that opens a WebSocket connection at URL, byte for
byte, with a fresh key. --set, --omit and the others bend it on purpose; what
breaks a rule then is noted on standard error.`,
		Example: `  sockkit handshake request ws://localhost:9000/chat
  sockkit handshake request wss://app.test/chat -s chat.v1 --origin https://app.test
  sockkit handshake request ws://localhost:9000/ --omit Upgrade
  sockkit handshake request ws://localhost:9000/ --set 'Sec-WebSocket-Version: 8' | sockkit dial localhost 9000`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.address, err = oneURL("request", args); err != nil {
				return err
			}
			return runHandshakeRequest(s, o)
		},
	}
	s.flags(c, func(f *pflag.FlagSet) {
		f.SortFlags = false
		o.ask.add(f)
		f.BoolVar(&o.quiet, "quiet", false, "note nothing on standard error")
		completeBends(c, requestHeaders...)
	})
	return c
}

// oneURL reads the one word of a command that is an address.
func oneURL(command string, args []string) (endpoint.Address, error) {
	if len(args) != 1 {
		return endpoint.Address{}, usagef(fmt.Sprintf("handshake %s wants one URL, and %d came", command, len(args)),
			fmt.Sprintf("sockkit handshake %s ws://localhost:9000/chat", command))
	}
	return webSocketAddress(command, args[0])
}

func runHandshakeRequest(s *Streams, o *requestOptions) error {
	h, err := o.ask.head(o.address)
	if err != nil {
		return err
	}
	wire := h.AppendTo(nil)
	if !o.quiet {
		noteFindings(s, handshake.Check(&handshake.Exchange{Request: asSent(wire, false)}))
	}
	_, err = s.Out.Write(wire)
	return outputError(err)
}

// asSent reads a head of ours again, as whoever receives it does: a header that
// was bent may have become two, or none.
func asSent(wire []byte, response bool) *handshake.Head {
	h := &handshake.Head{}
	r := &handshake.Reader{Source: strings.NewReader(string(wire))}
	if response {
		_ = r.ReadResponse(h) // what is wrong with it is judged, not mended
		return h
	}
	_ = r.ReadRequest(h)
	return h
}

// noteFindings notes what breaks a rule, a line each.
func noteFindings(s *Streams, findings []handshake.Finding) {
	for _, f := range findings {
		fmt.Fprintf(s.Err, "note: %s (%s, %s, %s)\n", strings.TrimSuffix(f.Summary, "."), f.ID, f.Clause, f.Level)
	}
}
