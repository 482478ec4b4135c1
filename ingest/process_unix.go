//go:build unix

package ingest

import "syscall"

// ownGroup starts a process in a group of its own.
var ownGroup = &syscall.SysProcAttr{Setpgid: true}
