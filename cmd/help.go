package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
)

// groupKey is the annotation of a flag that names its group in the help.
const groupKey = "group"

// group puts the flags that add defines under a title in the help.
func group(f *pflag.FlagSet, title string, add func(*pflag.FlagSet)) {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.SortFlags = false
	add(set)
	set.VisitAll(func(flag *pflag.Flag) {
		flag.Annotations = map[string][]string{groupKey: {title}}
	})
	f.AddFlagSet(set)
}

// help prints all about a command, or a page.
func help(c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short
	}
	w := c.OutOrStdout()
	fmt.Fprintln(w, text)
	if c.Runnable() || c.HasSubCommands() {
		fmt.Fprintln(w)
		_ = c.UsageFunc()(c) // w keeps its errors
	}
}

// usage prints what follows the description in the help of a command.
func usage(c *cobra.Command) error {
	w := c.OutOrStdout()
	if c.Runnable() && c.HasParent() {
		fmt.Fprintf(w, "Usage:\n  %s\n\n", c.UseLine())
	}
	if c.HasExample() {
		fmt.Fprintf(w, "Examples:\n%s\n", c.Example)
	}
	if !c.HasParent() {
		listCommands(w, c)
	} else if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "Commands (%s COMMAND --help says more):\n", c.CommandPath())
		for _, below := range c.Commands() {
			fmt.Fprintf(w, "  %-12s %s\n", below.Name(), below.Short)
		}
	}
	listFlags(w, c)
	return nil
}

func listCommands(w io.Writer, root *cobra.Command) {
	fmt.Fprintln(w, "\nCommands (sockkit help COMMAND says more):")
	var pages []*cobra.Command
	for _, c := range root.Commands() {
		switch {
		case c.IsAdditionalHelpTopicCommand():
			pages = append(pages, c)
		case c.IsAvailableCommand() && c.Name() != "help":
			fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
	fmt.Fprintln(w, "\nPages (sockkit help PAGE):")
	for _, c := range pages {
		fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
	}
}

// listFlags prints the flags group by group, in the order of their definition.
func listFlags(w io.Writer, c *cobra.Command) {
	var titles []string
	sets := map[string]*pflag.FlagSet{}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		title := "Other"
		if named := f.Annotations[groupKey]; len(named) > 0 {
			title = named[0]
		}
		if sets[title] == nil {
			sets[title] = pflag.NewFlagSet("", pflag.ContinueOnError)
			sets[title].SortFlags = false
			titles = append(titles, title)
		}
		sets[title].AddFlag(f)
	})
	for _, title := range titles {
		if text := strings.TrimRight(sets[title].FlagUsages(), "\n"); text != "" {
			fmt.Fprintf(w, "\n%s:\n%s\n", title, text)
		}
	}
}

// newHelp is help COMMAND and help PAGE. A word that is neither is an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | PAGE]",
		Short: "Say more about a command, or show a page",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef(fmt.Sprintf("there is no help on %q", strings.Join(args, " ")), "sockkit --help lists the commands and the pages")
			}
			return found.Help()
		},
	}
}

// helpWriter keeps the first error of what help prints. A reader that left is
// none.
type helpWriter struct {
	w   io.Writer
	err error
}

// Write implements [io.Writer].
func (h *helpWriter) Write(p []byte) (int, error) {
	if h.err == nil {
		_, h.err = h.w.Write(p)
	}
	return len(p), nil
}

// result is what was lost of the help, as an error.
func (h *helpWriter) result() error {
	if h.err == nil || tcp.IsReset(h.err) {
		return nil
	}
	return &session.OutputError{Err: h.err}
}
