package cluster

// A Matrix has rows of equal length, one after another. In a zero Matrix there
// are none.
type Matrix struct {
	Cols   int
	Values []float64
}

// NewMatrix returns a matrix of zeros.
func NewMatrix(rows, cols int) Matrix { return Matrix{cols, make([]float64, rows*cols)} }

// Rows returns how many rows there are.
func (m Matrix) Rows() int {
	if m.Cols == 0 {
		return 0
	}
	return len(m.Values) / m.Cols
}

// Row returns row i; it shares the matrix's memory.
func (m Matrix) Row(i int) []float64 { return m.Values[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols] }

// allOf returns the numbers of all rows.
func allOf(m Matrix) []int {
	index := make([]int, m.Rows())
	for i := range index {
		index[i] = i
	}
	return index
}

// first returns the matrix of the first n rows.
func (m Matrix) first(n int) Matrix { return Matrix{m.Cols, m.Values[:n*m.Cols]} }

// after returns the matrix without the first n rows.
func (m Matrix) after(n int) Matrix { return Matrix{m.Cols, m.Values[n*m.Cols:]} }

// resize returns a matrix with unspecified values, in m's memory if that is large
// enough.
func (m Matrix) resize(rows, cols int) Matrix { return Matrix{cols, resize(m.Values, rows*cols)} }

// resize returns a slice of length n with unspecified contents, in s's memory
// if that is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
