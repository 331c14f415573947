package cmd

import "github.com/spf13/cobra"

// topics are the pages of sockkit help TOPIC.
func topics() []*cobra.Command { return nil }
