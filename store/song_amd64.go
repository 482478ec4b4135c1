package store

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasSSE42 {
		updateSum = updateSumSSE42
	}
}

func updateSumSSE42(sum uint32, numbers []byte) uint32 {
	words := len(numbers) / 8
	if words == 0 { // the assembly does not count down from there
		return sum
	}
	return castagnoliAhead(sum, &numbers[0], words)
}

// castagnoliAhead is [updateSum] for at least one word of eight bytes. It has the
// processor fetch what lies a page further on, for a scan would wait for memory
// longer than for sums.
//
//go:noescape
func castagnoliAhead(sum uint32, p *byte, words int) uint32
