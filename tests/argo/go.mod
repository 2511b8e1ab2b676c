// The interpreter with which Argo CD runs health checks. A module of its own: a change here builds nothing else anew.
module mooring.dev/tests/argo

go 1.26.0

require github.com/yuin/gopher-lua v1.1.2
