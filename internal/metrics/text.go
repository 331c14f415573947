// Package metrics has the figures of this process, and the text in which
// Prometheus and what understands it read figures.
package metrics

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ContentType is that of the text format 0.0.4 of Prometheus.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Type says what a figure does.
type Type string

// The types of figures.
const (
	Counter Type = "counter" // only grows
	Gauge   Type = "gauge"   // goes up and down
	Summary Type = "summary" // quantiles, a sum and a count
)

// Family is a figure at the moment of asking, or one for each value of a label.
type Family struct {
	Name, Help string
	Type       Type
	Label      string             // the label's name; empty where there is one figure
	Values     map[string]float64 // by the value of the label
	Sum, Count float64            // of a Summary
}

// One is a figure without a label.
func One(t Type, name, help string, v float64) Family {
	return Family{Name: name, Help: help, Type: t, Values: map[string]float64{"": v}}
}

// Write writes families as text, in their order.
func Write(w io.Writer, families []Family) error {
	var b []byte
	for i := range families {
		b = families[i].appendTo(b)
	}
	_, err := w.Write(b)
	return err
}

func (f *Family) appendTo(b []byte) []byte {
	if len(f.Values) == 0 && f.Type != Summary {
		return b
	}
	b = append(b, "# HELP "+f.Name+" "+helpEscapes.Replace(f.Help)+"\n"...)
	b = append(b, "# TYPE "+f.Name+" "+string(f.Type)+"\n"...)
	for _, value := range slices.Sorted(maps.Keys(f.Values)) {
		name := f.Name
		if f.Label != "" {
			name += "{" + f.Label + `="` + escaped(value) + `"}`
		}
		b = appendLine(b, name, f.Values[value])
	}
	if f.Type == Summary {
		b = appendLine(b, f.Name+"_sum", f.Sum)
		b = appendLine(b, f.Name+"_count", f.Count)
	}
	return b
}

func appendLine(b []byte, name string, v float64) []byte {
	b = append(append(b, name...), ' ')
	return append(strconv.AppendFloat(b, v, 'g', -1, 64), '\n')
}

// What the format escapes: in a help text, and in the value of a label.
var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// escaped is the value of a label, which may be a peer's: it is UTF-8 then.
func escaped(value string) string {
	return valueEscapes.Replace(strings.ToValidUTF8(value, "\uFFFD"))
}
