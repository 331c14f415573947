// Command man writes the manual pages of sockkit into a folder.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"

	"github.com/sockkit/sockkit/cmd"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: man FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root := cmd.NewRoot(&cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{Title: "SOCKKIT", Section: "1", Source: "sockkit " + cmd.Version}, dir)
}
