package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// Actions are what the page can have done to a lab's sockets, by name.
type Actions map[string]Action

// Action does one thing. Its value, which has to be JSON, is shown by the page;
// its error, too.
type Action func(ctx context.Context, args json.RawMessage) (any, error)

// act makes an action of a function whose arguments are the fields of a struct.
func act[A any](do func(ctx context.Context, args A) (any, error)) Action {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if len(bytes.TrimSpace(raw)) > 0 {
			if err := json.Unmarshal(raw, &args); err != nil {
				return nil, fmt.Errorf("what the page sent is wrong: %w", err)
			}
		}
		return do(ctx, args)
	}
}

// do makes an action of a function that needs no arguments and has only to
// succeed.
func do(f func(ctx context.Context) error) Action {
	return func(ctx context.Context, _ json.RawMessage) (any, error) { return nil, f(ctx) }
}

// Verdict is the answer to a reader's answer.
type Verdict struct {
	Right bool   `json:"right"`
	Said  string `json:"said"` // why, in words
	Rows  []int  `json:"rows"` // the records that show it
}

// Push shows a value in the page wherever it names it: data-value="name", or
// "name.field" of a struct. It does nothing in the terminal.
func (s *Stage) Push(name string, value any) {
	if s.visit != nil {
		s.visit.push(name, value)
	}
}
