package socketio

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// field is a field of a struct that has a name in JSON.
type field struct {
	name      string
	index     []int // the path to it, through embedded structs
	typ       reflect.Type
	tagged    bool
	omitEmpty bool
	omitZero  bool
	quoted    bool
}

// structFields lists the fields of a struct as encoding/json sees them: those of
// embedded structs count as its own; of equal names the one least deep wins, then
// the one that a tag names, and where that leaves two there is none.
func structFields(t reflect.Type) []field {
	var all []field
	collectFields(t, nil, map[reflect.Type]bool{}, &all)
	slices.SortStableFunc(all, func(a, b field) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(len(a.index), len(b.index)),
			-cmp.Compare(btoi(a.tagged), btoi(b.tagged)))
	})
	fields := all[:0:0]
	for len(all) > 0 {
		same := 1
		for same < len(all) && all[same].name == all[0].name {
			same++
		}
		if f := all[0]; same == 1 || len(all[1].index) != len(f.index) || all[1].tagged != f.tagged {
			fields = append(fields, f)
		}
		all = all[same:]
	}
	slices.SortFunc(fields, func(a, b field) int { return slices.Compare(a.index, b.index) })
	return fields
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// collectFields appends the fields of t, which is reached by a path of indices. A
// struct that embeds itself by a pointer is entered once.
func collectFields(t reflect.Type, path []int, seen map[reflect.Type]bool, all *[]field) {
	if seen[t] {
		return
	}
	seen[t] = true
	defer delete(seen, t)
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		if tag == "-" || !isFieldVisible(sf) {
			continue
		}
		index := append(slices.Clone(path), i)
		name, options, _ := strings.Cut(tag, ",")
		if !isValidName(name) {
			name = ""
		}
		embedded := sf.Type
		if embedded.Name() == "" && embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		if sf.Anonymous && name == "" && embedded.Kind() == reflect.Struct {
			collectFields(embedded, index, seen, all)
			continue
		}
		*all = append(*all, newField(sf, name, options, index))
	}
}

func newField(sf reflect.StructField, name, options string, index []int) field {
	f := field{name: cmp.Or(name, sf.Name), index: index, typ: sf.Type, tagged: name != ""}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		case "string":
			f.quoted = isQuotable(sf.Type)
		}
	}
	return f
}

// isFieldVisible says whether a field is exported, or embeds a struct that may
// have exported fields.
func isFieldVisible(sf reflect.StructField) bool {
	if sf.IsExported() || !sf.Anonymous {
		return sf.IsExported()
	}
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// isValidName says whether a tag names a field, by the rule of encoding/json.
func isValidName(name string) bool {
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return name != ""
}

// isQuotable says whether the option "string" counts for a type.
func isQuotable(t reflect.Type) bool {
	if t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	k := t.Kind()
	return k == reflect.String || k == reflect.Bool || reflect.Int <= k && k <= reflect.Float64
}
