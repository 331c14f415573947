package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// auditClientFlags are those of an audit of a client.
type auditClientFlags struct{}

func (a *auditClientFlags) add(*pflag.FlagSet) {}

func (a *auditClientFlags) given(*cobra.Command) string { return "" }

func (o *auditOptions) completeClient(*cobra.Command, []string) error {
	return usagef("--client is not there yet", "")
}

func runHandshakeAuditClient(context.Context, *Streams, *auditOptions) error { return nil }
