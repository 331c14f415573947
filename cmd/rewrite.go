package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
)

// rewrite puts the command in front of a command line that is written as nc's:
// with -l it is listen, and with an address, or a host and a port, dial.
func rewrite(args []string, root *cobra.Command) ([]string, error) {
	if len(args) > 0 && args[0] == "--version" {
		return []string{"version"}, nil
	}
	if len(args) == 0 || isCommand(args[0], root) {
		return args, nil
	}
	switch args[0] {
	case "-h", "--help", "help", "__complete", "__completeNoDesc":
		return args, nil
	}
	if rest, ok := takeListen(args); ok {
		return append([]string{"listen"}, rest...), nil
	}
	word := args[0]
	if strings.HasPrefix(word, "-") {
		return append([]string{"dial"}, args...), nil
	}
	if near := nearCommand(word, root); near != "" {
		return nil, &usageError{fmt.Errorf("the command %q is unknown", word),
			fmt.Sprintf("did you mean sockkit %s? A host of this name is reached with sockkit dial %s", near, strings.Join(args, " "))}
	}
	if len(args) > 1 || strings.Contains(word, ":") || isNumber(word) {
		return append([]string{"dial"}, args...), nil
	}
	return args, nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isCommand(word string, root *cobra.Command) bool {
	for _, c := range root.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return true
		}
	}
	return word == "help" || word == "completion"
}

// takeListen looks for -l, alone or within a bundle such as -lvnp, and takes it
// out.
func takeListen(args []string) ([]string, bool) {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if len(arg) < 2 || arg[0] != '-' || arg[1] == '-' {
			continue
		}
		at := listenLetter(arg)
		if at < 0 {
			continue
		}
		rest := append([]string{}, args[:i]...)
		if bundle := arg[:at] + arg[at+1:]; bundle != "-" {
			rest = append(rest, bundle)
		}
		return append(rest, args[i+1:]...), true
	}
	return nil, false
}

// withValue are the letters behind which a bundle holds a value.
const withValue = "wpqsxH"

func listenLetter(bundle string) int {
	for i := 1; i < len(bundle); i++ {
		switch {
		case bundle[i] == 'l':
			return i
		case strings.IndexByte(withValue, bundle[i]) >= 0:
			return -1
		}
	}
	return -1
}

// nearCommand returns the command that word was probably meant to be.
func nearCommand(word string, root *cobra.Command) string {
	if strings.ContainsAny(word, ".:/") || len(word) < 3 {
		return ""
	}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && endpoint.Distance(strings.ToLower(word), c.Name()) <= min(2, len(c.Name())/2) {
			return c.Name()
		}
	}
	return ""
}

// unknownCommand refuses words that are no command.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{fmt.Errorf("the command %q is unknown", args[0]),
		"sockkit --help lists them; an address wants a port: sockkit dial " + args[0] + " PORT"}
}

// flagError words what was wrong with a flag, and names a near one.
func flagError(c *cobra.Command, err error) error {
	hint := c.CommandPath() + " --help lists the flags"
	if _, name, ok := strings.Cut(err.Error(), "unknown flag: --"); ok {
		if near := nearFlag(c, name); near != "" {
			hint = "did you mean --" + near + "?"
		}
	}
	if same := habit(err.Error()); same != "" {
		hint = same
	}
	return &usageError{err, hint}
}

func nearFlag(c *cobra.Command, name string) string {
	best, least := "", 3
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if d := endpoint.Distance(name, f.Name); d < least {
			best, least = f.Name, d
		}
	})
	return best
}
