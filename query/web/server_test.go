package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tatum/query/internal/madeup"
)

// TestGates has all places taken where pictures are drawn, or all tracks read: who
// gives up waiting gets nothing, and others still get what needs neither.
func TestGates(t *testing.T) {
	s := newServer(Options{Store: madeup.Write(t, 20, 0), Token: "T"})
	pages := s.routes()
	get := func(ctx context.Context, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		return w
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	picture, scan := "/clusters/bars_start/sizes.svg", "/search.json?q=sigur"
	for range cap(s.drawings) {
		s.drawings <- struct{}{}
	}
	s.scans <- struct{}{}
	if cap(s.drawings) != 2 || cap(s.scans) != 1 {
		t.Errorf("%d pictures and %d scans at once, want 2 and 1", cap(s.drawings), cap(s.scans))
	}
	for _, path := range []string{picture, scan} {
		if w := get(impatient, path); w.Body.Len() > 0 {
			t.Errorf("%s, with no place left: %s", path, w.Body)
		}
	}
	if w := get(t.Context(), "/clusterings"); w.Code != http.StatusOK {
		t.Errorf("a page that needs no place: status %d", w.Code)
	}
	s.drawings.leave()
	s.scans.leave()
	for path, want := range map[string]string{picture: "<svg", scan: "Sigur"} {
		if w := get(t.Context(), path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s, with a place: status %d, %s", path, w.Code, w.Body)
		}
	}
	if len(s.drawings) != 1 || len(s.scans) != 0 {
		t.Errorf("places taken: %d and %d, want 1 and 0", len(s.drawings), len(s.scans))
	}
	// What has been drawn needs no place.
	s.drawings <- struct{}{}
	if w := get(t.Context(), picture); w.Code != http.StatusOK {
		t.Errorf("%s, drawn before: status %d", picture, w.Code)
	}
}
