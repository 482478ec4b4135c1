package web

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// tokenParam is where the first address has the token.
const tokenParam = "token"

// pagePolicy has a page load nothing but what this server serves.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard lets those requests through to next that may be answered.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "private, no-cache")
		// The cookie decides between an answer and none.
		h.Set("Vary", "Cookie, Sec-Fetch-Site")
		switch {
		case !s.hostAllowed(r):
			s.refuse(w, r, http.StatusMisdirectedRequest, "This server is not at the address that was asked for",
				"Use the address that tatum serve printed. Through a tunnel, use localhost.")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			s.refuse(w, r, http.StatusMethodNotAllowed, "Nothing can be changed here", "Pages can be read with GET and HEAD.")
		case crossSite(r) && r.URL.Path != "/":
			s.refuse(w, r, http.StatusForbidden, "Another site led here", "Begin at the start page.")
		case s.tokenGiven(r):
			s.admit(w, r)
		case !s.admitted(r):
			s.refuse(w, r, http.StatusForbidden, "Not without the key",
				"Open the address that tatum serve printed when it was started. It ends in a key, which your browser then keeps.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hostAllowed reports whether the Host header names the address that the request
// came to, the host that was to be served, or localhost; the port may be that of
// a tunnel.
func (s *server) hostAllowed(r *http.Request) bool {
	host, port := splitHost(r.Host)
	if port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
	}
	if strings.EqualFold(host, "localhost") || s.Host != "" && strings.EqualFold(host, s.Host) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, _ := splitHost(local.String())
	return net.ParseIP(host) != nil && net.ParseIP(host).Equal(net.ParseIP(at))
}

// splitHost divides host:port. The port may be missing.
func splitHost(hostPort string) (host, port string) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host, port = hostPort, ""
		if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
			host = strings.TrimSuffix(inner, "]")
		}
	}
	return host, port
}

// crossSite reports whether a page of another site caused the request.
func crossSite(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Site") == "cross-site" }

// cookieName is that of the cookie with the token. Cookies are shared by all
// ports of a host, so it has the port that the browser sees.
func cookieName(r *http.Request) string {
	_, port := splitHost(r.Host)
	if port == "" {
		port = "80"
	}
	return "tatum-" + port
}

func (s *server) isToken(text string) bool {
	return subtle.ConstantTimeCompare([]byte(text), []byte(s.Token)) == 1
}

func (s *server) tokenGiven(r *http.Request) bool { return s.isToken(r.URL.Query().Get(tokenParam)) }

func (s *server) admitted(r *http.Request) bool {
	for _, c := range r.CookiesNamed(cookieName(r)) {
		if s.isToken(c.Value) {
			return true
		}
	}
	return false
}

// admit gives the cookie and leads to the same address without the token.
func (s *server) admit(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: s.Token, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	q := r.URL.Query()
	q.Del(tokenParam)
	// The path alone: one that begins with two slashes would lead to another host.
	to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: q.Encode()}
	if !crossSite(r) {
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
		return
	}
	// After a redirect the request would still be of another site, and a strict
	// cookie would stay behind. From a page of ours it is not.
	w.Header().Set("Refresh", "0; url="+to.String())
	s.refuse(w, r, http.StatusOK, "Welcome", "Go on to the start page.")
}
