package inspect

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/render"
)

// namesShown bounds how many names a sentence lists.
const namesShown = 10

// listed words a list of a peer's names.
func listed(list []string) string {
	more := ""
	if len(list) > namesShown {
		more = fmt.Sprintf(" and %d more", len(list)-namesShown)
		list = list[:namesShown]
	}
	shown := make([]string, len(list))
	for i, name := range list {
		shown[i] = printable(name)
	}
	return strings.Join(shown, ", ") + more
}

func printable(s string) string { return render.Printable(s) }

func subject(c *x509.Certificate) string {
	if name := c.Subject.String(); name != "" {
		return printable(name)
	}
	return "no subject"
}

// plain is a x509 error without its prefixes.
func plain(err error) string { return printable(strings.ReplaceAll(err.Error(), "x509: ", "")) }

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// span words a duration as people count it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return plural(int(d/time.Second), "second")
	case d < 2*time.Hour:
		return plural(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
