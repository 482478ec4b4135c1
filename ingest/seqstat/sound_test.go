package seqstat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tatum/store"
)

// madeSound returns rows of twelve columns that go together more or less.
func madeSound(rows int) []float64 {
	rng := rand.New(rand.NewPCG(3, 4))
	array := make([]float64, 0, rows*columns)
	for range rows {
		common := rng.NormFloat64()
		for j := range columns {
			array = append(array, math.Round((float64(10*j)+20*common*float64(j%3)+15*rng.NormFloat64())*1000)/1000)
		}
	}
	return array
}

// TestSoundIsItsDefinition compares with the definition, in longer arithmetic.
func TestSoundIsItsDefinition(t *testing.T) {
	for _, rows := range []int{2, 3, 850} {
		array := madeSound(rows)
		var mean [columns]float64
		for j := range columns {
			var sum float64
			for i := range rows {
				sum += array[i*columns+j]
			}
			mean[j] = sum / float64(rows)
		}
		got := new(Calculator).Sound(array)
		if !slices.Equal(got[:columns], mean[:]) {
			t.Errorf("%d rows: got means %v, want %v", rows, got[:columns], mean)
		}
		covariance := func(i, j int) float64 {
			var sum, lost float64 // Kahan's sum
			for r := range rows {
				x := float64((array[r*columns+i]-mean[i])*(array[r*columns+j]-mean[j])) - lost
				next := sum + x
				sum, lost = next, (next-sum)-x
			}
			return sum / float64(rows-1)
		}
		at := columns
		for i := range columns {
			for j := i; j < columns; j++ {
				want := covariance(i, j)
				if scale := math.Sqrt(covariance(i, i) * covariance(j, j)); !(math.Abs(got[at]-want) <= 1e-12*scale) {
					t.Errorf("%d rows: covariance of %d and %d: got %v, want %v", rows, i, j, got[at], want)
				}
				at++
			}
		}
		if at != store.NumSoundStats {
			t.Fatalf("compared %d statistics of %d", at, store.NumSoundStats)
		}
	}
}

func TestSoundOfDegenerateArrays(t *testing.T) {
	zeros := make([]float64, store.NumSoundStats)
	var c Calculator
	for name, array := range map[string][]float64{
		"no rows":               {},
		"one row":               madeSound(1),
		"one row that is left":  slices.Concat(madeSound(1), []float64{nan, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}),
		"rows that are not sum": slices.Repeat([]float64{inf, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 5),
	} {
		if got := c.Sound(array); !slices.Equal(got, zeros) {
			t.Errorf("%s: got %v, want zeros", name, got)
		}
	}
	rows := madeSound(20)
	want := c.Sound(rows)
	for _, x := range []float64{nan, inf, -inf} {
		bad := slices.Clone(rows[:columns])
		bad[7] = x
		if got := c.Sound(slices.Concat(rows[:5*columns], bad, rows[5*columns:])); !slices.Equal(got, want) {
			t.Errorf("with a row of %v: got %v, want %v", x, got, want)
		}
	}
	constant := slices.Repeat([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 7)
	if got := c.Sound(constant); !slices.Equal(got[:columns], constant[:columns]) || !slices.Equal(got[columns:], zeros[columns:]) {
		t.Errorf("equal rows: got %v, want a row and zeros", got)
	}
	huge := slices.Concat(slices.Repeat([]float64{1e200}, columns), slices.Repeat([]float64{-1e200}, columns))
	if got := c.Sound(huge); !slices.Equal(got, zeros) {
		t.Errorf("what overflows: got %v, want zeros", got)
	}
}

func TestVectorsHasBothSoundFeaturesOrNeither(t *testing.T) {
	var arrays [store.NumArrays][]float64
	arrays[store.SegmentsTimbre] = madeSound(9)
	var c Calculator
	if v, err := c.Vectors(&arrays); err != nil || v.HasSound() || v[store.Pitches] != nil || len(v[0]) != store.NumStats {
		t.Errorf("timbre alone: got %v, %v, want the eight features", v, err)
	}
	arrays[store.SegmentsPitches] = madeSound(4)
	v, err := c.Vectors(&arrays)
	if err != nil || !slices.Equal(v[store.Timbre], c.Sound(madeSound(9))) || !slices.Equal(v[store.Pitches], c.Sound(madeSound(4))) {
		t.Errorf("both: got %v, %v", v, err)
	}
}

// BenchmarkSound computes a sound feature's vector of a song of the usual length.
func BenchmarkSound(b *testing.B) {
	array := madeSound(850)
	var c Calculator
	for b.Loop() {
		c.Sound(array)
	}
}
