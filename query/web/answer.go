package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tatum/query/picture"
	"tatum/query/render"
	"tatum/store"
)

// The kinds of answers.
const (
	typeHTML = "text/html; charset=utf-8"
	typeJSON = "application/json; charset=utf-8"
	typeCSV  = "text/csv; charset=utf-8"
	typeText = "text/plain; charset=utf-8"
	typeSVG  = "image/svg+xml"
	typePNG  = "image/png"
)

// A writeFunc writes an answer whose values have been read.
type writeFunc func(out *bytes.Buffer) error

// errScan is returned by what has to go through all tracks and may not yet.
var errScan = errors.New("all tracks have to be read")

// handle answers with what read asks the store, and the function that it returns
// writes once the store is closed. A question that returns errScan is asked again
// when no other goes through all tracks.
func (s *server) handle(contentType string, read func(q *question) (writeFunc, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var write writeFunc
		var etag string
		ask := func(scanning bool) error {
			return s.ask(r, func(q *question) (err error) {
				q.scanning = scanning
				if etag = s.etag(q.stamp); matches(r.Header.Get("If-None-Match"), etag) {
					return nil
				}
				write, err = read(q)
				return err
			})
		}
		err := ask(false)
		if errors.Is(err, errScan) {
			if err = s.scans.enter(r.Context()); err == nil {
				err = ask(true)
				s.scans.leave()
			}
		}
		var out bytes.Buffer
		switch {
		case err != nil:
		case write == nil:
			w.Header().Set("ETag", etag)
			w.WriteHeader(http.StatusNotModified)
			return
		default:
			err = write(&out)
		}
		var to redirect
		switch {
		case errors.As(err, &to):
			http.Redirect(w, r, string(to), http.StatusSeeOther)
			return
		case err != nil:
			s.fail(w, r, contentType, err)
			return
		}
		w.Header().Set("ETag", etag)
		send(w, http.StatusOK, contentType, out.Bytes())
	}
}

// A redirect is returned by what leads to another address.
type redirect string

func (r redirect) Error() string { return "it is at " + string(r) }

// scan returns errScan until the question may go through all tracks.
func (q *question) scan() error {
	if q.scanning {
		return nil
	}
	return errScan
}

// etag returns what tells an answer from the one of another store, or another
// version of tatum, to the same question.
func (s *server) etag(stamp string) string {
	sum := sha256.Sum256([]byte(s.Version + "\n" + assetsHash() + "\n" + stamp))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// matches reports whether a list of entity tags has one.
func matches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	// However long it took to read all tracks, there is time to write the answer.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who asked has gone
}

// A problem is an error that a person is told, with what to do next.
type problem struct {
	status int
	what   string // a sentence
	next   string // what to do
	links  []link
}

func (p *problem) Error() string { return p.what }

// A link leads somewhere.
type link struct{ Text, Href string }

// wrongAddress is the problem of a request that makes no sense.
func wrongAddress(what, next string) error {
	return &problem{status: http.StatusBadRequest, what: what, next: next}
}

// problemOf says what an error means to who asked.
func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, store.ErrNoStore):
		return &problem{status: http.StatusServiceUnavailable, what: "There is no store any more",
			next: "The file was moved, removed or replaced by another. Put it back, or ingest songs anew, and load this page again."}
	case errors.Is(err, store.ErrLocked):
		return &problem{status: http.StatusServiceUnavailable, what: "The store is being written to",
			next: "Another process has kept it for itself for a while. Load this page again in a moment."}
	case errors.Is(err, store.ErrFormatVersion):
		return &problem{status: http.StatusServiceUnavailable, what: "The store is of another version of tatum", next: err.Error()}
	case errors.Is(err, store.ErrCorrupt):
		return &problem{status: http.StatusInternalServerError, what: "The store is damaged",
			next: "Run tatum store check to see where, then restore a backup. (" + err.Error() + ")"}
	case errors.Is(err, picture.ErrSize):
		return &problem{status: http.StatusBadRequest, what: "A picture cannot be of that size", next: err.Error()}
	case errors.Is(err, store.ErrTrackNotFound):
		return &problem{status: http.StatusNotFound, what: "There is no such track in the store",
			next: "It may have been removed, or the ID is mistyped. Search for the song instead."}
	}
	return &problem{status: http.StatusInternalServerError, what: "That went wrong", next: err.Error()}
}

// fail answers with an error: pages with a page, files with a line.
func (s *server) fail(w http.ResponseWriter, r *http.Request, contentType string, err error) {
	p := problemOf(err)
	if r.Context().Err() != nil {
		return // nobody listens
	}
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.Header().Set("Cache-Control", "no-store")
	if contentType != typeHTML {
		send(w, p.status, typeText, []byte(p.what+". "+p.next+"\n"))
		return
	}
	s.sendProblem(w, r, p, true)
}

// refuse answers a request that must not learn anything about the store.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, status int, what, next string) {
	w.Header().Set("Cache-Control", "no-store")
	p := &problem{status: status, what: what, next: next}
	if status == http.StatusOK || status == http.StatusForbidden && crossSite(r) {
		p.links = []link{{"Start page", "/"}}
	}
	s.sendProblem(w, r, p, false)
}

func (s *server) sendProblem(w http.ResponseWriter, r *http.Request, p *problem, known bool) {
	l := &layout{Title: p.what, Refused: !known}
	if known {
		l.Store = s.base()
		l.Query = render.Clean(r.URL.Query().Get("q"))
	}
	l.Content = map[string]any{"What": p.what, "Next": p.next, "Links": p.links}
	var out bytes.Buffer
	if err := renderPage(&out, "problem", l); err != nil {
		send(w, http.StatusInternalServerError, typeText, []byte(err.Error()+"\n"))
		return
	}
	send(w, p.status, typeHTML, out.Bytes())
}
