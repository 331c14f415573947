package socketio

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// decodeInto is decodeArgs into what pointers point to.
func decodeInto(raw []json.RawMessage, attachments [][]byte, targets []any) error {
	types := make([]reflect.Type, len(targets))
	for i, target := range targets {
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("socketio: target %d is %T, want a pointer", i+1, target)
		}
		types[i] = v.Type().Elem()
	}
	values, err := decodeArgs(raw, attachments, types)
	if err != nil {
		return err
	}
	for i, target := range targets {
		reflect.ValueOf(target).Elem().Set(values[i])
	}
	return nil
}
