package web_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"image/png"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"tatum/query"
	"tatum/query/internal/madeup"
	"tatum/query/picture"
	"tatum/query/render"
	"tatum/query/web"
	"tatum/store"
)

const token = "SECRETSECRETSECRETSECRET"

// A site is a server under test, and a visitor who has its cookie.
type site struct {
	testing.TB
	store  string
	at     string // host:port
	server *http.Server
	cookie *http.Cookie
}

// newSite serves the store at path on this machine until the test ends.
func newSite(tb testing.TB, path string) *site {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &site{TB: tb, store: path, at: l.Addr().String(), server: web.NewServer(web.Options{Store: path, Token: token, Host: "music.box", Version: "test"})}
	ended := make(chan error)
	go func() { ended <- s.server.Serve(l) }()
	tb.Cleanup(func() {
		_ = s.server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			tb.Error(err)
		}
	})
	r := s.ask(http.MethodGet, "/?token="+token, nil)
	if len(r.Cookies()) != 1 {
		tb.Fatalf("the first address gave %d cookies", len(r.Cookies()))
	}
	s.cookie = r.Cookies()[0]
	return s
}

// An answer has been read.
type answer struct {
	*http.Response
	body string
}

// ask sends a request, changed by change, and follows no redirect.
func (s *site) ask(method, path string, change func(r *http.Request)) answer {
	s.Helper()
	r, err := http.NewRequest(method, "http://"+s.at+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	if s.cookie != nil {
		r.AddCookie(s.cookie)
	}
	if change != nil {
		change(r)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer{response, string(body)}
}

func (s *site) get(path string) answer { return s.ask(http.MethodGet, path, nil) }

// want fails the test unless a page has that status and says the texts.
func (s *site) want(path string, status int, texts ...string) answer {
	s.Helper()
	r := s.get(path)
	if r.StatusCode != status {
		s.Errorf("%s: status %d, want %d", path, r.StatusCode, status)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			s.Errorf("%s does not say %q:\n%s", path, text, r.body)
		}
	}
	return r
}

// pages are addresses of a made-up store of 60 labelled and 3 other songs.
func pages() []string {
	return []string{
		"/", "/?name=default", "/search", "/search?q=sigur", "/search?q=nobody+at+all", "/search?q=e&page=9",
		"/search?q=" + string(madeup.ID(3)), "/search?q=%22%3E%3Cscript%3E",
		"/track/" + string(madeup.ID(0)), "/track/" + string(madeup.ID(6)), "/track/" + string(madeup.ID(7)), "/track/" + string(madeup.ID(61)),
		"/track/" + string(madeup.ID(1)) + "/similar", "/pair/" + string(madeup.ID(1)) + "/" + string(madeup.ID(7)), "/pair/" + string(madeup.ID(1)) + "/" + string(madeup.ID(1)),
		"/clusters/bars_start", "/clusters/tatums_start?name=default", "/clusters/bars_start/0", "/clusters/beats_start/3",
		"/clusters/bars_start?view=0.25,0.25,0.5", "/clusters/bars_start/0/explain",
		"/clusterings", "/bad",
	}
}

func filesOf() []string {
	id := string(madeup.ID(0))
	return []string{
		"/store", "/songs", "/features", "/track/" + id + "/song", "/search?q=" + id, "/search?q=sigur", "/track/" + id + "/places", "/track/" + id + "/similar", "/track/" + id + "/stats",
		"/clusters/bars_start/clusters", "/clusters/bars_start/1/explain", "/pair/" + id + "/" + string(madeup.ID(5)) + "/distances",
		"/clusters/bars_start/1/members", "/clusterings", "/bad",
	}
}

func withEnding(path, ending string) string {
	path, query, found := strings.Cut(path, "?")
	if found {
		query = "?" + query
	}
	return path + ending + query
}

var link = regexp.MustCompile(`(?:href|src|srcset|data-load)="([^"]*)"`)

// TestPages asks for all pages, and for whatever they lead to.
func TestPages(t *testing.T) {
	s := newSite(t, madeup.Write(t, 60, 3))
	seen := make(map[string]bool)
	queue := pages()
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] || len(seen) >= 200 {
			continue
		}
		seen[path] = true
		r := s.want(path, http.StatusOK)
		if r.Header.Get("Content-Length") != fmt.Sprint(len(r.body)) {
			t.Errorf("%s: Content-Length %q of %d bytes", path, r.Header.Get("Content-Length"), len(r.body))
		}
		head := s.ask(http.MethodHead, path, nil)
		if head.StatusCode != http.StatusOK || head.body != "" || head.Header.Get("Content-Length") != fmt.Sprint(len(r.body)) {
			t.Errorf("HEAD %s: status %d, %d bytes, Content-Length %q; GET has %d", path, head.StatusCode, len(head.body), head.Header.Get("Content-Length"), len(r.body))
		}
		tag := r.Header.Get("ETag")
		again := s.ask(http.MethodGet, path, func(r *http.Request) { r.Header.Set("If-None-Match", `"other", W/`+tag) })
		if tag == "" || again.StatusCode != http.StatusNotModified || again.body != "" {
			t.Errorf("%s with its ETag %q: status %d, %d bytes", path, tag, again.StatusCode, len(again.body))
		}
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			continue
		}
		checkHTML(t, path, r.body)
		for _, found := range link.FindAllStringSubmatch(r.body, -1) {
			to := html.UnescapeString(found[1])
			to, _, _ = strings.Cut(to, "#")
			if to == "" || to == "data:," || strings.Contains(to, "/at?") { // but for the pixel
				continue
			}
			if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
				t.Errorf("%s leads elsewhere: %q", path, to)
				continue
			}
			queue = append(queue, to)
		}
	}
	if len(seen) < 200 {
		t.Errorf("found only %d addresses", len(seen))
	}
}

var (
	tag        = regexp.MustCompile(`<(/?)([a-zA-Z0-9]+)([^<>]*)>`)
	quoted     = regexp.MustCompile(`="[^"]*"`)
	identified = regexp.MustCompile(` id="([^"]*)"`)
	void       = []string{"meta", "link", "input", "img", "br", "source"}
)

// checkHTML looks for what a browser would have to guess at: elements that do not
// close each other in order, two of one ID, more than one heading of the first
// rank, pictures without words, fields without labels.
func checkHTML(t *testing.T, path, page string) {
	t.Helper()
	var open []string
	if !strings.HasPrefix(page, "<!DOCTYPE html>\n<html lang=\"en\">") {
		t.Errorf("%s begins with %.40q", path, page)
	}
	ids := make(map[string]bool)
	for _, at := range tag.FindAllStringSubmatch(page, -1) {
		closing, name, attributes := at[1] == "/", at[2], at[3]
		if id := identified.FindStringSubmatch(attributes); id != nil {
			if ids[id[1]] {
				t.Errorf("%s: two elements of ID %q", path, id[1])
			}
			ids[id[1]] = true
		}
		switch {
		case slices.Contains(void, name) || strings.HasSuffix(attributes, "/"):
		case !closing:
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("%s: </%s> within %v", path, name, open)
		default:
			open = open[:len(open)-1]
		}
		if name == "img" && !strings.Contains(attributes, "alt=") {
			t.Errorf("%s: a picture without words: %s", path, attributes)
		}
		if names := quoted.ReplaceAllString(attributes, ""); strings.Contains(names, " style") || strings.Contains(names, " on") {
			t.Errorf("%s: style or script in <%s%s>, which the policy forbids", path, name, attributes)
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: not closed: %v", path, open)
	}
	if n := strings.Count(page, "<h1"); n != 1 {
		t.Errorf("%s: %d headings of the first rank", path, n)
	}
}

// TestFiles compares tables as JSON and CSV with each other.
func TestFiles(t *testing.T) {
	s := newSite(t, madeup.Write(t, 60, 3))
	for _, path := range filesOf() {
		j := s.want(withEnding(path, ".json"), http.StatusOK)
		var objects []map[string]any
		if err := json.Unmarshal([]byte(j.body), &objects); err != nil {
			t.Errorf("%s.json: %v", path, err)
		}
		c := s.want(withEnding(path, ".csv"), http.StatusOK)
		records, err := csv.NewReader(strings.NewReader(c.body)).ReadAll()
		if err != nil || len(records) != len(objects)+1 {
			t.Errorf("%s.csv: %d records, error %v; JSON has %d", path, len(records), err, len(objects))
			continue
		}
		if path != "/bad" && len(objects) == 0 {
			t.Errorf("%s is empty", path)
		}
		for i, object := range objects {
			for j, name := range records[0] {
				if text, ok := object[name].(string); ok && text != records[i+1][j] {
					t.Errorf("%s row %d: %s is %q in JSON, %q in CSV", path, i, name, text, records[i+1][j])
				}
			}
		}
	}
}

// TestPictures draws every picture as both kinds of file.
func TestPictures(t *testing.T) {
	s := newSite(t, madeup.Write(t, 60, 3))
	for _, path := range []string{
		"/track/" + string(madeup.ID(3)) + "/song", "/track/" + string(madeup.ID(7)) + "/song", "/pair/" + string(madeup.ID(3)) + "/" + string(madeup.ID(62)) + "/songs",
		"/clusters/bars_start/map", "/clusters/bars_start/map?view=0.4,0.4,0.1", "/clusters/bars_start/map?view=5,5,0.1", "/clusters/bars_start/map?highlight=0,3",
		"/clusters/bars_start/map?w=330&h=400", "/clusters/bars_start/sizes", "/clusters/bars_start/profile", "/clusters/bars_start/2/explain",
	} {
		drawn := s.want(withEnding(path, ".svg"), http.StatusOK, "<svg", "<title>")
		if err := xml.Unmarshal([]byte(drawn.body), new(struct{})); err != nil {
			t.Errorf("%s.svg: %v", path, err)
		}
		if got := drawn.Header.Get("Content-Type"); got != "image/svg+xml" {
			t.Errorf("%s.svg: %q", path, got)
		}
		if policy := drawn.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") || strings.Contains(policy, "script") {
			t.Errorf("%s.svg: policy %q", path, policy)
		}
		if again := s.get(withEnding(path, ".svg")); again.body != drawn.body {
			t.Errorf("%s.svg is another one the second time", path)
		}
		pixels := s.want(withEnding(path, ".png"), http.StatusOK)
		if _, err := png.Decode(strings.NewReader(pixels.body)); err != nil {
			t.Errorf("%s.png: %v", path, err)
		}
	}
	for _, path := range []string{
		"/clusters/bars_start/map.svg?w=319", "/clusters/bars_start/map.svg?h=399", "/clusters/bars_start/at?h=399&w=760&xy=?200,200", "/clusters/bars_start/map.png?w=99999", "/clusters/bars_start/map.svg?h=x", "/clusters/bars_start/map.svg?view=a,b,c",
		"/clusters/bars_start/map.svg?highlight=4", "/clusters/bars_start/map.svg?highlight=0,1,2,3,0,1,2,3,0", "/clusters/bars_start/map.svg?highlight=-1",
	} {
		s.want(path, http.StatusBadRequest)
	}
}

// TestMap points at the pixels where a map has its tracks.
func TestMap(t *testing.T) {
	path := madeup.Write(t, 60, 0)
	s := newSite(t, path)
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Clustering(store.DefaultClustering)
	if err != nil {
		t.Fatal(err)
	}
	m, err := query.NewMap(db, c, store.Features[1])
	if err != nil {
		t.Fatal(err)
	}
	drawing := picture.MapPart(m, c, nil, picture.WholeMap)
	options := picture.Options{Width: 760, Height: 620}
	origin, err := drawing.At(options, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i := range m.IDs {
		xy := fmt.Sprintf("%.0f,%.0f", (m.X[i]-origin.X)/origin.Pixel, (origin.Y-m.Y[i])/origin.Pixel)
		address := "/clusters/beats_start/at?h=620&w=760&xy=?" + xy
		r := s.want(address, http.StatusSeeOther)
		j := s.want(strings.Replace(address, "/at?", "/at.json?", 1), http.StatusOK)
		if r.Header.Get("Location") == "/track/"+string(m.IDs[i]) && strings.Contains(j.body, string(m.IDs[i])) {
			found++
		}
	}
	if found < len(m.IDs)*9/10 { // others lie on the same pixel
		t.Errorf("found %d of %d tracks where they are drawn", found, len(m.IDs))
	}
	// A rectangle leads to the part of the map inside of it.
	r := s.want("/clusters/beats_start/at?h=620&w=760&xy=?200,200&to=300,250", http.StatusSeeOther)
	to, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	var part picture.Part
	if _, err := fmt.Sscanf(to.Query().Get("view"), "%f,%f,%f", &part.Left, &part.Top, &part.Size); err != nil {
		t.Fatal(err, to)
	}
	from, err := drawing.At(options, 200, 200)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(part.Left-from.Left) > 1e-3 || math.Abs(part.Top-from.Top) > 1e-3 || part.Size <= 0 || part.Size > 0.5 {
		t.Errorf("got %+v, want it to begin at %+v", part, from)
	}
	s.want(to.Path+"?"+to.RawQuery, http.StatusOK, "Whole map", "Farther")
}

// TestSimilarBy compares songs by what they have.
func TestSimilarBy(t *testing.T) {
	s := newSite(t, madeup.Write(t, 60, 0))
	for i := range 8 {
		path := "/track/" + string(madeup.ID(i)) + "/similar"
		plain, rhythm := s.want(path+".json", http.StatusOK), s.want(path+".json?by=rhythm", http.StatusOK)
		if !madeup.HasSound(i) {
			if plain.body != rhythm.body {
				t.Errorf("song %d, without sound features: not by rhythm", i)
			}
			s.want(path+"?by=timbre", http.StatusBadRequest, "tatum ingest --arrays all", "by=rhythm")
			continue
		}
		timbre, pitches := s.want(path+".json?by=timbre", http.StatusOK), s.want(path+".json?by=pitches", http.StatusOK)
		if plain.body != timbre.body || timbre.body == rhythm.body || timbre.body == pitches.body {
			t.Errorf("song %d is compared by one thing as by another", i)
		}
		s.want(path, http.StatusOK, "by timbre", "?by=pitches", "?by=rhythm")
	}
	s.want("/track/"+string(madeup.ID(1))+"/similar?by=colour", http.StatusBadRequest, "cannot be compared by")
}

// TestMissing asks for what is not there, and wants to be told what to do next.
func TestMissing(t *testing.T) {
	s := newSite(t, madeup.Write(t, 60, 0))
	for _, test := range []struct {
		path   string
		status int
		says   []string
	}{
		{"/track/TRAAAAA00000000FFFF", http.StatusNotFound, []string{"There is no track", "Search for the song", `href="/track/TRAAAAA00000000000"`}},
		{"/track/nonsense", http.StatusNotFound, []string{"There is no track &#34;nonsense&#34;"}},
		{"/track/TRAAAAA00000000FFFF/similar", http.StatusNotFound, []string{"There is no track"}},
		{"/clusters/bars", http.StatusNotFound, []string{"There is no feature", `href="/clusters/bars_start"`}},
		{"/clusters/bars_start/4", http.StatusNotFound, []string{"numbered from 0 to 3", `href="/clusters/bars_start"`}},
		{"/clusters/bars_start?view=1", http.StatusBadRequest, []string{"A map has no view"}},
		{"/clusters/bars_start?view=0,0,NaN", http.StatusBadRequest, []string{"A map has no view"}},
		{"/clusters/bars_start?view=0,0,0", http.StatusBadRequest, []string{"A map has no view"}},
		{"/clusters/bars_start/at?xy=0,0", http.StatusNotFound, []string{"No track is there", "Back to the map"}},
		{"/clusters/bars_start/at?xy=", http.StatusBadRequest, []string{"No point of the map was given"}},
		{"/pair/TRAAAAA00000000FFFF/" + string(madeup.ID(1)), http.StatusNotFound, []string{"There is no track"}},
		{"/clusters/bars_start/-1", http.StatusNotFound, []string{"numbered from 0 to 3"}},
		{"/clusters/bars_start/0?page=99", http.StatusNotFound, []string{"has no page 99", "Last page"}},
		{"/clusters/bars_start/0?page=0", http.StatusBadRequest, []string{"Pages are numbered from 1"}},
		{"/clusters/bars_start?name=rhythm", http.StatusNotFound, []string{"no clustering &#34;rhythm&#34;", "tatum cluster --name", `href="/"`}},
		{"/?name=rhythm", http.StatusNotFound, []string{"no clustering"}},
		{"/search?q=a&page=x", http.StatusBadRequest, []string{"Pages are numbered from 1"}},
		{"/nothing", http.StatusNotFound, []string{"There is no such page", "Start page"}},
		{"/static/", http.StatusNotFound, []string{"There is no such page"}},
		{"/static/layout.html", http.StatusNotFound, []string{"There is no such page"}},
		{"/search?q=nobody+at+all", http.StatusOK, []string{"Try fewer words"}},
		{"/bad", http.StatusOK, []string{"Every file could be read"}},
	} {
		s.want(test.path, test.status, test.says...)
	}
	for _, path := range []string{"/track/TRAAAAA00000000FFFF/stats.json", "/clusters/bars_start/9/members.csv", "/clusters/segments_timbre/map.svg", "/track/TRAAAAA00000000FFFF/song.png"} {
		r := s.want(path, http.StatusNotFound)
		if !strings.Contains(r.body, "There is no") && !strings.Contains(r.body, "leaves out") {
			t.Errorf("%s says %q", path, r.body)
		}
		if got := r.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Errorf("%s: an error as %q", path, got)
		}
	}
}

// TestChangingStore changes the store under the server: it is ingested into, left
// without a clustering, replaced, removed and brought back.
func TestChangingStore(t *testing.T) {
	path := madeup.Write(t, 60, 0)
	s := newSite(t, path)
	id := string(madeup.ID(70))
	before := s.want("/", http.StatusOK, "60", `href="/clusters/bars_start"`)
	s.want("/track/"+id, http.StatusNotFound)
	s.want("/search?q=sigur", http.StatusOK, "Glósóli")

	write(t, path, func(w *store.Writer) error {
		song := madeup.Song(70)
		song.Title = "Quite new"
		v := madeup.Vectors(70)
		_, err := w.Put(store.Batch{Songs: []store.EncodedSong{*store.EncodeSong(song, v)}})
		return err
	})
	s.want("/track/"+id, http.StatusOK, "Quite new", "tatum cluster assign")
	s.want("/search?q=quite+new", http.StatusOK, "Quite new")
	after := s.want("/", http.StatusOK, "The store has changed since and has 61")
	if before.Header.Get("ETag") == after.Header.Get("ETag") {
		t.Error("the ETag stayed the same when a song came")
	}

	write(t, path, func(w *store.Writer) error { return w.DeleteClustering(store.DefaultClustering) })
	s.want("/", http.StatusOK, "Not clustered yet", "tatum cluster")
	s.want("/track/"+id, http.StatusOK, "Quite new", "not clustered yet")
	s.want("/clusters/bars_start", http.StatusNotFound, "not clustered yet")
	s.want("/clusterings", http.StatusOK, "not clustered yet")

	if err := os.Rename(path, path+".gone"); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages() {
		r := s.want(page, http.StatusServiceUnavailable, "There is no store any more")
		if strings.Contains(r.body, t.TempDir()) {
			t.Errorf("%s tells where the store was", page)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no store", 10000)), 0o644); err != nil {
		t.Fatal(err)
	}
	s.want("/", http.StatusServiceUnavailable, "There is no store any more")
	if err := os.Rename(madeup.Write(t, 12, 0), path); err != nil {
		t.Fatal(err)
	}
	s.want("/", http.StatusOK, "fitted in 3 folds to 12 tracks")
	s.want("/search?q=quite+new", http.StatusOK, "Try fewer words")
}

func write(t *testing.T, path string, fn func(w *store.Writer) error) {
	t.Helper()
	w, err := store.OpenWriter(context.Background(), path, 0)
	if err == nil {
		err = fn(w)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSoundNotice checks that a page tells when the tracks with sound features have
// changed that a clustering was fitted to, and not before.
func TestSoundNotice(t *testing.T) {
	path := madeup.Write(t, 12, 0)
	write(t, path, func(w *store.Writer) error {
		madeup.Fit(t, w, "sound", []store.Feature{0, store.Timbre}, 12)
		madeup.Fit(t, w, "timbre", []store.Feature{store.Timbre}, 12)
		return nil
	})
	s := newSite(t, path)
	const changed = "The store has changed since"
	for _, page := range []string{"/", "/clusters/segments_timbre?name=sound", "/clusters/segments_timbre?name=timbre"} {
		if r := s.want(page, http.StatusOK); strings.Contains(r.body, changed) {
			t.Errorf("%s says %q of a store that has not", page, changed)
		}
	}
	write(t, path, func(w *store.Writer) error {
		_, err := w.Put(store.Batch{Songs: []store.EncodedSong{*store.EncodeSong(madeup.Song(70), madeup.Vectors(70))}})
		return err
	})
	s.want("/clusters/segments_timbre?name=timbre", http.StatusOK, changed+" and has 10")
	s.want("/clusters/segments_timbre?name=sound", http.StatusOK, changed+" and has 13")
}

// TestBesideWriter asks for everything from many at once while songs come.
func TestBesideWriter(t *testing.T) {
	path := madeup.Write(t, 40, 0)
	s := newSite(t, path)
	stop := make(chan struct{})
	var visitors sync.WaitGroup
	for i := range 4 {
		visitors.Go(func() {
			all := pages()
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// On a slow disk a writer may keep the store for itself for long.
				if r := s.get(all[n%len(all)]); r.StatusCode != http.StatusOK && !strings.Contains(r.body, "being written to") {
					t.Errorf("%s: status %d: %s", all[n%len(all)], r.StatusCode, r.body)
				}
			}
		})
	}
	for i := range 5 {
		write(t, path, func(w *store.Writer) error {
			v := madeup.Vectors(100 + i)
			_, err := w.Put(store.Batch{Songs: []store.EncodedSong{*store.EncodeSong(madeup.Song(100+i), v)}})
			return err
		})
	}
	close(stop)
	visitors.Wait()
}

// TestHostileTitles has songs whose names try to be more than text.
func TestHostileTitles(t *testing.T) {
	path := madeup.Write(t, 4, 0)
	s := newSite(t, path)
	nasty := rapid.SampledFrom([]string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `{{.}}`, `</title></bdi></td>`,
		"\x00\x1b[31m", "\u202egnp.exe", "\u2066\u2067", "a\nb\r\tc", "\xff\xfe", "&lt;", `javascript:alert(1)`, `<!--`, `]]>`, "春天的信", `\`, "%2e%2e%2f",
	})
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(nasty, rapid.String()), 0, 3).Draw(t, "parts"), "")
	})
	// All songs are written at once, which takes as long as one.
	var batch store.Batch
	var songs []*store.Song
	rapid.Check(t, func(t *rapid.T) {
		song := madeup.Song(len(songs))
		song.Title, song.ArtistName, song.Release = name.Draw(t, "title"), name.Draw(t, "artist"), name.Draw(t, "release")
		v := madeup.Vectors(len(songs))
		songs = append(songs, song)
		batch.Songs = append(batch.Songs, *store.EncodeSong(song, v))
	})
	write(t, path, func(w *store.Writer) error {
		_, err := w.Put(batch)
		return err
	})
	for _, song := range songs {
		for _, page := range []string{"/track/" + string(song.ID), "/search?q=" + url.QueryEscape(song.Title)} {
			r := s.want(page, http.StatusOK)
			checkHTML(t, page, r.body)
			if n := strings.Count(r.body, "<script"); n != 1 {
				t.Errorf("%s has %d scripts:\n%s", page, n, r.body)
			}
			if i := strings.IndexFunc(r.body, func(r rune) bool { return r != '\n' && render.Clean(string(r)) != string(r) }); i >= 0 {
				t.Errorf("%s has control characters: %.40q", page, r.body[i:])
			}
		}
		if title := strings.TrimSpace(render.Clean(song.Title)); title != "" {
			s.want("/track/"+string(song.ID), http.StatusOK, "<h1><bdi>"+template(title)+"</bdi></h1>")
		}
	}
}

// template returns a text as html/template writes it.
func template(text string) string {
	return strings.NewReplacer("+", "&#43;", "\x00", "\ufffd").Replace(html.EscapeString(text))
}

// TestLimits sends what is larger than a server should listen to.
func TestLimits(t *testing.T) {
	s := newSite(t, madeup.Write(t, 4, 0))
	for name, d := range map[string]int64{
		"ReadHeaderTimeout": int64(s.server.ReadHeaderTimeout), "ReadTimeout": int64(s.server.ReadTimeout),
		"WriteTimeout": int64(s.server.WriteTimeout), "IdleTimeout": int64(s.server.IdleTimeout), "MaxHeaderBytes": int64(s.server.MaxHeaderBytes),
	} {
		if d <= 0 {
			t.Errorf("no %s", name)
		}
	}
	r := s.ask(http.MethodGet, "/", func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 64<<10)) })
	if r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 kB of headers: status %d", r.StatusCode)
	}
	c, err := net.Dial("tcp", s.at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /../../../../etc/passwd HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\n\r\n", s.at, s.cookie.Name, s.cookie.Value)
	raw, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Body.Close()
	if body, _ := io.ReadAll(raw.Body); strings.Contains(string(body), "root:") || raw.StatusCode == http.StatusOK {
		t.Errorf("a path with ..: status %d, %.100q", raw.StatusCode, body)
	}
}
