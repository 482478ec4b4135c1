package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

//go:embed templates/*.html static
var assets embed.FS

// templates returns the pages, each with the layout around it. They are parsed when
// first asked for: a command that serves none need not wait for it.
var templates = sync.OnceValue(parseTemplates)

func parseTemplates() map[string]*template.Template {
	base := template.Must(template.ParseFS(assets, "templates/layout.html"))
	pages := make(map[string]*template.Template)
	files, err := fs.Glob(assets, "templates/*.html")
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		pages[name] = template.Must(template.Must(base.Clone()).ParseFS(assets, file))
	}
	return pages
}

// assetsHash changes with every template, style sheet and script.
var assetsHash = sync.OnceValue(func() string {
	sum := sha256.New()
	err := fs.WalkDir(assets, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := assets.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(data), data)
		return err
	})
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
})

// A layout is what every page has around its content.
type layout struct {
	Title   string
	Store   string // name of the file
	Tracks  int
	Bad     int // files that could not be read
	Name    string
	Query   string
	Start   bool
	Refused bool // tells nothing of the store
	Notice  string
	Content any
}

func renderPage(out *bytes.Buffer, name string, l *layout) error {
	return templates()[name].ExecuteTemplate(out, "layout", l)
}

// routes returns the pages and the files below them.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	page := func(path, name string, read func(q *question) (*layout, error)) {
		mux.HandleFunc("GET "+path, s.handle(typeHTML, func(q *question) (writeFunc, error) {
			l, err := read(q)
			if err != nil {
				return nil, err
			}
			l.Store, l.Tracks, l.Bad = s.base(), q.info.Tracks, q.info.BadFiles
			l.Query = render.Clean(q.FormValue("q"))
			return func(out *bytes.Buffer) error { return renderPage(out, name, l) }, nil
		}))
	}
	page("/{$}", "start", startPage)
	page("/search", "search", searchPage)
	page("/track/{id}", "track", trackPage)
	page("/track/{id}/similar", "similar", similarPage)
	page("/clusters/{feature}", "feature", featurePage)
	page("/clusters/{feature}/{cluster}", "cluster", clusterPage)
	page("/clusters/{feature}/{cluster}/explain", "explain", explainPage)
	page("/clusters/{feature}/at", "problem", atPage)
	page("/pair/{id}/{to}", "pair", pairPage)
	page("/clusterings", "clusterings", clusteringsPage)
	page("/bad", "bad", badPage)

	files(s, mux, "/store", render.Info, func(q *question) ([]store.Info, error) { return []store.Info{*q.info}, nil })
	files(s, mux, "/songs", render.Matches, readCentral)
	files(s, mux, "/features", render.Features, readFeatures)
	files(s, mux, "/track/{id}/song", render.Tracks, readTrack)
	files(s, mux, "/search", render.Matches, readMatches)
	files(s, mux, "/pair/{id}/{to}/distances", render.FeatureDistances, readDistances)
	files(s, mux, "/track/{id}/places", render.Placements, readPlaces)
	files(s, mux, "/track/{id}/similar", render.Neighbours, readSimilar)
	files(s, mux, "/track/{id}/stats", render.Stats, readStats)
	files(s, mux, "/track/{id}/sound", render.SoundStats, readSound)
	files(s, mux, "/clusters/{feature}/clusters", render.Clusters, readClusters)
	files(s, mux, "/clusters/{feature}/at", render.Matches, readAt)
	files(s, mux, "/clusters/{feature}/{cluster}/explain", render.Deviations, readExplanation)
	files(s, mux, "/clusters/{feature}/{cluster}/members", render.Members, readMembers)
	files(s, mux, "/clusterings", render.Clusterings, readClusterings)
	files(s, mux, "/bad", render.BadFiles, readBad)

	s.pictures(mux, "/track/{id}/song", readSong)
	s.pictures(mux, "/pair/{id}/{to}/songs", readPairPicture)
	s.pictures(mux, "/clusters/{feature}/map", readMap)
	s.pictures(mux, "/clusters/{feature}/sizes", readSizes)
	s.pictures(mux, "/clusters/{feature}/profile", readProfile)
	s.pictures(mux, "/clusters/{feature}/{cluster}/explain", readExplanationPicture)

	for _, a := range []struct{ name, contentType string }{
		{"style.css", "text/css; charset=utf-8"}, {"script.js", "text/javascript; charset=utf-8"}, {"icon.svg", typeSVG},
	} {
		mux.HandleFunc("GET /static/"+a.name, asset(a.name, a.contentType))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, typeHTML, &problem{status: http.StatusNotFound, what: "There is no such page",
			next: "Search for a song, or begin at the start page.", links: []link{{"Start page", "/"}}})
	})
	return mux
}

// asset serves an embedded file.
func asset(name, contentType string) http.HandlerFunc {
	data, err := assets.ReadFile("static/" + name)
	if err != nil {
		panic(err)
	}
	etag := `"` + assetsHash() + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		if matches(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		send(w, http.StatusOK, contentType, data)
	}
}

// The addresses of pages.

func trackPath(id store.TrackID) string { return "/track/" + url.PathEscape(string(id)) }

func pairPath(a, b store.TrackID) string {
	return "/pair/" + url.PathEscape(string(a)) + "/" + url.PathEscape(string(b))
}

func featurePath(c *store.Clustering, f store.Feature) string {
	return address("/clusters/"+f.String(), named(c))
}

func clusterPath(c *store.Clustering, f store.Feature, cluster store.Cluster) string {
	return address(fmt.Sprintf("/clusters/%v/%d", f, cluster), named(c))
}

// A fact is a name and what there is to say of it.
type fact struct{ Name, Text, Href string }

// Start.

func startPage(q *question) (*layout, error) {
	content := struct {
		Tracks     int
		Facts      []fact
		Clustering *store.Clustering
		Features   *table
		Others     []link // other clusterings
		Songs      *table // a few to begin with
	}{Tracks: q.info.Tracks, Facts: storeFacts(q.info)}
	l := &layout{Title: "Start", Start: true, Content: &content}
	if len(q.info.Clusterings) == 0 && q.FormValue("name") == "" {
		return l, nil
	}
	c, err := q.clustering()
	if err != nil {
		return nil, err
	}
	content.Clustering = c
	l.Notice = q.notice(c)
	content.Features = tableOf("Features of clustering "+c.Name, render.Features, query.Features(c),
		func(row *query.FeatureSummary, column string) string {
			if column == "feature" {
				return featurePath(c, row.Feature)
			}
			return ""
		}).at("/features", named(c))
	for _, other := range q.info.Clusterings {
		if other.Name != c.Name {
			content.Others = append(content.Others, link{other.Name, address("/", named(other))})
		}
	}
	songs, err := query.Central(q.db, c, c.Features[0], numCentral)
	content.Songs = matchesTable("The most central songs of the largest clusters of "+c.Features[0].String(), songs).at("/songs", named(c))
	return l, err
}

func storeFacts(info *store.Info) []fact {
	facts := []fact{
		{"Tracks", fmt.Sprint(info.Tracks), ""},
		{"Song files", fmt.Sprint(info.Files), ""},
		{"Bad files", fmt.Sprint(info.BadFiles), "/bad"},
		{"Clusterings", fmt.Sprint(len(info.Clusterings)), "/clusterings"},
		{"Size", fmt.Sprintf("%.1f MB", float64(info.Bytes.Total)/1e6), ""},
	}
	if !info.Ingested.IsZero() {
		facts = append(facts, fact{"Songs last written", info.Ingested.Format("2 January 2006, 15:04 MST"), ""})
	}
	return facts
}

// notice says where a clustering is not of the tracks now in the store.
func (q *question) notice(c *store.Clustering) string {
	if q.state.GenerationOf(c.Features) == c.Generation {
		return ""
	}
	name := ""
	if c.Name != store.DefaultClustering {
		name = fmt.Sprintf(" --name %q", c.Name)
	}
	return fmt.Sprintf("Clustering %q was fitted to %d tracks on %s. The store has changed since and has %d. "+
		"New songs are labelled by: tatum cluster assign%s. A new fit is made by: tatum cluster%s.",
		c.Name, c.Tracks, c.Fitted.Format("2 January 2006"), q.state.TracksOf(c.Features[0]), name, name)
}

// numCentral is how many songs the start page has to begin with.
const numCentral = 8

func readCentral(q *question) ([]query.Match, error) {
	c, err := q.clustering()
	if err != nil {
		return nil, err
	}
	return query.Central(q.db, c, c.Features[0], numCentral)
}

func readTrack(q *question) ([]store.Track, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	return []store.Track{*t}, nil
}

func readFeatures(q *question) ([]query.FeatureSummary, error) {
	c, err := q.clustering()
	if err != nil {
		return nil, err
	}
	return query.Features(c), nil
}

// Search.

func searchPage(q *question) (*layout, error) {
	text := strings.TrimSpace(q.FormValue("q"))
	content := struct {
		Text    string
		Matches *table
		Page    int
		Pager   pager
	}{Text: render.Clean(text)}
	l := &layout{Title: "Search", Content: &content}
	if text == "" {
		return l, nil
	}
	l.Title = "Search: " + render.Clean(text)
	page, err := q.pageNumber()
	if err != nil {
		return nil, err
	}
	rows, more, err := q.search(text, page)
	if err != nil {
		return nil, err
	}
	content.Page = page
	content.Pager = openPager(page, more, func(page int) string {
		return address("/search", pageQuery(url.Values{"q": {text}}, page))
	})
	content.Matches = matchesTable("Tracks found", rows).at("/search", pageQuery(url.Values{"q": {text}}, page))
	return l, nil
}

func matchesTable(caption string, rows []query.Match) *table {
	return tableOf(caption, render.Matches, rows, func(row *query.Match, column string) string {
		return songLink(row.TrackID, column)
	})
}

// songLink leads to a track from its ID and its title.
func songLink(id store.TrackID, column string) string {
	if column == "track_id" || column == "title" {
		return trackPath(id)
	}
	return ""
}

// A pager leads to the other pages of a table. What is empty is not there.
type pager struct{ First, Earlier, Text, Later, Last string }

// openPager returns a pager that does not know where the last page is.
func openPager(page int, more bool, at func(page int) string) pager {
	p := pager{Text: fmt.Sprintf("Page %d", page)}
	if page > 1 {
		p.Earlier = at(page - 1)
	}
	if more {
		p.Later = at(page + 1)
	}
	return p
}

// pageQuery adds the number of a page but the first.
func pageQuery(query url.Values, page int) url.Values {
	if page > 1 {
		query.Set("page", fmt.Sprint(page))
	}
	return query
}

func readMatches(q *question) ([]query.Match, error) {
	page, err := q.pageNumber()
	if err != nil {
		return nil, err
	}
	rows, _, err := q.search(q.FormValue("q"), page)
	return rows, err
}

// A track.

// inlineTracks is how many tracks a store may have for songs like one to be
// looked for before the song's page is shown; it takes a tenth of a second.
const inlineTracks = 20_000

func trackPage(q *question) (*layout, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	content := struct {
		Track      *store.Track
		Name       string
		Artist     string
		Facts      []fact
		Song       *figure
		Clustering *store.Clustering
		Places     *table
		Hint       string // why there are no places
		Measures   tabs
		Similar    *table
		Later      string // where similar songs can be asked for, when it takes time
		Stats      *table
		Sound      *table // statistics of timbre and pitches, if the song has them
	}{Track: t, Name: songName(t), Artist: render.Clean(t.ArtistName), Facts: trackFacts(t),
		Song: figureAt(wideWidth, "The song over its time: how loud it is, where its sections, bars, beats and tatums begin.", "", trackPath(t.ID)+"/song", nil)}
	l := &layout{Title: songTitle(t), Content: &content}

	c, err := q.clustering()
	switch {
	case err == nil:
		content.Clustering = c
		l.Notice = q.notice(c)
	case len(q.info.Clusterings) == 0 && q.FormValue("name") == "":
		content.Hint = "The songs are not clustered yet. Run tatum cluster, then load this page again."
	default:
		return nil, err
	}
	if c != nil {
		places, err := query.Track(q.db, c, t.ID)
		switch {
		case errors.Is(err, store.ErrNotAssigned):
			content.Hint = fmt.Sprintf("This song came to the store after clustering %q was fitted. Run tatum cluster assign, then load this page again.", c.Name)
		case err != nil:
			return nil, err
		default:
			content.Places = placesTable(c, places).at(trackPath(t.ID)+"/places", named(c))
		}
	}

	by, all, err := q.by(t.ID)
	if err != nil {
		return nil, err
	}
	content.Measures = measureTabs(t.ID, by, all)
	similar, err := q.similar(t.ID, by)
	switch {
	case errors.Is(err, errScan) && q.info.Tracks > inlineTracks:
		content.Later = similarPath(t.ID, by.name)
	case err != nil:
		return nil, err
	default:
		content.Similar = similarTable(t.ID, by, similar)
	}

	stats, err := query.Stats(q.db, t.ID)
	if err != nil {
		return nil, err
	}
	content.Stats = tableOf("Statistics of the song's gaps and loudness, by feature", render.Stats, stats, nil).at(trackPath(t.ID)+"/stats", nil)
	sound, err := query.Stats(q.db, t.ID, store.SoundFeatures[:]...)
	if err != nil {
		return nil, err
	}
	if len(sound) > 0 {
		content.Sound = tableOf("Means and covariances of timbre and pitches", render.SoundStats, sound, nil).at(trackPath(t.ID)+"/sound", nil)
	}
	return l, nil
}

// songName returns a track's title, or its ID when it has none.
func songName(t *store.Track) string {
	if name := strings.TrimSpace(render.Clean(t.Title)); name != "" {
		return name
	}
	return string(t.ID)
}

// songTitle returns what the browser's title says of a track.
func songTitle(t *store.Track) string {
	if artist := strings.TrimSpace(render.Clean(t.ArtistName)); artist != "" {
		return songName(t) + " – " + artist
	}
	return songName(t)
}

var keyNames = [12]string{"C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"}

func trackFacts(t *store.Track) []fact {
	facts := []fact{{"Track ID", string(t.ID), ""}}
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, fact{name, render.Clean(text), ""})
		}
	}
	number := func(name, format string, x float64) {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			add(name, fmt.Sprintf(format, x))
		}
	}
	add("Release", t.Release)
	if t.Year != 0 {
		add("Year", fmt.Sprint(t.Year))
	}
	if t.Duration > 0 && t.Duration < 1e9 {
		d := int(math.Round(t.Duration))
		add("Duration", fmt.Sprintf("%d:%02d", d/60, d%60))
	}
	number("Tempo", "%.1f beats per minute", t.Tempo)
	if t.Key >= 0 && int(t.Key) < len(keyNames) {
		mode := "minor"
		if t.Mode == 1 {
			mode = "major"
		}
		add("Key", keyNames[t.Key]+" "+mode)
	}
	number("Loudness", "%.1f dB", t.Loudness)
	add("Song ID", t.SongID)
	add("Artist ID", t.ArtistID)
	add("File", t.Source.Path)
	return facts
}

func placesTable(c *store.Clustering, rows []query.Placement) *table {
	return tableOf("Clusters of the song in clustering "+c.Name, render.Placements, rows, func(row *query.Placement, column string) string {
		switch {
		case column == "feature":
			return featurePath(c, row.Feature)
		case column == "cluster":
			return clusterPath(c, row.Feature, row.Cluster)
		case column == "runner_up" && row.HasRunnerUp():
			return clusterPath(c, row.Feature, row.RunnerUp)
		}
		return ""
	})
}

func readPlaces(q *question) ([]query.Placement, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	c, err := q.clustering()
	if err != nil {
		return nil, err
	}
	return query.Track(q.db, c, t.ID)
}

func readStats(q *question) ([]query.FeatureStats, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	return query.Stats(q.db, t.ID)
}

func readSound(q *question) ([]query.FeatureStats, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	return query.Stats(q.db, t.ID, store.SoundFeatures[:]...)
}

func similarTable(id store.TrackID, by measure, rows []query.Neighbour) *table {
	shown := render.Neighbours
	shown.Columns = append(shown.Columns[:len(shown.Columns):len(shown.Columns)], render.Column[query.Neighbour]{
		Name: "compare", Title: "Compare", Value: func(*query.Neighbour) any { return "side by side" }})
	return tableOf("Songs most like this one by "+by.name, shown, rows, func(row *query.Neighbour, column string) string {
		if column == "compare" {
			return pairPath(id, row.TrackID)
		}
		return songLink(row.TrackID, column)
	}).at(trackPath(id)+"/similar", url.Values{"by": {by.name}})
}

func similarPage(q *question) (*layout, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	by, all, err := q.by(t.ID)
	if err != nil {
		return nil, err
	}
	rows, err := q.similar(t.ID, by)
	if err != nil {
		return nil, err
	}
	return &layout{Title: "Like " + songTitle(t), Content: map[string]any{
		"Track": t, "Name": songName(t), "Artist": render.Clean(t.ArtistName),
		"Song": trackPath(t.ID), "Measures": measureTabs(t.ID, by, all), "Similar": similarTable(t.ID, by, rows)}}, nil
}

func readSimilar(q *question) ([]query.Neighbour, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	by, _, err := q.by(t.ID)
	if err != nil {
		return nil, err
	}
	return q.similar(t.ID, by)
}

// similarPath is where songs like a track are, by a measure.
func similarPath(id store.TrackID, by string) string {
	return address(trackPath(id)+"/similar", url.Values{"by": {by}})
}

// measureTabs lead to what is like a track by other measures.
func measureTabs(id store.TrackID, by measure, all []measure) tabs {
	t := tabs{Here: by.name}
	for _, m := range all {
		t.Tabs = append(t.Tabs, link{m.name, similarPath(id, m.name)})
	}
	return t
}

// Two songs.

func pairPage(q *question) (*layout, error) {
	a, b, err := q.pair()
	if err != nil {
		return nil, err
	}
	rows, err := readDistances(q)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	for _, d := range rows {
		sum += d.Distance
	}
	path := pairPath(a.ID, b.ID)
	type song struct{ Name, Artist, Href string }
	songOf := func(t *store.Track) song { return song{songName(t), render.Clean(t.ArtistName), trackPath(t.ID)} }
	return &layout{Title: songName(a) + " and " + songName(b), Content: map[string]any{
		"A": songOf(a), "B": songOf(b), "Swapped": pairPath(b.ID, a.ID),
		"Distance": fmt.Sprintf("%.3f", sum/float64(len(rows))),
		"Songs":    figureAt(wideWidth, "Both songs over the same time. The table of distances has the numbers.", "", path+"/songs", nil),
		"Distances": tableOf("How unlike the songs are by each feature, from 0 to 1", render.FeatureDistances, rows, nil).
			at(path+"/distances", nil)}}, nil
}

func readDistances(q *question) ([]query.FeatureDistance, error) {
	a, b, err := q.pair()
	if err != nil {
		return nil, err
	}
	return query.FeatureDistances(q.db, a.ID, b.ID, store.Features[:])
}

// A feature's clusters.

// Tabs lead from one thing to its likes.
type tabs struct {
	Here string
	Tabs []link
}

// featureTabs lead to the features of a clustering.
func featureTabs(c *store.Clustering) []link {
	var tabs []link
	for _, f := range c.Features {
		tabs = append(tabs, link{f.String(), featurePath(c, f)})
	}
	return tabs
}

func featurePage(q *question) (*layout, error) {
	c, f, err := q.clusteredFeature()
	if err != nil {
		return nil, err
	}
	rows, err := query.Clusters(q.db, c, f)
	if err != nil {
		return nil, err
	}
	tracks, err := q.mapOf(c, f, "/clusters/"+f.String(), nil)
	if err != nil {
		return nil, err
	}
	base := "/clusters/" + f.String()
	i := slices.Index(c.Features, f)
	return &layout{Title: f.String(), Notice: q.notice(c), Content: map[string]any{
		"Clustering": c, "Feature": f.String(), "Tabs": tabs{f.String(), featureTabs(c)},
		"Figures": tableOf("Figures of the fit", render.Features, query.Features(c)[i:i+1], nil).at("/features", named(c)),
		"Map":     tracks,
		"Sizes": figureAt(wideWidth, "How many tracks each cluster has, by fold. The table of clusters has the numbers.",
			"Tracks of each cluster, the largest first; shades are the folds that labelled them.", base+"/sizes", named(c)),
		"Profile": figureAt(wideWidth, "By which statistics the clusters differ.",
			"A row for each cluster, a column for each statistic: blue where the cluster's tracks have less than all tracks, red where more.", base+"/profile", named(c)),
		"Clusters": tableOf("Clusters of "+f.String(), render.Clusters, rows, func(row *query.ClusterSummary, column string) string {
			switch column {
			case "cluster":
				return clusterPath(c, f, row.Cluster)
			case "central_track_id":
				if row.Size > 0 {
					return trackPath(row.Central)
				}
			}
			return ""
		}).at(base+"/clusters", named(c)),
	}}, nil
}

func readClusters(q *question) ([]query.ClusterSummary, error) {
	c, f, err := q.clusteredFeature()
	if err != nil {
		return nil, err
	}
	return query.Clusters(q.db, c, f)
}

// A cluster.

func clusterPage(q *question) (*layout, error) {
	c, f, cluster, err := q.clusterAsked()
	if err != nil {
		return nil, err
	}
	all, err := query.Clusters(q.db, c, f)
	if err != nil {
		return nil, err
	}
	page, err := q.pageNumber()
	if err != nil {
		return nil, err
	}
	self := all[cluster]
	pages := max(1, (self.Size+pageSize-1)/pageSize)
	at := func(page int) string {
		return address(fmt.Sprintf("/clusters/%v/%d", f, cluster), pageQuery(named(c), page))
	}
	if page > pages {
		return nil, &problem{status: http.StatusNotFound, what: fmt.Sprintf("Cluster %d of %v has no page %d", cluster, f, page),
			next: fmt.Sprintf("Its %d tracks are on pages 1 to %d.", self.Size, pages), links: []link{{"Last page", at(pages)}}}
	}
	rows, err := query.Members(q.db, c, f, cluster, query.MembersOptions{Limit: pageSize, Offset: (page - 1) * pageSize})
	if err != nil {
		return nil, err
	}
	content := struct {
		Clustering    *store.Clustering
		Feature       link
		Cluster       store.Cluster
		Self          query.ClusterSummary
		Share         string
		Before, After *link
		Map           *mapFigure
		Explanation   *explanation
		Later         string // where the explanation can be asked for, when it takes time
		Members       *table
		Pager         pager
	}{
		Clustering: c, Feature: link{f.String(), featurePath(c, f)}, Cluster: cluster, Self: self,
		Share: fmt.Sprintf("%.2f %%", 100*self.Share),
		Members: membersTable(fmt.Sprintf("Tracks of cluster %d, nearest to its centre first", cluster), c, f, rows).
			at(fmt.Sprintf("/clusters/%v/%d/members", f, cluster), pageQuery(named(c), page)),
	}
	if cluster > 0 {
		content.Before = &link{fmt.Sprintf("Cluster %d", cluster-1), clusterPath(c, f, cluster-1)}
	}
	if int(cluster)+1 < c.K {
		content.After = &link{fmt.Sprintf("Cluster %d", cluster+1), clusterPath(c, f, cluster+1)}
	}
	if content.Map, err = q.mapOf(c, f, fmt.Sprintf("/clusters/%v/%d", f, cluster), []store.Cluster{cluster}); err != nil {
		return nil, err
	}
	content.Explanation, err = q.explanation(c, f, cluster)
	switch {
	case errors.Is(err, errScan) && q.info.Tracks > inlineTracks:
		content.Later = address(fmt.Sprintf("/clusters/%v/%d/explain", f, cluster), named(c))
	case err != nil:
		return nil, err
	}
	content.Pager = openPager(page, page < pages, at)
	if len(rows) > 0 {
		content.Pager.Text = fmt.Sprintf("%d to %d of %d", rows[0].Rank, rows[len(rows)-1].Rank, self.Size)
	}
	if page > 1 {
		content.Pager.First = at(1)
	}
	if page < pages {
		content.Pager.Last = at(pages)
	}
	return &layout{Title: fmt.Sprintf("Cluster %d of %v", cluster, f), Notice: q.notice(c), Content: &content}, nil
}

// An explanation is what sets a cluster apart, as a picture and as a table.
type explanation struct {
	Figure *figure
	Table  *table
}

func (q *question) explanation(c *store.Clustering, f store.Feature, cluster store.Cluster) (*explanation, error) {
	rows, err := q.explain(c, f, cluster)
	if err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/clusters/%v/%d/explain", f, cluster)
	e := &explanation{
		Figure: figureAt(halfWidth, "The statistics that set the cluster apart. The table beside has the numbers.", "", path, named(c)),
		Table:  tableOf("What sets the cluster apart, in deviations of all tracks", render.Deviations, rows, nil).at(path, named(c)),
	}
	e.Table.Empty = "No track is in this cluster."
	return e, nil
}

func explainPage(q *question) (*layout, error) {
	c, f, cluster, err := q.clusterAsked()
	if err != nil {
		return nil, err
	}
	e, err := q.explanation(c, f, cluster)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("cluster %d of %v", cluster, f)
	return &layout{Title: "What sets " + name + " apart", Notice: q.notice(c), Content: map[string]any{
		"Cluster": link{name, clusterPath(c, f, cluster)}, "Explanation": e}}, nil
}

func membersTable(caption string, c *store.Clustering, f store.Feature, rows []query.Member) *table {
	return tableOf(caption, render.Members, rows, func(row *query.Member, column string) string {
		if column == "cluster" {
			return clusterPath(c, f, row.Cluster)
		}
		return songLink(row.TrackID, column)
	})
}

func readMembers(q *question) ([]query.Member, error) {
	c, f, cluster, err := q.clusterAsked()
	if err != nil {
		return nil, err
	}
	page, err := q.pageNumber()
	if err != nil {
		return nil, err
	}
	return query.Members(q.db, c, f, cluster, query.MembersOptions{Limit: pageSize, Offset: (page - 1) * pageSize})
}

// Clusterings, and bad files.

func clusteringsPage(q *question) (*layout, error) {
	rows, err := readClusterings(q)
	t := tableOf("Clusterings", render.Clusterings, rows, func(row *store.Clustering, column string) string {
		if column == "name" {
			return address("/", named(row))
		}
		return ""
	}).at("/clusterings", nil)
	t.Empty = "The songs are not clustered yet. Run tatum cluster, then load this page again."
	return &layout{Title: "Clusterings", Content: t}, err
}

func readClusterings(q *question) ([]store.Clustering, error) {
	var rows []store.Clustering
	for _, c := range q.info.Clusterings {
		rows = append(rows, *c)
	}
	return rows, nil
}

func badPage(q *question) (*layout, error) {
	page, err := q.pageNumber()
	if err != nil {
		return nil, err
	}
	rows, more, err := q.bad(page)
	if err != nil {
		return nil, err
	}
	content := struct {
		Files *table
		Total int
		Pager pager
	}{Total: q.info.BadFiles}
	content.Files = tableOf("Files that could not be read", render.BadFiles, rows, nil).at("/bad", pageQuery(url.Values{}, page))
	content.Files.Empty = "Every file could be read."
	if page > 1 {
		content.Files.Empty = "There are no more."
	}
	content.Pager = openPager(page, more, func(page int) string { return address("/bad", pageQuery(url.Values{}, page)) })
	return &layout{Title: "Bad files", Content: &content}, nil
}

func readBad(q *question) ([]store.File, error) {
	page, err := q.pageNumber()
	if err != nil {
		return nil, err
	}
	rows, _, err := q.bad(page)
	return rows, err
}
