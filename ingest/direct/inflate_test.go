package direct

import (
	"bytes"
	"compress/zlib"
	"testing"
)

func TestInflate(t *testing.T) {
	want := bytes.Repeat([]byte("bars beats sections segments tatums "), 100)
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := packed.Bytes()
	changed := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		return b
	}
	var f inflater
	for _, c := range []struct {
		name string
		src  []byte
		size int
		ok   bool
	}{
		{"whole", whole, len(want), true},
		{"more follows", append(bytes.Clone(whole), "more"...), len(want), true}, // as zlib reads it
		{"too short", whole, len(want) + 1, false},
		{"too long", whole, len(want) - 1, false},
		{"cut", whole[:len(whole)-5], len(want), false},
		{"sum cut", whole[:len(whole)-1], len(want), false},
		{"head", changed(0), len(want), false},
		{"data", changed(len(whole) / 2), len(want), false},
		{"sum", changed(len(whole) - 1), len(want), false},
		{"whole again", whole, len(want), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := make([]byte, c.size)
			if got := f.inflate(dst, c.src); got != c.ok {
				t.Fatalf("got %t, want %t", got, c.ok)
			}
			if c.ok && !bytes.Equal(dst, want) {
				t.Errorf("got %q", dst)
			}
		})
	}
}

// TestInflateAllocates checks that a chunk costs no memory.
func TestInflateAllocates(t *testing.T) {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(make([]byte, 8192)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var f inflater
	dst, src := make([]byte, 8192), packed.Bytes()
	if n := testing.AllocsPerRun(100, func() { f.inflate(dst, src) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
