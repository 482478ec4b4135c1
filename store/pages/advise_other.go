//go:build !linux

package pages

// Elsewhere the system decides what it reads ahead of the memory map.

func willNeed([]byte) {}

func drop([]byte) {}

func isResident([]byte) bool { return true }
