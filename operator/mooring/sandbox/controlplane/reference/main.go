// Command reference is what Mooring's extender is measured against: the filter and prioritize verbs in plain
// net/http with maps over node names, once with encoding/json and once with bytedance/sonic.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/bytedance/sonic"
)

type node struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
}

type nodeList struct {
	Items []json.RawMessage `json:"items"`
}

type extenderArgs struct {
	Pod struct {
		Metadata struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	Nodes     *nodeList
	NodeNames *[]string
}

type filterResult struct {
	Nodes                      *nodeList
	NodeNames                  *[]string
	FailedNodes                map[string]string
	FailedAndUnresolvableNodes map[string]string
	Error                      string
}

type hostPriority struct {
	Host  string
	Score int64
}

type codec struct {
	unmarshal func([]byte, any) error
	marshal   func(any) ([]byte, error)
}

// local holds the nodes with a replica of every pod's volume: the reference knows nothing else.
type server struct {
	codec
	local map[string]bool
}

func (s server) decode(w http.ResponseWriter, r *http.Request) (extenderArgs, []string, bool) {
	var args extenderArgs
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.unmarshal(body, &args)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return args, nil, false
	}
	if args.NodeNames != nil {
		return args, *args.NodeNames, true
	}
	var names []string
	if args.Nodes != nil {
		for _, raw := range args.Nodes.Items {
			var n node
			if err := s.unmarshal(raw, &n); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return args, nil, false
			}
			names = append(names, n.Metadata.Name)
		}
	}
	return args, names, true
}

func (s server) encode(w http.ResponseWriter, answer any) {
	body, err := s.marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func (s server) filter(w http.ResponseWriter, r *http.Request) {
	args, names, ok := s.decode(w, r)
	if !ok {
		return
	}
	failed, kept := map[string]string{}, make([]string, 0, len(s.local))
	keptNodes := &nodeList{}
	for position, name := range names {
		if !s.local[name] {
			failed[name] = "the node holds no replica of the volume"
			continue
		}
		kept = append(kept, name)
		if args.Nodes != nil {
			keptNodes.Items = append(keptNodes.Items, args.Nodes.Items[position])
		}
	}
	result := filterResult{FailedAndUnresolvableNodes: failed}
	if args.NodeNames != nil {
		result.NodeNames = &kept
	} else {
		result.Nodes = keptNodes
	}
	s.encode(w, result)
}

func (s server) prioritize(w http.ResponseWriter, r *http.Request) {
	_, names, ok := s.decode(w, r)
	if !ok {
		return
	}
	scores := make([]hostPriority, 0, len(names))
	for _, name := range names {
		score := int64(0)
		if s.local[name] {
			score = 10
		}
		scores = append(scores, hostPriority{name, score})
	}
	s.encode(w, scores)
}

func main() {
	codecName := flag.String("codec", "json", "json (encoding/json) or sonic (bytedance/sonic)")
	flag.Parse()
	handler := server{codec{json.Unmarshal, json.Marshal}, map[string]bool{}}
	if *codecName == "sonic" {
		handler.codec = codec{sonic.Unmarshal, sonic.Marshal}
	}
	for _, name := range flag.Args() {
		handler.local[name] = true
	}
	http.HandleFunc("POST /scheduler/filter", handler.filter)
	http.HandleFunc("POST /scheduler/prioritize", handler.prioritize)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("http://%s/scheduler\n", listener.Addr())
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
