package cmd

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// laterFlags define the flags of commands. There are hundreds, and one command
// runs: its own are defined once it is known, those of the others never.
type laterFlags map[*cobra.Command]func(*pflag.FlagSet)

// flags has the flags of c defined by define, later.
func (s *Streams) flags(c *cobra.Command, define func(*pflag.FlagSet)) {
	if s.later == nil {
		s.later = laterFlags{}
	}
	s.later[c] = define
}

// define defines the flags of c, unless they are.
func (l laterFlags) define(c *cobra.Command) {
	if define := l[c]; define != nil {
		delete(l, c)
		define(c.Flags())
	}
}

// all defines the flags of all commands.
func (l laterFlags) all() {
	for c := range l {
		l.define(c)
	}
}

// plain is all, without the quotes by which help finds the name of a value: a shell
// shows the text of a flag as it is.
func (l laterFlags) plain() {
	for c := range l {
		l.define(c)
		c.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	}
}

// of defines the flags that the command line args needs. To complete a word
// cobra looks for its command by itself.
func (l laterFlags) of(root *cobra.Command, args []string) {
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		l.plain()
	} else if c, _, err := root.Find(args); err == nil {
		l.define(c)
	}
}
