package web

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"tatum/query"
)

// Options say what is served, and to whom.
type Options struct {
	Store   string // path of the store
	Token   string // what the first request has to give; must not be empty
	Host    string // a host name that requests may ask for, besides localhost and the server's IP address
	Version string // of the program
}

// The limits of a connection. An answer may have to wait for a writer, for other
// pictures, and be drawn.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 2 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// NewServer returns a server of the store's pages, to be given a listener.
func NewServer(o Options) *http.Server {
	if o.Token == "" {
		panic("web: no token")
	}
	s := newServer(o)
	return &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}

// A server is what all requests share.
type server struct {
	Options
	scans    gate // questions that go through all tracks use all processors, and let writers in between
	drawings gate

	names   kept[*query.Catalogue]
	maps    keptMaps
	answers cache
}

func newServer(o Options) *server {
	return &server{Options: o, scans: make(gate, 1), drawings: make(gate, 2)}
}

// A gate lets only so many through at once.
type gate chan struct{}

// enter waits for a place; leave has to be called afterwards.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }

// base returns the store's name, without the folders that are nobody's business.
func (s *server) base() string { return filepath.Base(s.Store) }

// Address returns the first address to open: that of a listener, with the token.
// A listener on all of a machine's addresses is asked for by name.
func Address(at net.Addr, token string) string {
	host, port := splitHost(at.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: "/", RawQuery: url.Values{tokenParam: {token}}.Encode()}
	return u.String()
}
