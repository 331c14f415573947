package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
