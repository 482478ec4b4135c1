package mt19937

import (
	"fmt"
	"slices"
	"testing"
)

// Expected values come from numpy.random.RandomState, NumPy 2.4.6.

func TestUint32(t *testing.T) {
	for _, c := range []struct {
		seed uint32
		want map[int]uint32 // by place in the stream; 624 is the first word of the second block
	}{
		{0, map[int]uint32{0: 2357136044, 1: 2546248239, 623: 3791854820, 624: 341544762, 625: 1076416385, 1999: 3856691381}},
		{42, map[int]uint32{0: 1608637542, 1: 3421126067, 623: 1077437785, 624: 108880612, 625: 791707097, 1999: 2238969328}},
		{4294967295, map[int]uint32{0: 419326371, 1: 479346978, 623: 1027084080, 624: 3860652269, 625: 657474326, 1999: 1762272365}},
	} {
		s := New(c.seed)
		for i := range 2000 {
			got := s.Uint32()
			if want, ok := c.want[i]; ok && got != want {
				t.Errorf("seed %d, word %d: got %d, want %d", c.seed, i, got, want)
			}
		}
	}
}

func TestDraws(t *testing.T) {
	s := New(7)
	s.Uint32()
	s.Seed(42) // as new
	ints := func(count, n int) []int {
		dst := make([]int, count)
		s.Ints(dst, n)
		return dst
	}
	equal(t, "randint(0, 10, 8)", ints(8, 10), []int{6, 3, 7, 4, 6, 9, 2, 6})
	equal(t, "randint(0, 1, 3)", ints(3, 1), []int{0, 0, 0})
	equal(t, "randint(0, 8000, 5)", ints(5, 8000), []int{4426, 5578, 6231, 3444, 3171})
	for _, want := range []uint32{613608295, 3041148567} {
		if got := s.Interval(1<<32 - 2); got != want {
			t.Errorf("randint(0, 2**32-1): got %d, want %d", got, want)
		}
	}
	for _, want := range []float64{0x1.4d4141015141ap-1, 0x1.ce1fa7e1300c0p-5, 0x1.71a9d2b546bd7p-1} {
		if got := s.Float64(); got != want {
			t.Errorf("random_sample: got %x, want %x", got, want)
		}
	}
	a := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	s.Shuffle(a)
	equal(t, "shuffle", a, []int{9, 2, 8, 6, 0, 4, 3, 7, 1, 5})
	p := make([]int, 12)
	s.Permutation(p)
	equal(t, "permutation(12)", p, []int{1, 5, 4, 10, 9, 7, 6, 3, 2, 0, 8, 11})
	c := make([]int, 20)
	s.Permutation(c)
	equal(t, "choice(20, 5, replace=False)", c[:5], []int{10, 7, 0, 2, 5})
	if got := s.Interval(99); got != 46 {
		t.Errorf("randint(0, 100): got %d, want 46", got)
	}
}

func TestIntervalRange(t *testing.T) {
	s := New(1)
	for _, max := range []uint32{0, 1, 2, 3, 4, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		for range 100 {
			if got := s.Interval(max); got > max {
				t.Fatalf("Interval(%d): got %d", max, got)
			}
		}
	}
}

func TestIntsPanics(t *testing.T) {
	for _, n := range []int{-1, 0, 1<<32 + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			New(0).Ints(make([]int, 1), n)
		})
	}
}

func TestIntsOfAllWords(t *testing.T) {
	dst := make([]int, 3)
	New(42).Ints(dst, 1<<32)
	s := New(42)
	equal(t, "randint(0, 2**32, 3)", dst, []int{int(s.Uint32()), int(s.Uint32()), int(s.Uint32())})
}

func equal(t *testing.T, what string, got, want []int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func BenchmarkInts(b *testing.B) {
	s, dst := New(42), make([]int, 2048)
	for b.Loop() {
		s.Ints(dst, 8000)
	}
}
