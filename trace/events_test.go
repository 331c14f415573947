package trace_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestAllEventsIsComplete finds the event types in the source: whatever has a
// method Name is one.
func TestAllEventsIsComplete(t *testing.T) {
	var declared, listed []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			declared = append(declared, namedTypes(t, file)...)
		}
	}
	for _, e := range append(trace.AllEvents(), trace.Unknown{}) {
		listed = append(listed, reflect.TypeOf(e).Name())
	}
	slices.Sort(declared)
	slices.Sort(listed)
	if !slices.Equal(declared, listed) {
		t.Errorf("declared are\n%q, AllEvents lists\n%q", declared, listed)
	}
}

// namedTypes returns the types of a file that have a method Name.
func namedTypes(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "Name" {
			continue
		}
		if receiver, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
			found = append(found, receiver.Name)
		}
	}
	return found
}

// TestEventNames checks that names are unique and fit for JSON, and that no
// field takes the name of one that every line has.
func TestEventNames(t *testing.T) {
	form := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, e := range trace.AllEvents() {
		if !form.MatchString(e.Name()) || seen[e.Name()] {
			t.Errorf("the name %q is taken or badly formed", e.Name())
		}
		seen[e.Name()] = true
		_, carries := payloadOf(e)
		for _, field := range fieldNames(reflect.TypeOf(e)) {
			last := strings.TrimPrefix(field, "certificates[].")
			reserved := slices.Contains([]string{"time", "conn", "event", "level"}, field) || carries && field == "text"
			if reserved || !form.MatchString(last) {
				t.Errorf("%s: the field name %q is reserved or badly formed", e.Name(), field)
			}
		}
	}
}

// TestDurationsSayTheirUnit checks that nanoseconds are named so.
func TestDurationsSayTheirUnit(t *testing.T) {
	for _, e := range trace.AllEvents() {
		for f := range reflect.TypeOf(e).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if (f.Type.String() == "time.Duration") != strings.HasSuffix(name, "_ns") {
				t.Errorf("%s: field %q of type %v", e.Name(), name, f.Type)
			}
		}
	}
}

// fieldNames returns the JSON names of a struct's fields, those of structs in
// lists as list[].field.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			for _, inner := range fieldNames(f.Type.Elem()) {
				names = append(names, name+"[]."+inner)
			}
		}
	}
	return names
}

// documented is what docs/events.md says of one event.
type documented struct {
	level    string
	fields   []string
	examples []string
}

// readDoc returns the events of docs/events.md by name.
func readDoc(t *testing.T) map[string]*documented {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Events of package `trace`\n")
	if !found {
		t.Fatal("docs/events.md has no section of this package's events")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	doc := map[string]*documented{}
	for _, part := range strings.Split(section, "\n### ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		level := strings.ToLower(strings.TrimSuffix(heading, " level"))
		for _, line := range strings.Split(body, "\n") {
			readDocLine(t, doc, level, line)
		}
	}
	return doc
}

var (
	docRow   = regexp.MustCompile("^\\| `([^`]+)` \\| (.+) \\| (.+) \\|$")
	docField = regexp.MustCompile("^`([^`]+)` \\S.*$")
)

// readDocLine adds what one line of a level's section says: a row of its table
// or an example.
func readDocLine(t *testing.T, doc map[string]*documented, level, line string) {
	t.Helper()
	if row := docRow.FindStringSubmatch(line); row != nil {
		if doc[row[1]] != nil {
			t.Errorf("%s is documented twice", row[1])
		}
		doc[row[1]] = &documented{level: level, fields: docFields(t, row[1], row[3])}
		return
	}
	var head struct{ Event, Level string }
	if !strings.HasPrefix(line, "{") {
		return
	}
	if err := json.Unmarshal([]byte(line), &head); err != nil || doc[head.Event] == nil || head.Level != level {
		t.Errorf("an example out of place at level %s (%v): %s", level, err, line)
		return
	}
	doc[head.Event].examples = append(doc[head.Event].examples, line)
}

// docFields returns the fields that a cell names, each with its meaning.
func docFields(t *testing.T, event, cell string) []string {
	t.Helper()
	var names []string
	for _, item := range strings.Split(cell, "<br>") {
		field := docField.FindStringSubmatch(item)
		if field == nil {
			t.Errorf("%s: %q is not a field with its meaning", event, item)
			continue
		}
		names = append(names, field[1])
	}
	return names
}

// TestDocumentation holds docs/events.md against the types.
func TestDocumentation(t *testing.T) {
	doc := readDoc(t)
	for _, e := range trace.AllEvents() {
		d := doc[e.Name()]
		if d == nil {
			t.Errorf("%s is not documented", e.Name())
			continue
		}
		delete(doc, e.Name())
		if d.level != e.Level().String() {
			t.Errorf("%s is documented at level %s, and is of level %v", e.Name(), d.level, e.Level())
		}
		if want := fieldNames(reflect.TypeOf(e)); !slices.Equal(d.fields, want) {
			t.Errorf("%s: documented fields\n%q, the type has\n%q", e.Name(), d.fields, want)
		}
	}
	for name := range doc {
		t.Errorf("%s is documented and does not exist", name)
	}
}

// TestDocumentationExamples checks that the examples are what is written, to
// the byte, and that between them they show every field.
func TestDocumentationExamples(t *testing.T) {
	for name, d := range readDoc(t) {
		shown := map[string]bool{}
		for _, line := range d.examples {
			records := readAll(t, line)
			if got := strings.TrimSuffix(jsonLines(t, records...), "\n"); got != line {
				t.Errorf("%s: the example\n%s is written as\n%s", name, line, got)
			}
			for _, field := range d.fields {
				shown[field] = shown[field] || shows(line, field)
			}
		}
		for _, field := range d.fields {
			if !shown[field] {
				t.Errorf("%s: no example shows %q", name, field)
			}
		}
	}
}

// shows reports whether an example has a field.
func shows(line, field string) bool {
	_, own, _ := strings.Cut(line, `"level":`) // behind what every line has
	return strings.Contains(own, `"`+field[strings.LastIndex(field, ".")+1:]+`":`)
}
