package guard

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		v         any
		text, err string
	}{
		{" Ann ", "Ann", ""},
		{"grüße", "grüße", ""},
		{"", "", "the name has 0 characters; 1 to 5 are allowed"},
		{"   ", "", "the name has 0 characters; 1 to 5 are allowed"},
		{"abcdef", "", "the name has 6 characters; 1 to 5 are allowed"},
		{"a\x1bb", "", "the name has control characters in it"},
		{nil, "", "the name has to be text, and nothing came"},
		{3.0, "", "the name has to be text, and a number came"},
		{true, "", "the name has to be text, and a truth value came"},
		{[]byte{1}, "", "the name has to be text, and binary data came"},
		{[]any{}, "", "the name has to be text, and a list came"},
		{map[string]any{}, "", "the name has to be text, and an object came"},
	} {
		text, err := Text("the name", c.v, 5)
		if text != c.text || errText(err) != c.err {
			t.Errorf("%#v: %q, %v", c.v, text, err)
		}
	}
}

func TestWhole(t *testing.T) {
	for v, want := range map[any]string{
		3.0: "", 0.0: "the size is 0; a whole number from 1 to 5 was due", 1.5: "the size is 1.5; a whole number from 1 to 5 was due",
		"3": "the size has to be a number, and text came",
	} {
		if _, err := Whole("the size", v, 1, 5); errText(err) != want {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func TestRate(t *testing.T) {
	r := &Rate{PerSecond: 0, AtOnce: 2}
	calls := 0
	handler := r.Answer(func(v any) (any, error) { calls++; return v, nil })
	var answers []any
	for range 3 {
		handler("x", func(v any) { answers = append(answers, v) })
	}
	refused, _ := answers[2].(map[string]any)
	if calls != 2 || answers[1] != "x" || !strings.Contains(refused["error"].(string), "too much") {
		t.Errorf("%d calls, answers %v", calls, answers)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
