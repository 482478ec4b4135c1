package cluster

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
)

// readCases reads a file of testdata, whose script says what is in it.
func readCases(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// checkBits fails unless got is the number that 16 hexadecimal digits give.
func checkBits(t *testing.T, what string, got float64, want string) {
	t.Helper()
	if bits := fmt.Sprintf("%016x", math.Float64bits(got)); bits != want {
		t.Errorf("%s: got bits %s, want %s", what, bits, want)
	}
}

func TestSumsAgainstReference(t *testing.T) {
	type rowSums struct {
		Norms, Distances []string
		FirstDots        [][]string
	}
	var file struct {
		Rows, Rows90 rowSums
		Products     []struct {
			Rows, Points int
			Dots         []string
		}
		Lines []struct {
			Length int
			Lines  []string
			Ones   string
		}
	}
	readCases(t, "sums.json", &file)
	if len(file.Products) == 0 || len(file.Lines) == 0 {
		t.Fatal("sums are missing")
	}
	const groups = 9
	for columns, want := range map[int]rowSums{30: file.Rows, 90: file.Rows90} {
		if len(want.Norms) != 40 || len(want.Distances) != 39 || len(want.FirstDots) != 9 {
			t.Fatal("sums are missing")
		}
		rows := matrix{N: 40, Cols: columns, Salt: 50, Groups: groups}.make()
		for i, want := range want.Norms {
			checkBits(t, fmt.Sprint("norm ", i), squaredNorm(rows.Row(i)), want)
		}
		for i, want := range want.Distances {
			checkBits(t, fmt.Sprint("distance ", i), squaredDistance(rows.Row(i), rows.Row(i+1)), want)
		}
		for m, wants := range want.FirstDots {
			if m == 0 && columns > 30 {
				continue // a start among one row has no distance to choose by
			}
			for i, want := range wants {
				checkBits(t, fmt.Sprintf("product %d of %d", i, m+1), firstDot(rows.Row(i), rows.Row(39), i, m+1), want)
			}
		}
	}
	points := matrix{N: 90, Cols: 90, Salt: 51, Groups: groups}.make()
	for _, c := range file.Products {
		p := packed(points.after(90 - c.Points))
		for i, want := range c.Dots {
			row, point := i/c.Points, i%c.Points
			var got float64
			if at := p.at(point / width); smallProduct(90, c.Points, c.Rows) {
				got = at.smallDot(points.Row(row), point%width, isCorner(row, c.Rows, point, c.Points))
			} else {
				var dots [width]float64
				at.dots(&dots, points.Row(row))
				got = dots[point%width]
			}
			checkBits(t, fmt.Sprintf("row %d of %d, point %d of %d", row, c.Rows, point, c.Points), got, want)
		}
	}
	for _, c := range file.Lines {
		n, lines := c.Length, len(c.Lines)
		v := matrix{N: (n*lines + cols - 1) / cols, Salt: uint64(n), Groups: groups}.make().Values
		checkBits(t, fmt.Sprint("ones and ", n), onesDot(v[:n]), c.Ones)
		for i, want := range c.Lines {
			checkBits(t, fmt.Sprintf("%d numbers, line %d of %d", n, i, lines), laneSum(v[i*n:][:n], i, lines), want)
		}
	}
}

func TestArgsortAgainstNumPy(t *testing.T) {
	for name, stream := range map[string]RandomStream{"argsort-numpy-1.json": Sklearn12, "argsort-numpy-2.json": Sklearn13} {
		var file struct {
			Cases []struct {
				Length, Step, Distinct int
				Order                  []int
			}
		}
		readCases(t, name, &file)
		if len(file.Cases) == 0 {
			t.Fatalf("%s has no cases", name)
		}
		for _, c := range file.Cases {
			v := make([]float64, c.Length)
			for i := range v {
				v[i] = float64((i*i*i*c.Step + i) % 1009 % c.Distinct)
			}
			if got := argsort(v, stream); !slices.Equal(got, c.Order) {
				t.Errorf("%v, %d values, step %d, %d distinct: got %v, want %v", stream, c.Length, c.Step, c.Distinct, got, c.Order)
			}
		}
	}
}
