package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A group is a set of arrays that is kept as one value.
type group uint8

const (
	featureGroup group = iota // FeatureArrays
	otherGroup                // the rest of AllArrays
	numGroups
)

// span returns the first array of the group and the one after its last.
func (g group) span() (first, end Array) {
	if g == featureGroup {
		return 0, NumFeatures
	}
	return NumFeatures, NumArrays
}

const (
	absent      = 255 // form of an array that was not read
	ieeeBits    = 15  // decimals of an array kept as IEEE bits
	maxDecimals = 9   // MSD has at most five
	maxOrder    = 2   // beats come in equal steps: their second difference is small
)

// maxFrame bounds what a damaged length can make the decoder allocate: a group
// of a song that lasts for days stays far below.
const maxFrame = 1 << 30

var powersOfTen = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// A column is an array as integers, ready to be cut into planes.
type column struct {
	decimals uint8
	order    uint8
	planes   int
	numbers  []uint64
}

// An arrayEncoder holds memory to encode arrays in.
type arrayEncoder struct {
	integers        []int64
	numbers         []uint64
	head, low, high []byte
	lowFrame        []byte
}

var arrayEncoders = sync.Pool{New: func() any { return new(arrayEncoder) }}

// appendArrays appends the encoding of a group's arrays, as the package
// comment has it, and returns the extended buffer.
func appendArrays(dst []byte, g group, arrays *[NumArrays][]float64) []byte {
	enc := arrayEncoders.Get().(*arrayEncoder)
	defer arrayEncoders.Put(enc)
	enc.head, enc.low, enc.high = enc.head[:0], enc.low[:0], enc.high[:0]
	for a, end := g.span(); a < end; a++ {
		if arrays[a] == nil {
			enc.head = append(enc.head, absent)
			continue
		}
		c := enc.column(arrays[a])
		enc.head = append(enc.head, c.decimals|c.order<<4)
		enc.head = binary.AppendUvarint(enc.head, uint64(len(c.numbers)))
		enc.head = append(enc.head, byte(c.planes))
		enc.low = c.appendPlane(enc.low, 0)
		for p := 1; p < c.planes; p++ {
			enc.high = c.appendPlane(enc.high, p)
		}
	}
	z := zstdEncoder()
	enc.lowFrame = z.EncodeAll(enc.low, enc.lowFrame[:0])
	e := encoder{dst}
	e.bytes(enc.head)
	e.bytes(enc.lowFrame)
	return z.EncodeAll(enc.high, e.buf)
}

// decodeArrays is the inverse of appendArrays. Arrays of other groups are left
// as they are. Every value comes back bit for bit.
func decodeArrays(key, value []byte, g group, arrays *[NumArrays][]float64) error {
	d := decoder{buf: value}
	head := decoder{buf: d.bytes()}
	lowFrame := d.bytes()
	if d.short {
		return corrupt(key, "value is too short")
	}
	low, err := zstdDecoder().DecodeAll(lowFrame, nil)
	if err != nil {
		return corrupt(key, "low frame: "+err.Error())
	}
	high, err := zstdDecoder().DecodeAll(d.buf, nil)
	if err != nil {
		return corrupt(key, "high frame: "+err.Error())
	}
	lows, highs := decoder{buf: low}, decoder{buf: high}
	for a, end := g.span(); a < end; a++ {
		arrays[a], err = decodeColumn(&head, &lows, &highs)
		if err != nil {
			return corrupt(key, fmt.Sprintf("%v: %v", a, err))
		}
	}
	if len(head.buf) > 0 || len(lows.buf) > 0 || len(highs.buf) > 0 {
		return corrupt(key, "arrays have bytes too many")
	}
	return nil
}

// column finds the shortest form of values that gives every bit back. It is
// good until the next call.
func (enc *arrayEncoder) column(values []float64) column {
	n := len(values)
	enc.integers = slices.Grow(enc.integers[:0], n)[:n]
	enc.numbers = slices.Grow(enc.numbers[:0], n)[:n]
	c := column{numbers: enc.numbers}
	decimals, ok := decimalIntegers(enc.integers, values)
	if ok {
		c.decimals = decimals
		c.order = bestOrder(enc.integers)
		for range c.order {
			difference(enc.integers)
		}
		for i, x := range enc.integers {
			c.numbers[i] = zigzag(x)
		}
	} else {
		c.decimals = ieeeBits
		for i, v := range values {
			c.numbers[i] = math.Float64bits(v)
		}
	}
	all := uint64(1) // so that there is a plane
	for _, u := range c.numbers {
		all |= u
	}
	c.planes = (bits.Len64(all) + 7) / 8
	return c
}

// decimalIntegers sets dst to the values as integers over the least power of
// ten that gives back every bit. It fails when none up to maxDecimals does.
func decimalIntegers(dst []int64, values []float64) (decimals uint8, ok bool) {
	for decimals := range uint8(len(powersOfTen)) {
		if scaleExactly(dst, values, powersOfTen[decimals]) {
			return decimals, true
		}
	}
	return 0, false
}

func scaleExactly(dst []int64, values []float64, scale float64) bool {
	const maxExact = 1 << 53
	for i, v := range values {
		x := math.RoundToEven(v * scale)
		// NaN fails the comparison, negative zero the one of the bits.
		if !(math.Abs(x) <= maxExact) || math.Float64bits(x/scale) != math.Float64bits(v) || x == 0 && math.Signbit(x) {
			return false
		}
		dst[i] = int64(x)
	}
	return true
}

// bestOrder returns how often to difference the integers for the fewest bits
// one by one, a measure of how well they will compress.
func bestOrder(integers []int64) uint8 {
	var size [maxOrder + 1]int
	var x1, x2 int64 // the two before x
	for _, x := range integers {
		size[0] += bits.Len64(zigzag(x))
		size[1] += bits.Len64(zigzag(x - x1))
		size[2] += bits.Len64(zigzag(x - 2*x1 + x2))
		x1, x2 = x, x1
	}
	best := uint8(0)
	for order := range uint8(len(size)) {
		if size[order] < size[best] {
			best = order
		}
	}
	return best
}

// difference replaces each number by its step from the one before it.
func difference(v []int64) {
	for i := len(v) - 1; i > 0; i-- {
		v[i] -= v[i-1]
	}
}

// accumulate undoes difference.
func accumulate(v []int64) {
	for i := 1; i < len(v); i++ {
		v[i] += v[i-1]
	}
}

// zigzag maps small numbers of either sign to small unsigned ones.
func zigzag(x int64) uint64 { return uint64(x<<1) ^ uint64(x>>63) }

// unzigzag undoes zigzag.
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

func (c *column) appendPlane(dst []byte, plane int) []byte {
	n := len(dst)
	dst = slices.Grow(dst, len(c.numbers))[:n+len(c.numbers)]
	for i, u := range c.numbers {
		dst[n+i] = byte(u >> (8 * plane))
	}
	return dst
}

// decodeColumn returns the values of the next array, nil for an absent one.
func decodeColumn(head, low, high *decoder) ([]float64, error) {
	form := head.uint8()
	if form == absent && !head.short {
		return nil, nil
	}
	n, planes := head.uvarint(), int(head.uint8())
	decimals, order := form&15, form>>4
	switch {
	case head.short:
		return nil, fmt.Errorf("head is too short")
	case decimals > maxDecimals && decimals != ieeeBits, order > maxOrder, planes < 1, planes > 8, n > uint64(len(low.buf)):
		return nil, fmt.Errorf("unknown form %d with %d planes of %d", form, planes, n)
	}
	numbers, err := joinPlanes(int(n), planes, low, high)
	if err != nil {
		return nil, err
	}
	values := make([]float64, n)
	if decimals == ieeeBits {
		for i, u := range numbers {
			values[i] = math.Float64frombits(u)
		}
		return values, nil
	}
	integers := make([]int64, n)
	for i, u := range numbers {
		integers[i] = unzigzag(u)
	}
	for range order {
		accumulate(integers)
	}
	for i, x := range integers {
		values[i] = float64(x) / powersOfTen[decimals]
	}
	return values, nil
}

func joinPlanes(n, planes int, low, high *decoder) ([]uint64, error) {
	numbers := make([]uint64, n)
	for p := range planes {
		from := high
		if p == 0 {
			from = low
		}
		plane := from.take(n)
		if from.short {
			return nil, fmt.Errorf("planes are too short")
		}
		for i, b := range plane {
			numbers[i] |= uint64(b) << (8 * p)
		}
	}
	return numbers, nil
}

// The fastest level: the planes' high bytes are entropy-coded either way and
// the stronger searches found one per cent more on real songs.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
})

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFrame))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})
