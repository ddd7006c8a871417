// Command readers says what others make of an object's status: kstatus, by which Helm, Flux and
// kubectl's plugins wait, and Argo CD, which runs a health check in Lua.
//
//	readers HEALTH.lua < objects
//
// Objects are JSON, one after the other. For each it prints a line: what kstatus says, and the
// status that the health check returned.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := read(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(script string, objects io.Reader) error {
	health, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(objects)
	for {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		normalise(object)
		found, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			return err
		}
		said, err := argo(string(health), object)
		if err != nil {
			return err
		}
		fmt.Println(found.Status, said)
	}
}

// argo runs the health check as Argo CD does: with the object as the global `obj`, and as much of
// Lua's libraries as it opens.
func argo(health string, object map[string]any) (string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString} {
		state.Push(state.NewFunction(open))
		state.Call(0, 0)
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(health); err != nil {
		return "", err
	}
	said, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", errors.New("the health check returned no table")
	}
	return said.RawGetString("status").String(), nil
}

func value(state *lua.LState, of any) lua.LValue {
	switch of := of.(type) {
	case bool:
		return lua.LBool(of)
	case int64:
		return lua.LNumber(of)
	case float64:
		return lua.LNumber(of)
	case string:
		return lua.LString(of)
	case []any:
		table := state.NewTable()
		for _, one := range of {
			table.Append(value(state, one))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, one := range of {
			table.RawSetString(key, value(state, one))
		}
		return table
	}
	return lua.LNil
}

// normalise makes whole numbers integers, as the readers' own decoders do.
func normalise(of any) any {
	switch of := of.(type) {
	case float64:
		if of == float64(int64(of)) {
			return int64(of)
		}
	case []any:
		for at, one := range of {
			of[at] = normalise(one)
		}
	case map[string]any:
		for key, one := range of {
			of[key] = normalise(one)
		}
	}
	return of
}
