package query

import (
	"bytes"
	"cmp"
	"iter"
	"runtime"
	"slices"
	"sort"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// A Catalogue holds in memory what a store's songs are known by, for those who
// search again and again: some hundred bytes a track. It is of the store's
// generation when it was made. Several goroutines may search it at once.
type Catalogue struct{ spans []names }

// The names of a run of tracks.
type names struct {
	ids  []byte // TrackIDLen each, in row order
	text []byte // folded, see folder.appendNames
	ends []int  // by track, where its text ends
}

// About how long the names of a track are, in bytes.
const namesLen = 64

// NewCatalogue reads the names of all tracks.
func NewCatalogue(db *store.DB) (*Catalogue, error) {
	state, err := db.State()
	if err != nil {
		return nil, err
	}
	spans, err := db.Spans(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	c := &Catalogue{make([]names, len(spans))}
	var g errgroup.Group
	for i, span := range spans {
		g.Go(func() error {
			about := int(state.Tracks)*11/10/len(spans) + 1
			n := &c.spans[i]
			n.ids, n.text, n.ends = make([]byte, 0, about*store.TrackIDLen), make([]byte, 0, about*namesLen), make([]int, 0, about)
			folder := newFolder()
			for t, err := range db.Names(span) {
				if err != nil {
					return err
				}
				n.ids = append(n.ids, t.ID()...)
				n.text = folder.appendNames(n.text, t)
				n.ends = append(n.ends, len(n.text))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	tracks := 0
	for i := range c.spans {
		tracks += len(c.spans[i].ends)
	}
	return c, db.Complete(store.Features[0], tracks)
}

// Search is the Search of a store of the catalogue's generation, which it asks
// about the tracks found only. It passes over the first offset tracks.
func (c *Catalogue) Search(db *store.DB, text string, offset, limit int) ([]Match, error) {
	words := foldedWords(text)
	var matches []Match
	for i := range c.spans {
		for id := range c.spans[i].having(words) {
			if offset > 0 {
				offset--
				continue
			}
			t, err := db.Track(id)
			if err != nil {
				return nil, err
			}
			matches = append(matches, MatchOf(&t))
			if len(matches) == limit {
				return matches, nil
			}
		}
	}
	return matches, nil
}

// having yields the tracks whose names have all of the words, none if there are no
// words.
func (n *names) having(words []string) iter.Seq[store.TrackID] {
	return func(yield func(store.TrackID) bool) {
		if len(words) == 0 {
			return
		}
		longest := []byte(slices.MaxFunc(words, func(a, b string) int { return cmp.Compare(len(a), len(b)) }))
		for row, begin := 0, 0; ; row++ {
			at := bytes.Index(n.text[begin:], longest)
			if at < 0 {
				return
			}
			at += begin
			row += sort.Search(len(n.ends)-row, func(i int) bool { return n.ends[row+i] > at })
			begin = n.ends[row]
			first := 0
			if row > 0 {
				first = n.ends[row-1]
			}
			if containsAll(n.text[first:begin], words) && !yield(store.TrackID(n.ids[row*store.TrackIDLen:][:store.TrackIDLen])) {
				return
			}
		}
	}
}
