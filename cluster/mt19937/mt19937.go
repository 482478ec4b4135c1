// Package mt19937 draws the numbers of NumPy's legacy generator,
// numpy.random.RandomState: the 32-bit Mersenne Twister and the rules by which
// RandomState turns its words into integers, doubles and orders. It holds one
// stream and nothing else; which draws a computation makes, and in which
// order, is its caller's knowledge.
package mt19937

const (
	size   = 624
	middle = 397
)

// A Source is one stream of random words. It must be seeded before use and is
// not safe for use by several goroutines at once.
type Source struct {
	words [size]uint32
	next  int // index in words of the next word to temper
}

// New returns the stream of RandomState(seed).
func New(seed uint32) *Source {
	s := new(Source)
	s.Seed(seed)
	return s
}

// Seed restarts the source as the stream of RandomState(seed).
func (s *Source) Seed(seed uint32) {
	s.words[0] = seed
	for i := 1; i < size; i++ {
		seed = 1812433253*(seed^seed>>30) + uint32(i)
		s.words[i] = seed
	}
	s.next = size
}

// Uint32 returns the next word of the stream.
func (s *Source) Uint32() uint32 {
	if s.next == size {
		s.regenerate()
	}
	w := s.words[s.next]
	s.next++
	w ^= w >> 11
	w ^= w << 7 & 0x9d2c5680
	w ^= w << 15 & 0xefc60000
	return w ^ w>>18
}

func (s *Source) regenerate() {
	w := &s.words
	for i := 0; i < size-middle; i++ {
		w[i] = w[i+middle] ^ twist(w[i], w[i+1])
	}
	for i := size - middle; i < size-1; i++ {
		w[i] = w[i+middle-size] ^ twist(w[i], w[i+1])
	}
	w[size-1] = w[middle-1] ^ twist(w[size-1], w[0])
	s.next = 0
}

func twist(a, b uint32) uint32 {
	y := a&0x80000000 | b&0x7fffffff
	return y>>1 ^ -(y&1)&0x9908b0df
}

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
