package picture

import (
	"math"
	"strings"

	"gonum.org/v1/plot"
)

// minus gives a number a sign that is as wide as a plus.
func minus(number string) string { return strings.Replace(number, "-", "−", 1) }

// noTicks are none.
type noTicks struct{}

// Ticks returns no ticks.
func (noTicks) Ticks(_, _ float64) []plot.Tick { return nil }

// niceTicks are at multiples of 1, 2 or 5 of a power of ten, no more than most.
type niceTicks struct{ most float64 }

// Ticks returns ticks in a range.
func (t niceTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	least := (high - low) / max(1, t.most)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	step := 10 * power
	for _, of := range []float64{1, 2, 5} {
		if of*power >= least*(1-1e-9) {
			step = of * power
			break
		}
	}
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	for i := math.Ceil(low / step); i*step <= high*(1+1e-12); i++ {
		text := decimal(i*step, digits)
		if digits == 0 && math.Abs(i*step) >= 1000 && math.Abs(i*step) < 1e15 {
			text = thousands(int(math.Round(math.Abs(i * step))))
			if i < 0 {
				text = "−" + text
			}
		}
		ticks = append(ticks, plot.Tick{Value: i * step, Label: text})
	}
	return ticks
}
