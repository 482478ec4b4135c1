package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"tatum/query/web"
	"tatum/store"
)

// shutdownTime is how long answers under way may take once the server is told to
// end.
const shutdownTime = 2 * time.Second

func newServe(g *globals) *cobra.Command {
	var listen string
	var open bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Show the store in a browser",
		Long: `serve prints an address and shows the store there, in a browser on this machine,
until Ctrl-C: songs and what is like them, clusters, maps, two songs side by side.
It only reads, loads nothing from elsewhere, and lets writers in between: the
store may be ingested into and clustered anew meanwhile.

The address ends in a key, which the browser keeps; without it nobody gets an
answer, and not from another machine either, unless --listen says so. To see the
store of a far machine, use a tunnel: ssh -L 8080:127.0.0.1:8080 MACHINE, there
tatum serve --listen 127.0.0.1:8080, and open the address with localhost.`,
		Example: `  tatum serve
  tatum serve --listen 127.0.0.1:8080 --open`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(cmd.Context(), g, listen, open, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	cmd.Flags().BoolVar(&open, "open", false, "open the address in the browser")
	return cmd
}

func runServe(ctx context.Context, g *globals, listen string, open bool, stdout io.Writer) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen %q: want HOST:PORT, such as 127.0.0.1:8080", listen)}
	}
	db, err := store.Open(g.db) // to say so at once when there is none
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	// What is kept of a store of a million tracks takes 200 MB. Half of that again
	// is garbage enough.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	token := rand.Text()
	address := web.Address(l.Addr(), token)
	server := web.NewServer(web.Options{Store: g.db, Token: token, Host: host, Version: readBuild().version})
	if _, err := fmt.Fprintln(stdout, address); err != nil {
		return errors.Join(err, l.Close())
	}
	if !g.quiet {
		fmt.Fprintf(os.Stderr, "tatum: %q is at this address until Ctrl-C\n", g.db)
	}
	if open {
		if err := openBrowser(address); err != nil {
			fmt.Fprintf(os.Stderr, "tatum: no browser opened: %v; open the address yourself\n", err)
		}
	}
	return serve(ctx, server, l)
}

// serve answers until ctx ends.
func serve(ctx context.Context, server *http.Server, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if server.Shutdown(wait) != nil {
		_ = server.Close() // whoever still waits has to ask again
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

// openBrowser has the system open an address.
func openBrowser(address string) error {
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", address)
	case "darwin":
		cmd = exec.Command("open", address)
	default:
		cmd = exec.Command("xdg-open", address)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // the browser may live longer than tatum, or not start: the address stands above
	return nil
}
