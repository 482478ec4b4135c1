package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strings"
	"testing"

	"tatum/store"
)

// TestServe opens the address that serve prints, and ends it as Ctrl-C does.
func TestServe(t *testing.T) {
	g := &globals{db: filepath.Join(t.TempDir(), "tatum.db"), quiet: true}
	if listen := newServe(g).Flags().Lookup("listen").DefValue; listen != "127.0.0.1:0" {
		t.Errorf("it listens on %q unless told otherwise", listen)
	}
	if err := runServe(t.Context(), g, "127.0.0.1:0", false, io.Discard); !errors.Is(err, store.ErrNoStore) {
		t.Errorf("without a store: %v", err)
	}
	w, err := store.CreateWriter(t.Context(), g.db, 0)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, listen := range []string{"8080", "127.0.0.1", ""} {
		var usage usageError
		if err := runServe(t.Context(), g, listen, false, io.Discard); !errors.As(err, &usage) {
			t.Errorf("--listen %q: %v", listen, err)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	stdout, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- runServe(ctx, g, "127.0.0.1:0", false, out) }()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-ended)
	}
	address = strings.TrimSpace(address)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Jar: jar}).Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "No songs yet") {
		t.Errorf("%s: status %d, error %v:\n%s", address, response.StatusCode, err, body)
	}
	stop()
	if err := <-ended; exitCode(err) != exitInterrupted {
		t.Errorf("after Ctrl-C: %v, want exit code %d", err, exitInterrupted)
	}
}
