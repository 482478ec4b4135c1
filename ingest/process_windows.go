package ingest

import "syscall"

// ownGroup starts a process in a group of its own.
var ownGroup = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
