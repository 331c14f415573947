package cmd

import (
	_ "embed"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed topics.txt
var topicText string

// topics are the pages of sockkit help TOPIC. In topics.txt each begins with a
// line of two equal signs, its name, a colon and what it is about.
func topics() []*cobra.Command {
	var commands []*cobra.Command
	for _, page := range strings.Split("\n"+topicText, "\n== ")[1:] {
		head, text, _ := strings.Cut(page, "\n")
		name, short, _ := strings.Cut(head, ": ")
		commands = append(commands, &cobra.Command{Use: name, Short: short, Long: strings.Trim(text, "\n")})
	}
	return commands
}
