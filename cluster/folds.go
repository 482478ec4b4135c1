package cluster

import (
	"fmt"

	"tatum/cluster/mt19937"
)

// Folds returns, for each of n rows, the number in [0, folds) of the fold that
// holds the row out. It is scikit-learn's KFold(folds, shuffle=True,
// random_state=seed): the rows in shuffled order are cut into runs of equal
// length, the first n mod folds of which get one row more. It is an error to
// ask for fewer than 2 folds, more than 65,535, or more than there are rows.
func Folds(n, folds int, seed uint32) ([]uint16, error) {
	if err := checkFolds(n, folds); err != nil {
		return nil, err
	}
	order := make([]int, n)
	mt19937.New(seed).Permutation(order)
	out := make([]uint16, n)
	for f := range folds {
		size := n / folds
		if f < n%folds {
			size++
		}
		for _, i := range order[:size] {
			out[i] = uint16(f)
		}
		order = order[size:]
	}
	return out, nil
}

func checkFolds(n, folds int) error {
	switch {
	case folds < 2:
		return fmt.Errorf("%d folds: want at least 2", folds)
	case folds > MaxFolds:
		return fmt.Errorf("%d folds: want at most %d", folds, MaxFolds)
	case folds > n:
		return fmt.Errorf("%d folds of %d rows: want no more folds than rows", folds, n)
	}
	return nil
}

// Split returns the indexes of the rows that train fold f and of those it
// holds out, both ascending. folds is what [Folds] returned.
func Split(folds []uint16, f int) (train, held []int) {
	train = make([]int, 0, len(folds))
	for i, g := range folds {
		if int(g) == f {
			held = append(held, i)
		} else {
			train = append(train, i)
		}
	}
	return train, held
}
