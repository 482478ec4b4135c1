package web_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tatum/query/internal/madeup"
	"tatum/query/web"
)

// TestGuard attacks the server.
func TestGuard(t *testing.T) {
	s := newSite(t, madeup.Write(t, 20, 0))
	_, port, _ := strings.Cut(s.at, ":")
	host := func(host string) func(r *http.Request) { return func(r *http.Request) { r.Host = host } }
	header := func(name, value string) func(r *http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	none := func(*http.Request) {}
	track := "/track/" + string(madeup.ID(0))
	for _, test := range []struct {
		name   string
		method string
		path   string
		change func(r *http.Request)
		status int
	}{
		{"the address served", "GET", "/", none, 200},
		{"localhost", "GET", track, func(r *http.Request) { renameCookie(r, port); r.Host = "localhost:" + port }, 200},
		{"through a tunnel", "GET", track, func(r *http.Request) { renameCookie(r, "9999"); r.Host = "localhost:9999" }, 200},
		{"the host to be served", "GET", track, host("music.box:" + port), 200},
		{"without a port", "GET", track, func(r *http.Request) { renameCookie(r, "80"); r.Host = "127.0.0.1" }, 200},

		{"rebound host", "GET", "/", host("evil.example:" + port), 421},
		{"host with ours as prefix", "GET", "/", host("127.0.0.1.evil.example:" + port), 421},
		{"localhost as prefix", "GET", "/", host("localhost.evil.example"), 421},
		{"localhost as suffix", "GET", "/", host("evil-localhost"), 421},
		{"served host as prefix", "GET", "/", host("music.box.evil.example"), 421},
		{"another loopback address", "GET", "/", host("127.0.0.2:" + port), 421},
		{"IPv6 loopback, not listened on", "GET", "/", host("[::1]:" + port), 421},
		{"unspecified address", "GET", "/", host("0.0.0.0:" + port), 421},
		{"port that is none", "GET", "/", host("localhost:evil"), 421},
		{"user in the host", "GET", "/", host("localhost:80@evil.example"), 421},
		{"rebound, with the token", "GET", "/?token=" + token, host("evil.example"), 421},

		{"no cookie", "GET", "/", noCookie, 403},
		{"no cookie, a track", "GET", track, noCookie, 403},
		{"no cookie, a file", "GET", track + "/stats.json", noCookie, 403},
		{"no cookie, the style sheet", "GET", "/static/style.css", noCookie, 403},
		{"wrong token", "GET", "/?token=SECRET", noCookie, 403},
		{"empty token", "GET", "/?token=", noCookie, 403},
		{"wrong cookie", "GET", "/", func(r *http.Request) { noCookie(r); r.AddCookie(&http.Cookie{Name: s.cookie.Name, Value: token + "x"}) }, 403},
		{"cookie of another port", "GET", "/", func(r *http.Request) { renameCookie(r, "1") }, 403},
		{"token in a header", "GET", "/", func(r *http.Request) { noCookie(r); r.Header.Set("Authorization", token) }, 403},

		{"POST", "POST", "/", none, 405},
		{"PUT", "PUT", track, none, 405},
		{"DELETE", "DELETE", track, none, 405},
		{"OPTIONS", "OPTIONS", "/", none, 405},
		{"preflight", "OPTIONS", "/", header("Access-Control-Request-Method", "GET"), 405},
		{"TRACE", "TRACE", "/", none, 405},
		{"a method of their own", "FETCH", "/", none, 405},

		{"another site leads to the start page", "GET", "/", header("Sec-Fetch-Site", "cross-site"), 200},
		{"another site leads to a track", "GET", track, header("Sec-Fetch-Site", "cross-site"), 403},
		{"another site loads a file", "GET", track + "/stats.json", header("Sec-Fetch-Site", "cross-site"), 403},
		{"another site searches", "GET", "/search?q=a", header("Sec-Fetch-Site", "cross-site"), 403},
		{"another site has the token", "GET", track + "?token=" + token, header("Sec-Fetch-Site", "cross-site"), 403},
		{"this site", "GET", track, header("Sec-Fetch-Site", "same-origin"), 200},
		{"typed", "GET", track, header("Sec-Fetch-Site", "none"), 200},
		{"cross-origin read", "GET", track, header("Origin", "http://evil.example"), 200}, // without CORS, see below

		{"path with ..", "GET", "/static/..%2f..%2fguard.go", none, 404},
		{"path of a template", "GET", "/templates/layout.html", none, 404},
		{"path with a NUL", "GET", "/track/%00", none, 404},
		{"path as an ID", "GET", "/track/..%2f..%2f..%2fetc%2fpasswd", none, 404},
		{"path as a feature", "GET", "/clusters/..%2fetc", none, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := s.ask(test.method, test.path, test.change)
			if r.StatusCode != test.status {
				t.Errorf("got %d, want %d:\n%s", r.StatusCode, test.status, r.body)
			}
			checkHeaders(t, r)
			if r.StatusCode != http.StatusOK && (strings.Contains(r.body, "made-up.db") || strings.Contains(r.body, "Sigur")) && r.StatusCode != http.StatusNotFound {
				t.Errorf("a refusal tells of the store:\n%s", r.body)
			}
			if test.status == http.StatusMethodNotAllowed && r.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", r.Header.Get("Allow"))
			}
		})
	}
}

func noCookie(r *http.Request) { r.Header.Del("Cookie") }

func renameCookie(r *http.Request, port string) {
	noCookie(r)
	r.AddCookie(&http.Cookie{Name: "tatum-" + port, Value: token})
}

// checkHeaders wants the headers that every answer has, whatever its status.
func checkHeaders(t *testing.T, r answer) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	policy := strings.Split(r.Header.Get("Content-Security-Policy"), "; ")
	for _, want := range []string{
		"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'",
		"script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "form-action 'self'",
	} {
		if !slices.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("CORS: %s", name)
		}
	}
}

// TestToken follows the first address.
func TestToken(t *testing.T) {
	s := newSite(t, madeup.Write(t, 20, 0))
	_, port, _ := strings.Cut(s.at, ":")
	s.cookie = nil
	r := s.get("/search?q=a&token=" + token)
	if to := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || to != "/search?q=a" {
		t.Errorf("got %d to %q", r.StatusCode, to)
	}
	want := "tatum-" + port + "=" + token + "; Path=/; HttpOnly; SameSite=Strict"
	if got := r.Header.Get("Set-Cookie"); got != want {
		t.Errorf("got cookie %q, want %q", got, want)
	}
	if strings.Contains(r.body, token) {
		t.Error("the token is in the answer")
	}
	// A path that looks like another host does not lead there.
	if to := s.get("//evil.example/?token=" + token).Header.Get("Location"); to != "/evil.example/" {
		t.Errorf("got to %q", to)
	}
	// From another site: the strict cookie would not be sent on after a redirect.
	r = s.ask(http.MethodGet, "/?token="+token, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	if r.StatusCode != http.StatusOK || r.Header.Get("Refresh") != "0; url=/" || len(r.Cookies()) != 1 {
		t.Errorf("from another site: got %d, %q, %d cookies", r.StatusCode, r.Header.Get("Refresh"), len(r.Cookies()))
	}
	checkHeaders(t, r)
}

func TestAddress(t *testing.T) {
	for _, test := range []struct{ at, want string }{
		{"127.0.0.1:8080", "http://127.0.0.1:8080/?token=T"},
		{"[::1]:8080", "http://[::1]:8080/?token=T"},
		{"0.0.0.0:80", "http://localhost:80/?token=T"},
		{"[::]:80", "http://localhost:80/?token=T"},
		{"192.168.1.7:80", "http://192.168.1.7:80/?token=T"},
	} {
		at, err := net.ResolveTCPAddr("tcp", test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := web.Address(at, "T"); got != test.want {
			t.Errorf("%s: got %q, want %q", test.at, got, test.want)
		}
	}
}
