package query_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tatum/cluster"
	"tatum/query"
	"tatum/store"
)

// clusteredStore makes a store of ten songs, five slow and five fast, clustered
// in two.
func clusteredStore(path string) error {
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		return err
	}
	var batch store.Batch
	for i := range 10 {
		song := &store.Song{Track: store.Track{
			ID: store.TrackID(fmt.Sprintf("TRAAAAA%011X", i)), ArtistName: "Artist", Title: fmt.Sprint("Song ", i),
		}}
		song.Arrays[store.BeatsStart] = []float64{}
		vectors := store.NewVectors(store.Features[:])
		vectors[store.BeatsStart][0] = float64(i%2) + float64(i)/100
		batch.Songs = append(batch.Songs, *store.EncodeSong(song, vectors))
	}
	_, err = w.Put(batch)
	if err == nil {
		o := cluster.Defaults()
		o.K, o.Folds = 2, 2
		_, err = cluster.Run(context.Background(), w, cluster.Params{Options: o, Features: []store.Feature{store.Feature(store.BeatsStart)}})
	}
	return errors.Join(err, w.Close())
}

func ExampleMembers() {
	dir, err := os.MkdirTemp("", "example")
	path := filepath.Join(dir, "tatum.db")
	if err == nil {
		err = errors.Join(clusteredStore(path), printNearest(path))
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// cluster 0, rank 1: Song 4, fold 1, distance 0.01
	// cluster 0, rank 2: Song 6, fold 1, distance 0.03
	// cluster 1, rank 1: Song 5, fold 0, distance 0.01
	// cluster 1, rank 2: Song 7, fold 0, distance 0.03
}

// printNearest prints the two tracks nearest to the centroid of each cluster.
func printNearest(path string) error {
	db, err := store.Open(path)
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := db.Clustering(store.DefaultClustering)
	if err != nil {
		return err
	}
	for cluster := range store.Cluster(c.K) {
		members, err := query.Members(db, c, store.Feature(store.BeatsStart), cluster, query.MembersOptions{Limit: 2})
		if err != nil {
			return err
		}
		for _, m := range members {
			fmt.Printf("cluster %d, rank %d: %s, fold %d, distance %.2f\n", m.Cluster, m.Rank, m.Title, m.Fold, m.Distance)
		}
	}
	return nil
}
