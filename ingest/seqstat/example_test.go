package seqstat_test

import (
	"fmt"

	"tatum/ingest/seqstat"
)

func ExampleCalculator_Vector() {
	beats := []float64{0.5, 1, 1.5, 2, 2.5, 3.5} // seconds; one beat is missing
	var c seqstat.Calculator
	v, err := c.Vector(beats)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Gaps are measured in medians, so the tempo does not matter.
	fmt.Printf("%g gaps, mean %.2f, deviation %.2f, median %.2f\n", v[9], v[0], v[1], v[7])
	fmt.Printf("share of the gaps in the first bin of 20: %.1f\n", v[10]*0.05)
	// Output:
	// 5 gaps, mean 1.20, deviation 0.40, median 1.00
	// share of the gaps in the first bin of 20: 0.8
}
