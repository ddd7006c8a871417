// Package main puts the programs of a Kubernetes cluster into one binary, so that a machine
// without a container registry gets a real cluster from Go modules alone: one link step and one
// copy of the shared code instead of eight.
//
// The program is chosen by the name it is called by (a link named kubectl is kubectl), else by
// its first argument.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// programs is filled by the files beside this one; a build of an older Kubernetes leaves out
// node.go and so has the control plane only.
var programs = map[string]func() int{}

func main() {
	name := filepath.Base(os.Args[0])
	if _, known := programs[name]; !known && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	program, known := programs[name]
	if !known {
		names := make([]string, 0, len(programs))
		for each := range programs {
			names = append(names, each)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "usage: kube PROGRAM [ARGUMENTS]; programs: %v\n", names)
		os.Exit(64)
	}
	os.Exit(program())
}
