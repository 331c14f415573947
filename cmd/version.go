package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is set when a release is built.
var Version = "0.1.0-dev"

func newVersion(s *Streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Args:    usageArgs(cobra.NoArgs),
		Example: "  sockkit version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(s.Out, "sockkit %s%s (%s %s/%s)\n", Version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// revision is the commit that the binary was built from, where it is known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return " " + setting.Value[:min(12, len(setting.Value))]
		}
	}
	return ""
}

// usageArgs makes a wrong number of words a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &usageError{err, "usage: " + c.UseLine()}
		}
		return nil
	}
}
