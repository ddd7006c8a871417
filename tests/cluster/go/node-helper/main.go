// Command node-helper is the one small static program that the node itself needs in images: without
// arguments it is the pause container of every pod, with them it makes and removes the folders
// of local-path volumes (the provisioner calls it as -p PATH -s SIZE -m MODE -a create|delete).
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) == 1 {
		pause()
		return
	}
	path := flag.String("p", "", "folder of the volume")
	action := flag.String("a", "", "create or delete")
	flag.String("s", "", "size in bytes; a folder has no limit")
	flag.String("m", "", "volume mode; block devices are refused by the provisioner")
	flag.Parse()
	if err := volume(*action, *path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pause holds a pod's namespaces until it is told to end, and reaps what it inherits as process 1.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for got := range signals {
		if got != syscall.SIGCHLD {
			return
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
}

func volume(action, path string) error {
	if path == "" {
		return fmt.Errorf("no path given")
	}
	switch action {
	case "create":
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		return os.Chmod(path, 0o777) // the umask took bits that a non-root database needs
	case "delete":
		return os.RemoveAll(path)
	default:
		return fmt.Errorf("unknown action %q", action)
	}
}
