package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/explain"
)

// keyOptions are the flags of handshake key.
type keyOptions struct {
	common
	got string

	key   string
	fresh bool
	asked bool // --got was given
}

// keyReport is the JSON object of handshake key --json.
type keyReport struct {
	Version int                `json:"version"`
	Kind    string             `json:"kind"`
	Key     string             `json:"key"`
	Accept  string             `json:"accept"`
	Steps   []handshake.Step   `json:"steps"`
	Got     *string            `json:"got,omitempty"`
	Mistake *handshake.Mistake `json:"mistake,omitempty"`
}

func newHandshakeKey(s *Streams) *cobra.Command {
	o := &keyOptions{}
	c := &cobra.Command{
		Use:   "key [KEY]",
		Short: "Show how Sec-WebSocket-Accept follows from a key, step by step",
		Long: `key shows how the value of Sec-WebSocket-Accept follows from that of
Sec-WebSocket-Key, step by step. Without a KEY a fresh one is made.

--got names the mistake behind a value that a server sent: the key was decoded
first, the GUID is missing, hex stands for base64, another hash was taken. The
status is 3 where the value is wrong.`,
		Example: `  sockkit handshake key
  sockkit handshake key dGhlIHNhbXBsZSBub25jZQ==
  sockkit handshake key dGhlIHNhbXBsZSBub25jZQ== --got b37a4f2cc0624f1690f64606cf385945b2bec4ea`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.complete(c, args); err != nil {
				return err
			}
			return runHandshakeKey(s, o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.got, "got", "", "the `VALUE` that a server sent: name the mistake behind it")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	f.StringVar(&o.color, "color", "auto", "color the steps: `WHEN` is auto, always or never")
	return c
}

func (o *keyOptions) complete(c *cobra.Command, args []string) error {
	o.maxMessage = 1 // key has no such flag, and check wants a limit
	if err := o.check(c); err != nil {
		return err
	}
	o.asked = c.Flags().Changed("got")
	if len(args) == 1 {
		o.key = args[0]
		return nil
	}
	if o.asked {
		return usagef("--got wants the key that the value came for", "sockkit handshake key KEY --got VALUE; the request's Sec-WebSocket-Key")
	}
	o.key, o.fresh = handshake.NewKey(), true
	return nil
}

func runHandshakeKey(s *Streams, o *keyOptions) error {
	var mistake *handshake.Mistake
	if o.asked {
		m := handshake.DiagnoseAccept(o.key, o.got)
		mistake = &m
	}
	if err := o.print(s, mistake); err != nil {
		return err
	}
	if mistake == nil || mistake.Right() {
		return nil
	}
	return &verdictError{statusFindings, fmt.Sprintf("handshake key: %q is not the answer to %q: %s", o.got, o.key, mistake.What), mistake.Mend}
}

func (o *keyOptions) print(s *Streams, mistake *handshake.Mistake) error {
	steps := handshake.ExplainKey(o.key)
	if o.json {
		report := keyReport{Version: 1, Kind: "handshake_key", Key: o.key, Accept: handshake.AcceptKey(o.key), Steps: steps, Mistake: mistake}
		if o.asked {
			report.Got = &o.got
		}
		return writeJSON(s.Out, report, true)
	}
	words := o.words(s)
	var lines []string
	if o.fresh {
		lines = append(lines, "A fresh key: 16 random bytes in base64.", "")
	}
	lines = append(lines, explain.Key(steps, words)...)
	if mistake != nil {
		lines = append(append(lines, ""), explain.Accept(o.key, o.got, *mistake, words)...)
	}
	return printLines(s.Out, lines)
}
