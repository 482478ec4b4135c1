// Package mt19937 draws the numbers of NumPy's legacy generator,
// numpy.random.RandomState: the words of gonum's 32-bit Mersenne Twister, and
// the rules by which RandomState turns words into integers, doubles and orders.
// It holds one stream and nothing else; which draws a computation makes, and in
// which order, is its caller's knowledge.
package mt19937

import "gonum.org/v1/gonum/mathext/prng"

// A Source is one stream of random words. It must be seeded before use and is
// not safe for use by several goroutines at once.
type Source struct {
	twister prng.MT19937
}

// New returns the stream of RandomState(seed).
func New(seed uint32) *Source {
	s := new(Source)
	s.Seed(seed)
	return s
}

// Seed restarts the source as the stream of RandomState(seed).
func (s *Source) Seed(seed uint32) { s.twister.Seed(uint64(seed)) }

// Uint32 returns the next word of the stream.
func (s *Source) Uint32() uint32 { return s.twister.Uint32() }

// Interval returns an integer in [0, max]. It masks words to the bits of max
// and rejects those above it, as RandomState.randint and shuffle do for every
// range below 2^32; max 0 draws nothing.
func (s *Source) Interval(max uint32) uint32 {
	mask := max
	mask |= mask >> 1
	mask |= mask >> 2
	mask |= mask >> 4
	mask |= mask >> 8
	mask |= mask >> 16
	for max > 0 {
		if v := s.Uint32() & mask; v <= max {
			return v
		}
	}
	return 0
}

// Ints fills dst with integers in [0, n), as RandomState.randint(0, n,
// len(dst)) does. It panics unless 1 ≤ n ≤ 2^32.
func (s *Source) Ints(dst []int, n int) {
	if n < 1 || uint64(n) > 1<<32 {
		panic("mt19937: n outside [1, 2^32]")
	}
	for i := range dst {
		dst[i] = int(s.Interval(uint32(n - 1)))
	}
}

// Float64 returns a number in [0, 1) with 53 random bits, as
// RandomState.random_sample does.
func (s *Source) Float64() float64 {
	a, b := s.Uint32()>>5, s.Uint32()>>6
	return float64(uint64(a)<<26|uint64(b)) / (1 << 53)
}

// Shuffle puts a into random order, as RandomState.shuffle does to a
// one-dimensional array.
func (s *Source) Shuffle(a []int) {
	for i := len(a) - 1; i > 0; i-- {
		j := s.Interval(uint32(i))
		a[i], a[j] = a[j], a[i]
	}
}

// Permutation fills dst with 0 … len(dst)-1 in random order, as
// RandomState.permutation(len(dst)) does. Its first k entries are what
// RandomState.choice(len(dst), k, replace=False) returns.
func (s *Source) Permutation(dst []int) {
	for i := range dst {
		dst[i] = i
	}
	s.Shuffle(dst)
}
