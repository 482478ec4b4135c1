//go:build browser

package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tatum/query"
	"tatum/query/picture"
	"tatum/store"
)

// These tests drive a real browser, see `make browser`. Where TATUM_BROWSER names a
// folder, each page is photographed into it.

// patience is how long a browser on a busy machine may take for one step.
const patience = 2 * time.Minute

// aSong is a track of the demo.
const aSong, otherSong = "TRAAPOB12896A14E9C", "TRXTSFA128A2E0B25C"

// A walk is a browser that looks at a server under test.
type walk struct {
	*testing.T
	ctx  context.Context
	db   string
	host string // host:port
	key  string // "?token=…"

	mu        sync.Mutex
	complaint []string // of the browser's console
	elsewhere []string // addresses asked for that are not the server's
	status    int64    // of the last page
}

// newWalk serves the demo's store and opens its first address.
func newWalk(t *testing.T, flags ...chromedp.ExecAllocatorOption) *walk {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatal(err)
	}
	w := &walk{T: t, db: filepath.Join(t.TempDir(), "tatum.db")}
	copyFile(t, w.db, demoStore(t))

	ctx, stop := context.WithCancel(t.Context())
	stdout, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- runServe(ctx, &globals{db: w.db, quiet: true}, "127.0.0.1:0", false, out) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	first, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil {
		t.Fatal(err)
	}
	w.host, w.key = u.Host, "?"+u.RawQuery

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium"),
		chromedp.Flag("disable-gpu", true), chromedp.WSURLReadTimeout(patience))
	allocated, free := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	t.Cleanup(free)
	var closed context.CancelFunc
	w.ctx, closed = chromedp.NewContext(allocated)
	t.Cleanup(closed)
	if err := chromedp.Listen(w.ctx, w.listen); err != nil { // which starts the browser
		t.Fatal(err)
	}
	w.run(call(log.Enable, cdp.Empty{}), call(network.Enable, network.EnableParams{}))
	w.open("/" + w.key)
	return w
}

// demoStore makes the store of `make demo`, once.
func demoStore(t *testing.T) string {
	t.Helper()
	demoOnce.Do(func() {
		dir, err := os.MkdirTemp("", "tatum-browser-")
		if err != nil {
			t.Fatal(err)
		}
		demoPath = filepath.Join(dir, "tatum.db")
		songs := filepath.Join(dir, "songs")
		for _, args := range [][]string{
			{"demo", songs}, {"ingest", "--arrays", "all", songs}, {"cluster"}, {"cluster", "--name", "a & b/c", "-k", "4", "--features", "bars_start"},
		} {
			if code := run(context.Background(), append(args, "--db", demoPath, "--quiet")); code != exitDone {
				t.Fatalf("%q: exit code %d", args, code)
			}
		}
	})
	if demoPath == "" {
		t.Fatal("no store")
	}
	return demoPath
}

var (
	demoOnce sync.Once
	demoPath string
)

func (w *walk) listen(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		w.complaint = append(w.complaint, fmt.Sprintf("console: %s %v", e.Type, e.Args))
	case *runtime.EventExceptionThrown:
		w.complaint = append(w.complaint, fmt.Sprintf("exception: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		w.complaint = append(w.complaint, fmt.Sprintf("log: %s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != w.host {
			w.elsewhere = append(w.elsewhere, e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			w.status = e.Response.Status
		}
	}
}

// call makes a step of a command of the protocol.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// run does steps, each with patience.
func (w *walk) run(steps ...chromedp.Action[chromedp.Void]) {
	w.Helper()
	for i, step := range steps {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		err := chromedp.Do(ctx, step)
		cancel()
		if err != nil {
			w.Fatalf("step %d: %v", i+1, err)
		}
	}
}

// evaluate returns what JavaScript says of the page.
func evaluate[T any](w *walk, script string, options ...chromedp.EvaluateOption) T {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, options...))
	if err != nil {
		w.Fatalf("%.60s: %v", script, err)
	}
	return value
}

// until waits until JavaScript says true, be it of the page that comes next.
func (w *walk) until(script string) {
	w.Helper()
	var last error
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
		cancel()
		if done {
			return
		}
		last = err
	}
	w.Fatalf("%s: not in %v; %v", script, patience, last)
}

// isLoaded says that the page and its pictures are there, and that nothing is
// being loaded later.
const isLoaded = `document.readyState === 'complete' && [...document.images].every(i => i.loading === 'lazy' || i.complete) && !document.querySelector('[data-load]')`

// open opens a page of the server and waits until it is there as a whole.
func (w *walk) open(path string) {
	w.Helper()
	w.run(chromedp.Navigate("http://" + w.host + path))
	w.until(isLoaded)
}

// follow does what leads to another page and waits for that to be there.
func (w *walk) follow(steps ...chromedp.Action[chromedp.Void]) {
	w.Helper()
	w.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](`window.before = true`)(ctx, t)
		return err
	}))
	w.run(steps...)
	w.until(`!window.before && ` + isLoaded)
}

// back goes back to an address. The browser may show the page as it was left,
// without loading it.
func (w *walk) back(to string) {
	w.Helper()
	evaluate[bool](w, `history.back(), true`)
	w.until(fmt.Sprintf(`location.pathname + location.search === %q && %s`, to, isLoaded))
}

func (w *walk) at() string { return evaluate[string](w, `location.pathname + location.search`) }

// quiet fails the test if the browser complained, or asked anyone else.
func (w *walk) quiet(where string) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.complaint {
		w.Errorf("%s: %s", where, text)
	}
	for _, address := range w.elsewhere {
		w.Errorf("%s asks for %s", where, address)
	}
	w.complaint, w.elsewhere = nil, nil
}

// browserPages are the kinds of pages, by the name of their photograph.
func browserPages() [][2]string {
	return [][2]string{
		{"start", "/"}, {"start-other", "/?name=a+%26+b%2Fc"}, {"search", "/search?q=foxes"}, {"search-none", "/search?q=nobody"}, {"search-empty", "/search"},
		{"track", "/track/" + aSong}, {"similar", "/track/" + aSong + "/similar"},
		{"pair", "/pair/" + aSong + "/" + otherSong}, {"explain", "/clusters/beats_start/7/explain"}, {"map-part", "/clusters/beats_start?view=0.1,0.2,0.25"},
		{"feature", "/clusters/beats_start"}, {"cluster", "/clusters/beats_start/7"}, {"cluster-other", "/clusters/bars_start/1?name=a+%26+b%2Fc"},
		{"clusterings", "/clusterings"}, {"bad", "/bad"}, {"no-track", "/track/TRAAAAA00000000FFFF"}, {"no-page", "/nothing"},
	}
}

//go:embed testdata/browser/check.js
var checkPage string

// TestBrowserPages looks at every page, narrow and wide, light and dark.
func TestBrowserPages(t *testing.T) {
	w := newWalk(t)
	axe := axeScript(t)
	shots := os.Getenv("TATUM_BROWSER")
	for _, p := range browserPages() {
		name, path := p[0], p[1]
		for _, width := range []int64{360, 1600} {
			for _, scheme := range []string{"light", "dark"} {
				where := fmt.Sprintf("%s-%d-%s", name, width, scheme)
				w.run(
					chromedp.EmulateViewport(width, 900),
					call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
				w.open(path)
				if strings.HasPrefix(name, "no-") {
					w.mu.Lock()
					if w.status != 404 {
						t.Errorf("%s: status %d", where, w.status)
					}
					w.complaint = nil // the browser logs the status
					w.mu.Unlock()
				}
				for _, problem := range evaluate[[]string](w, checkPage) {
					t.Errorf("%s: %s", where, problem)
				}
				if axe != "" {
					w.holdAxe(where, axe)
				}
				if shots != "" {
					w.photograph(filepath.Join(shots, where+".png"))
				}
				w.quiet(where)
			}
		}
		if shots != "" {
			w.run(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}))
			w.photograph(filepath.Join(shots, name+"-print.png"))
		}
	}
}

// axe-core's rules; its licence is not ours, so it is had when it is needed. The
// sum is the registry's.
const (
	axeAddress = "https://registry.npmjs.org/axe-core/-/axe-core-4.14.1.tgz"
	axeFile    = "package/axe.min.js"
	axeSum     = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// axeScript returns axe-core's script, empty where it cannot be had. It is kept in
// the folder that TATUM_BROWSER names.
func axeScript(t *testing.T) string {
	t.Helper()
	kept := ""
	if dir := os.Getenv("TATUM_BROWSER"); dir != "" {
		kept = filepath.Join(dir, filepath.Base(axeAddress))
	}
	archive, err := os.ReadFile(kept)
	if err != nil {
		archive, err = get(t.Context(), axeAddress)
		if err != nil {
			t.Logf("skipped: the rules of axe-core, which cannot be had (%v); ours are held", err)
			return ""
		}
	}
	if sum := sha512.Sum512(archive); base64.StdEncoding.EncodeToString(sum[:]) != axeSum {
		t.Fatalf("%s is not what it was", axeAddress)
	}
	if kept != "" {
		if err := errors.Join(os.MkdirAll(filepath.Dir(kept), 0o755), os.WriteFile(kept, archive, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for members := tar.NewReader(plain); ; {
		member, err := members.Next()
		if err != nil {
			t.Fatal(err)
		}
		if member.Name != axeFile {
			continue
		}
		script, err := io.ReadAll(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(script)
	}
}

func get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return io.ReadAll(response.Body)
}

// holdAxe fails the test for what axe-core finds serious or critical.
func (w *walk) holdAxe(where, script string) {
	w.Helper()
	evaluate[bool](w, script+"; true")
	found := evaluate[string](w, `axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => v.id + ': ' + v.help + ' ' + v.nodes[0].html)))`, chromedp.EvalAwaitPromise)
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		w.Fatal(err)
	}
	for _, v := range violations {
		w.Errorf("%s: axe-core: %s", where, v)
	}
}

func (w *walk) photograph(path string) {
	w.Helper()
	// Those that are loaded when one comes to them, too.
	evaluate[bool](w, `document.querySelectorAll('img').forEach(i => i.loading = 'eager'), true`)
	w.until(isLoaded)
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		w.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		w.Fatal(err)
	}
}

// TestBrowserSearch types, and goes to a track by what is offered; then by the
// page of all that was found, and back.
func TestBrowserSearch(t *testing.T) {
	w := newWalk(t)
	w.run(chromedp.Focus(chromedp.CSS("#q")), chromedp.SendKeys(chromedp.CSS("#q"), "los foxes"))
	w.until(`document.querySelectorAll('#found a').length > 0 && !document.getElementById('found').hidden`)
	if said := evaluate[string](w, `document.getElementById('said').textContent`); !strings.Contains(said, "racks") {
		t.Errorf("a screen reader is told %q", said)
	}
	w.run(chromedp.KeyEvent(kb.Escape))
	w.until(`document.getElementById('found').hidden`)
	w.run(chromedp.SendKeys(chromedp.CSS("#q"), "foxes")) // Escape has emptied the field
	w.until(`!document.getElementById('found').hidden`)
	w.follow(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	if at := w.at(); !strings.HasPrefix(at, "/track/TR") {
		t.Fatalf("got to %q", at)
	}
	w.open("/")
	w.follow(chromedp.SendKeys(chromedp.CSS("#q"), "los foxes"+kb.Enter))
	if at := w.at(); at != "/search?q=los+foxes" {
		t.Fatalf("got to %q", at)
	}
	w.follow(chromedp.Click(chromedp.CSS("td.c-title a")))
	first := w.at()
	w.follow(chromedp.Click(chromedp.CSS("#similar ~ .scroll td.c-title a, [data-part] td.c-title a")))
	if at := w.at(); !strings.HasPrefix(at, "/track/TR") || at == first {
		t.Errorf("from %q got to %q", first, at)
	}
	w.back(first)
	w.quiet("search")
}

// TestBrowserMap points at a track on the map, goes to it and back, and draws a
// rectangle around it.
func TestBrowserMap(t *testing.T) {
	w := newWalk(t)
	w.run(chromedp.EmulateViewport(1600, 1200))
	w.open("/clusters/beats_start")
	id, x, y := w.onMap()
	left := evaluate[float64](w, `document.querySelector('.map .wide img').getBoundingClientRect().left`)
	top := evaluate[float64](w, `document.querySelector('.map .wide img').getBoundingClientRect().top`)
	w.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, left+x, top+y))
	w.until(`!document.querySelector('.tip').hidden`)
	if tip := evaluate[string](w, `document.querySelector('.tip').textContent`); !strings.Contains(tip, " – ") {
		t.Errorf("the map says %q", tip)
	}
	w.follow(chromedp.MouseClickXY(left+x, top+y))
	if at := w.at(); at != "/track/"+id {
		t.Errorf("got to %q, want track %s", at, id)
	}
	w.back("/clusters/beats_start")
	w.follow(
		chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, left+x-40, top+y-40, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, left+x, top+y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, left+x+40, top+y+40, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, left+x+40, top+y+40, chromedp.ButtonLeft))
	if at := w.at(); !strings.HasPrefix(at, "/clusters/beats_start?view=") {
		t.Errorf("a rectangle leads to %q", at)
	}
	w.follow(chromedp.Click(chromedp.CSS(".zoom a:last-child")))
	if at := w.at(); at != "/clusters/beats_start" {
		t.Errorf("the whole map is at %q", at)
	}
	w.quiet("map")
}

// onMap returns a track that is alone where the map of beats_start has it, and the
// pixel.
func (w *walk) onMap() (id string, x, y float64) {
	w.Helper()
	db, err := store.Open(w.db)
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	c, err := db.Clustering(store.DefaultClustering)
	if err != nil {
		w.Fatal(err)
	}
	m, err := query.NewMap(db, c, store.Features[1])
	if err != nil {
		w.Fatal(err)
	}
	width, height := evaluate[int](w, `document.querySelector('.map .wide img').width`), evaluate[int](w, `document.querySelector('.map .wide img').height`)
	origin, err := picture.MapPart(m, c, nil, picture.WholeMap).At(picture.Options{Width: width, Height: height}, 0, 0)
	if err != nil {
		w.Fatal(err)
	}
	most := -1.0
	for i := range m.IDs {
		alone := math.Inf(1)
		for j := range m.IDs {
			if i != j {
				alone = min(alone, math.Hypot(m.X[i]-m.X[j], m.Y[i]-m.Y[j]))
			}
		}
		atX, atY := (m.X[i]-origin.X)/origin.Pixel, (origin.Y-m.Y[i])/origin.Pixel
		if alone > most && atX > 150 && atX < float64(width)-100 && atY > 100 && atY < 300 {
			id, x, y, most = string(m.IDs[i]), math.Round(atX), math.Round(atY), alone
		}
	}
	if most < 2*origin.Pixel {
		w.Fatal("no track is alone on the map")
	}
	return id, x, y
}

// TestBrowserKeyboard uses nothing but the keyboard.
func TestBrowserKeyboard(t *testing.T) {
	w := newWalk(t)
	focused := func() string {
		return evaluate[string](w, `(e => e.tagName + ' ' + (e.textContent || e.name || '').trim() + ' ' + getComputedStyle(e).outlineStyle)(document.activeElement)`)
	}
	w.run(chromedp.KeyEvent(kb.Tab))
	if got := focused(); got != "A Skip to content solid" {
		t.Errorf("first there is %q", got)
	}
	w.run(chromedp.KeyEvent(kb.Enter))
	w.until(`document.activeElement.id === 'main'`)
	// Every link of the page comes, and is seen to have the focus.
	w.open("/")
	total := evaluate[int](w, `[...document.querySelectorAll('a[href], button, input, summary, [tabindex="0"]')].filter(e => e.checkVisibility()).length`)
	seen := make(map[string]bool)
	for range total {
		w.run(chromedp.KeyEvent(kb.Tab))
		got := focused()
		if strings.HasPrefix(got, "BODY") || strings.HasSuffix(got, " none") {
			t.Errorf("the keyboard is at %q after %d stops of %d", got, len(seen), total)
			break
		}
		seen[got] = true
	}
	for _, want := range []string{"A beats_start solid", "A Clusterings solid", "BUTTON Search solid", "INPUT q solid"} {
		if !seen[want] {
			t.Errorf("the keyboard does not come to %q: %v", want, seen)
		}
	}
	w.quiet("keyboard")
}

// TestBrowserWithoutScript goes from the search to a track, its cluster and a
// member with JavaScript off.
func TestBrowserWithoutScript(t *testing.T) {
	w := newWalk(t)
	w.run(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	address := func() string {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		defer cancel()
		at, err := chromedp.Run(ctx, chromedp.Location())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	click := func(selector string) {
		t.Helper()
		before := address()
		w.run(chromedp.Click(chromedp.CSS(selector)))
		for begun := time.Now(); address() == before; time.Sleep(20 * time.Millisecond) {
			if time.Since(begun) > patience {
				t.Fatalf("%s leads nowhere from %s", selector, before)
			}
		}
	}
	w.run(chromedp.Navigate("http://" + w.host + "/"))
	w.run(chromedp.SendKeys(chromedp.CSS("#q"), "los foxes"))
	click("form.search button")
	click("td.c-title a")
	if at := address(); !strings.Contains(at, "/track/TR") {
		t.Errorf("got to %q", at)
	}
	click("td.c-cluster a")
	if at := address(); !strings.Contains(at, "/clusters/") {
		t.Errorf("got to %q", at)
	}
	click("td.c-title a")
	if at := address(); !strings.Contains(at, "/track/TR") {
		t.Errorf("got to %q", at)
	}
	w.quiet("without JavaScript")
}

// TestBrowserRebound asks for the server under another name, as a rebound one
// would be; and looks for the cookie from a script.
func TestBrowserRebound(t *testing.T) {
	w := newWalk(t, chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"))
	if cookie := evaluate[string](w, `document.cookie`); cookie != "" {
		t.Errorf("a script sees the cookie: %q", cookie)
	}
	_, port, _ := strings.Cut(w.host, ":")
	for _, path := range []string{"/", "/" + w.key, "/track/" + aSong, "/track/" + aSong + "/stats.json"} {
		w.run(chromedp.Navigate("http://evil.example:" + port + path))
		w.mu.Lock()
		if w.status != 421 {
			t.Errorf("%s under another name: status %d", path, w.status)
		}
		w.mu.Unlock()
		if text := evaluate[string](w, `document.body.innerText`); strings.Contains(text, "Foxes") || strings.Contains(text, "tatum.db") {
			t.Errorf("%s under another name: %q", path, text)
		}
	}
	// A page of another site gets no picture, no script and no frame of ours.
	w.run(chromedp.Navigate("http://evil.example:" + port + "/"))
	got := evaluate[string](w, fmt.Sprintf(`new Promise(done => { const i = new Image(); i.onload = () => done('a picture'); i.onerror = () => done('none'); i.src = 'http://%s/static/icon.svg'; })`, w.host), chromedp.EvalAwaitPromise)
	if got == "a picture" {
		t.Error("another site loads our pictures")
	}
}

// TestBrowserMeanwhile looks at pages while songs come and are clustered anew.
func TestBrowserMeanwhile(t *testing.T) {
	w := newWalk(t)
	songs := filepath.Join(t.TempDir(), "more")
	if code := run(t.Context(), []string{"demo", "--songs", "200", "--seed", "7", songs, "--quiet"}); code != exitDone {
		t.Fatalf("demo: exit code %d", code)
	}
	done := make(chan error, 1)
	go func() {
		for _, args := range [][]string{{"ingest", songs}, {"cluster", "assign"}, {"cluster", "-k", "8"}, {"cluster", "--name", "second", "-k", "3"}, {"cluster", "delete", "second"}} {
			if code := run(t.Context(), append(args, "--db", w.db, "--quiet")); code != exitDone {
				done <- fmt.Errorf("%q: exit code %d", args, code)
				return
			}
		}
		done <- nil
	}()
	rounds := 0
	for ended := false; !ended || rounds < 2; rounds++ {
		for _, path := range []string{"/", "/track/" + aSong, "/search?q=foxes", "/clusters/beats_start", "/clusters/beats_start/2", "/clusterings"} {
			w.open(path)
			if w.mu.Lock(); w.status != 200 {
				t.Errorf("%s: status %d", path, w.status)
			}
			w.mu.Unlock()
			w.quiet(path)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		default:
		}
	}
	w.open("/clusters/beats_start")
	if n := evaluate[int](w, `document.querySelectorAll('.c-central_track_id a').length`); n != 8 {
		t.Errorf("the new clustering has %d clusters with tracks, want 8", n)
	}
	db, err := store.Open(w.db)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if state, err := db.State(); err != nil || state.Tracks != 500 {
		t.Errorf("%d tracks, error %v", state.Tracks, err)
	}
}
