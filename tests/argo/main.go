// Command argohealth runs a health check as Argo CD runs one from its argocd-cm: it reads the script from the file that
// is its argument and one object as JSON from its input, and writes a line of JSON with the status and the message.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Argo CD gives a script no longer.
const timeout = time.Second

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "argohealth:", err)
		os.Exit(1)
	}
}

func run(script string, input io.Reader, output io.Writer) error {
	var object map[string]any
	if err := json.NewDecoder(input).Decode(&object); err != nil {
		return err
	}
	judged, err := judge(script, object)
	if err != nil {
		return err
	}
	return json.NewEncoder(output).Encode(judged)
}

func judge(script string, object map[string]any) (*health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	// Nothing of strings, input or output: Argo CD opens no more than these, and an `os` without danger.
	lua.OpenPackage(state)
	lua.OpenBase(state)
	lua.OpenTable(state)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoFile(script); err != nil {
		return nil, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("expect table output from Lua script, not %s", state.Get(-1).Type())
	}
	return &health{Status: text(table, "status"), Message: text(table, "message")}, nil
}

func text(table *lua.LTable, key string) string {
	return lua.LVAsString(table.RawGetString(key))
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
