package query

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"sort"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// A Catalogue holds in memory what a store's songs are known by, for those who
// search again and again: some hundred bytes a track. It is of the store's
// generation when it was made. Several goroutines may search it at once.
type Catalogue struct {
	ids  []byte // TrackIDLen each, in row order
	text []byte // folded, see folder.appendTrack
	ends []int  // by track, where its text ends
}

// NewCatalogue reads the names of all tracks.
func NewCatalogue(db *store.DB) (*Catalogue, error) {
	spans, err := db.Spans(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	parts := make([]Catalogue, len(spans))
	var g errgroup.Group
	for i, span := range spans {
		g.Go(func() error {
			folder := newFolder()
			part := &parts[i]
			for t, err := range db.Tracks(span) {
				if err != nil {
					return err
				}
				part.ids = append(part.ids, t.ID...)
				part.text = folder.appendTrack(part.text, t)
				part.ends = append(part.ends, len(part.text))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return joined(parts), db.Complete(store.Features[0], joinedLen(parts))
}

func joinedLen(parts []Catalogue) (tracks int) {
	for i := range parts {
		tracks += len(parts[i].ends)
	}
	return tracks
}

// joined makes one catalogue of its parts, which it empties one by one.
func joined(parts []Catalogue) *Catalogue {
	c := new(Catalogue)
	bytes := 0
	for i := range parts {
		bytes += len(parts[i].text)
	}
	tracks := joinedLen(parts)
	c.ids = make([]byte, 0, tracks*store.TrackIDLen)
	c.text = make([]byte, 0, bytes)
	c.ends = make([]int, 0, tracks)
	for i := range parts {
		for _, end := range parts[i].ends {
			c.ends = append(c.ends, len(c.text)+end)
		}
		c.ids = append(c.ids, parts[i].ids...)
		c.text = append(c.text, parts[i].text...)
	}
	return c
}

// Search is the Search of a store of the catalogue's generation, which it asks
// about the tracks found only. It passes over the first offset tracks.
func (c *Catalogue) Search(db *store.DB, text string, offset, limit int) ([]Match, error) {
	words := foldedWords(text)
	if len(words) == 0 {
		return nil, nil
	}
	longest := []byte(slices.MaxFunc(words, func(a, b string) int { return cmp.Compare(len(a), len(b)) }))
	var matches []Match
	for row, begin := 0, 0; ; row++ {
		at := bytes.Index(c.text[begin:], longest)
		if at < 0 {
			return matches, nil
		}
		at += begin
		row += sort.Search(len(c.ends)-row, func(i int) bool { return c.ends[row+i] > at })
		begin = c.ends[row]
		first := 0
		if row > 0 {
			first = c.ends[row-1]
		}
		if !containsAll(c.text[first:begin], words) {
			continue
		}
		if offset > 0 {
			offset--
			continue
		}
		t, err := db.Track(store.TrackID(c.ids[row*store.TrackIDLen:][:store.TrackIDLen]))
		if err != nil {
			return nil, err
		}
		matches = append(matches, MatchOf(&t))
		if len(matches) == limit {
			return matches, nil
		}
	}
}
