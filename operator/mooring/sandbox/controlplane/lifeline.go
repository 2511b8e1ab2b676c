package main

import (
	"os"
	"strconv"
)

// followLifeline ends this process when the launcher is gone, however it went.
//
// The launcher keeps the write end of a pipe and every component inherits the read end, whose number is in
// MOORING_LIFELINE. The kernel closes the write end even after SIGKILL, so a read that returns means that nobody is
// left to stop us. Unlike PR_SET_PDEATHSIG this works on every Unix and does not depend on a thread of the parent.
func followLifeline() {
	number, err := strconv.Atoi(os.Getenv("MOORING_LIFELINE"))
	if err != nil {
		return
	}
	lifeline := os.NewFile(uintptr(number), "lifeline")
	go func() {
		_, _ = lifeline.Read(make([]byte, 1))
		os.Exit(1)
	}()
}
