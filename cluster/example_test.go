package cluster_test

import (
	"fmt"

	"tatum/cluster"
	"tatum/store"
)

// songs returns the rows of n songs, even ones slow and odd ones fast, that
// differ a little within their group.
func songs(n int) cluster.Matrix {
	rows := cluster.NewMatrix(n, store.NumStats)
	for i := range n {
		rows.Row(i)[0] = float64(i%2) + float64(i)/100
	}
	return rows
}

func ExampleFitKMeans() {
	o := cluster.Defaults()
	o.K = 2
	m, err := cluster.FitKMeans(songs(10), o)
	if err != nil {
		fmt.Println(err)
		return
	}
	labels := make([]int, 4)
	m.Assign(songs(4), labels, nil)
	fmt.Println("sizes", m.Sizes)
	fmt.Println("labels", labels)
	fmt.Printf("centroids at %.3f and %.3f\n", m.Centroids.Row(0)[0], m.Centroids.Row(1)[0])
	// Output:
	// sizes [5 5]
	// labels [0 1 0 1]
	// centroids at 0.037 and 1.052
}

// The rows that a fold holds out are labelled by a model that has not seen them.
// Labels of different folds differ; clusters mean the same in all.
func ExampleFitter_FitFold() {
	o := cluster.Defaults()
	o.K, o.Folds = 2, 3
	rows := songs(12)
	folds, err := cluster.Folds(12, o.Folds, o.Seed)
	if err != nil {
		fmt.Println(err)
		return
	}
	fitter := cluster.NewFitter(o)
	var models []*cluster.Model
	for fold := range o.Folds {
		m, err := fitter.FitFold(rows, folds, fold)
		if err != nil {
			fmt.Println(err)
			return
		}
		models = append(models, m)
	}
	clusters := cluster.Align(models)
	for fold, m := range models {
		_, held := cluster.Split(folds, fold)
		labels := make([]int, len(held))
		m.Assign(rows, held, labels, nil)
		for i, row := range held {
			fmt.Printf("fold %d, row %2d: label %d, cluster %d\n", fold, row, labels[i], clusters[fold][labels[i]])
		}
	}
	// Output:
	// fold 0, row  0: label 0, cluster 0
	// fold 0, row  8: label 0, cluster 0
	// fold 0, row  9: label 1, cluster 1
	// fold 0, row 10: label 0, cluster 0
	// fold 1, row  1: label 0, cluster 1
	// fold 1, row  2: label 1, cluster 0
	// fold 1, row  5: label 0, cluster 1
	// fold 1, row 11: label 0, cluster 1
	// fold 2, row  3: label 0, cluster 1
	// fold 2, row  4: label 1, cluster 0
	// fold 2, row  6: label 1, cluster 0
	// fold 2, row  7: label 0, cluster 1
}
