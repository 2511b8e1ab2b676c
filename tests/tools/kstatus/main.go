// Command kstatus says how Flux and helm judge objects: it reads YAML or JSON, lists too, and writes one line of JSON
// for each object, with its kind, namespace, name, status (Current, InProgress, Failed, ...) and message.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const chunkBytes = 4096

type judgement struct {
	Kind      string        `json:"kind"`
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Status    status.Status `json:"status"`
	Message   string        `json:"message"`
}

func main() {
	if err := judgeAll(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func judgeAll(input io.Reader, output io.Writer) error {
	decoder := yaml.NewYAMLOrJSONDecoder(input, chunkBytes)
	written := json.NewEncoder(output)
	for {
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if string(text) == "null" {
			// Nothing between two lines of ---.
			continue
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return err
		}
		each := func(object runtime.Object) error {
			return judge(object.(*unstructured.Unstructured), written)
		}
		if !object.IsList() {
			if err := each(object); err != nil {
				return err
			}
		} else if err := object.EachListItem(each); err != nil {
			return err
		}
	}
}

func judge(object *unstructured.Unstructured, written *json.Encoder) error {
	result, err := status.Compute(object)
	if err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return written.Encode(judgement{
		Kind:      object.GetKind(),
		Namespace: object.GetNamespace(),
		Name:      object.GetName(),
		Status:    result.Status,
		Message:   result.Message,
	})
}
