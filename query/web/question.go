package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tatum/query"
	"tatum/store"
)

// A question is a request that has the store open.
type question struct {
	*http.Request
	server   *server
	db       *store.DB
	info     *store.Info
	state    store.State
	stamp    string // of the store as it is now
	scanning bool   // may go through all tracks
}

// ask calls fn with the store opened for a request.
func (s *server) ask(r *http.Request, fn func(q *question) error) error {
	db, err := store.Open(s.Store)
	if err != nil {
		return err
	}
	q := &question{Request: r, server: s, db: db}
	if q.info, err = db.Info(); err == nil {
		q.state, err = db.State()
	}
	if err == nil {
		q.stamp = fmt.Sprintf("%s-%x", q.songs(), q.info.Written.UnixNano())
		err = fn(q)
	}
	return errors.Join(err, db.Close())
}

// songs returns what tells the store's songs from any others, and from what they
// were before they changed last.
func (q *question) songs() string {
	return fmt.Sprintf("%x-%x", q.info.Created.UnixNano(), q.info.Generation)
}

// clustering returns the clustering asked about: the one named, else the default
// one, else the first there is.
func (q *question) clustering() (*store.Clustering, error) {
	all := q.info.Clusterings
	name := q.FormValue("name")
	for _, c := range all {
		if c.Name == name || name == "" && c.Name == store.DefaultClustering {
			return c, nil
		}
	}
	switch {
	case len(all) == 0 && (name == "" || name == store.DefaultClustering):
		return nil, &problem{status: http.StatusNotFound, what: "The songs are not clustered yet", next: "Run tatum cluster, then load this page again."}
	case name == "":
		return all[0], nil
	}
	p := &problem{status: http.StatusNotFound, what: fmt.Sprintf("There is no clustering %q", name),
		next: fmt.Sprintf("Run tatum cluster --name %q, or look at one of those there are.", name)}
	for _, c := range all {
		p.links = append(p.links, link{c.Name, address("/", named(c))})
	}
	return nil, p
}

// named returns the query that says which clustering is meant.
func named(c *store.Clustering) url.Values {
	if c == nil || c.Name == store.DefaultClustering {
		return url.Values{}
	}
	return url.Values{"name": {c.Name}}
}

// feature returns the feature that the address names.
func (q *question) feature() (store.Feature, error) {
	f, err := store.ParseFeature(q.PathValue("feature"))
	if err == nil {
		return f, nil
	}
	p := &problem{status: http.StatusNotFound, what: fmt.Sprintf("There is no feature %q", q.PathValue("feature")), next: "Look at one of these."}
	for _, f := range store.AllFeatures {
		p.links = append(p.links, link{f.String(), featurePath(nil, f)})
	}
	return 0, p
}

// clusterAsked returns the clustering, feature and cluster that the address names.
func (q *question) clusterAsked() (c *store.Clustering, f store.Feature, cluster store.Cluster, err error) {
	if c, f, err = q.clusteredFeature(); err != nil {
		return nil, 0, 0, err
	}
	n, err := strconv.ParseUint(q.PathValue("cluster"), 10, 16)
	if err != nil || int(n) >= c.K {
		return nil, 0, 0, &problem{status: http.StatusNotFound, what: fmt.Sprintf("There is no cluster %q", q.PathValue("cluster")),
			next:  fmt.Sprintf("Clusters are numbered from 0 to %d.", c.K-1),
			links: []link{{"Clusters of " + f.String(), featurePath(c, f)}}}
	}
	return c, f, store.Cluster(n), nil
}

// leftOut is the problem of a feature that the clustering has not.
func leftOut(c *store.Clustering, f store.Feature) error {
	return &problem{status: http.StatusNotFound, what: fmt.Sprintf("Clustering %q leaves out %v", c.Name, f), next: "It has these features.", links: featureTabs(c)}
}

// track returns the track that part of the address names.
func (q *question) track(part string) (*store.Track, error) {
	text := q.PathValue(part)
	id, err := store.ParseTrackID(text)
	if err == nil {
		var t store.Track
		if t, err = q.db.Track(id); err == nil {
			return &t, nil
		}
		if !errors.Is(err, store.ErrTrackNotFound) {
			return nil, err
		}
	}
	p := &problem{status: http.StatusNotFound, what: fmt.Sprintf("There is no track %q in the store", text),
		next: "It may have been removed, or the ID is mistyped. Search for the song by artist or title."}
	for t, err := range q.db.Tracks(store.Prefix(text[:min(len(text), similarIDs)])) {
		if err != nil || len(text) < similarIDs || len(p.links) == maxSimilarIDs {
			break
		}
		p.links = append(p.links, link{string(t.ID) + " " + songTitle(t), trackPath(t.ID)})
	}
	return nil, p
}

// Tracks are offered in place of one that is not there if their IDs begin with as
// many of the same letters; so many at most.
const similarIDs, maxSimilarIDs = 7, 5

// pageSize is how many rows a page shows.
const pageSize = 50

// maxPage keeps what is passed over within bounds.
const maxPage = 1 << 30 / pageSize

// pageNumber returns the page asked for, from 1.
func (q *question) pageNumber() (int, error) {
	text := q.FormValue("page")
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, wrongAddress(fmt.Sprintf("There is no page %q", text), "Pages are numbered from 1.")
	}
	return n, nil
}

// numSimilar is how many similar songs are listed.
const numSimilar = 20

// A measure is what songs are compared by.
type measure struct {
	name    string
	feature *store.Feature // nil for the eight together
}

// measures returns what a track can be compared by, what serves best first.
func (q *question) measures(id store.TrackID) ([]measure, error) {
	rhythm := measure{"rhythm", nil}
	vectors, err := q.db.TrackVectors(id, store.SoundFeatures[:]...)
	if err != nil || vectors[store.Timbre] == nil {
		return []measure{rhythm}, err
	}
	timbre, pitches := store.Timbre, store.Pitches
	return []measure{{"timbre", &timbre}, {"pitches", &pitches}, rhythm}, nil
}

// by returns the measure asked for, and all that the track can be compared by.
func (q *question) by(id store.TrackID) (measure, []measure, error) {
	all, err := q.measures(id)
	if err != nil {
		return measure{}, nil, err
	}
	name := q.FormValue("by")
	for i, m := range all {
		if m.name == name || name == "" && i == 0 {
			return m, all, nil
		}
	}
	p := &problem{status: http.StatusBadRequest, what: fmt.Sprintf("This song cannot be compared by %q", name),
		next: "Timbre and pitches are there for songs that were read with tatum ingest --arrays all. It can be compared by these."}
	for _, m := range all {
		p.links = append(p.links, link{m.name, similarPath(id, m.name)})
	}
	return measure{}, nil, p
}

// similar returns the songs most like a track, or errScan while it may not go
// through all tracks to find them.
func (q *question) similar(id store.TrackID, by measure) ([]query.Neighbour, error) {
	key := fmt.Sprintf("similar %s %s %s", q.songs(), id, by.name)
	if rows, ok := cached[[]query.Neighbour](&q.server.answers, key); ok {
		return rows, nil
	}
	if err := q.scan(); err != nil {
		return nil, err
	}
	rows, err := query.Similar(q.db, id, query.SimilarOptions{Feature: by.feature, Limit: numSimilar})
	if err == nil {
		q.server.answers.put(key, rows, 100*len(rows))
	}
	return rows, err
}

// search returns a page of the tracks that have all words of a text, or the track
// of which it is the ID, and whether there are more.
func (q *question) search(text string, page int) (rows []query.Match, more bool, err error) {
	// Who knows an ID means its track.
	if id, err := store.ParseTrackID(strings.ToUpper(strings.TrimSpace(text))); err == nil && page == 1 {
		if t, err := q.db.Track(id); err == nil {
			return []query.Match{query.MatchOf(&t)}, false, nil
		}
	}
	names, ok := q.server.names.get(q.songs())
	if !ok {
		if err := q.scan(); err != nil {
			return nil, false, err
		}
		q.server.names.put("", nil) // there need not be two
		if names, err = query.NewCatalogue(q.db); err != nil {
			return nil, false, err
		}
		q.server.names.put(q.songs(), names)
	}
	rows, err = names.Search(q.db, text, (page-1)*pageSize, pageSize+1)
	if len(rows) > pageSize {
		return rows[:pageSize], true, err
	}
	return rows, false, err
}

// bad returns a page of the files that could not be read, and whether there are
// more.
func (q *question) bad(page int) (rows []store.File, more bool, err error) {
	if q.info.BadFiles == 0 {
		return nil, false, nil
	}
	key := "bad " + q.stamp + " " + strconv.Itoa(page)
	if rows, ok := cached[[]store.File](&q.server.answers, key); ok {
		return rows, page*pageSize < q.info.BadFiles, nil
	}
	if err := q.scan(); err != nil {
		return nil, false, err
	}
	pass := (page - 1) * pageSize
	for f, err := range q.db.Files() {
		if err != nil {
			return nil, false, err
		}
		if f.Bad == nil {
			continue
		}
		if pass--; pass >= 0 {
			continue
		}
		if rows = append(rows, *f); len(rows) == pageSize {
			break
		}
	}
	q.server.answers.put(key, rows, 1000*len(rows))
	return rows, page*pageSize < q.info.BadFiles, nil
}
