package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// lineEvery is how often progress is told where there is no terminal.
const lineEvery = 5 * time.Second

// A progress tells on standard error how far a command is: with a bar on a
// terminal, else with a line now and then.
type progress struct {
	what  string
	quiet bool
	bar   *progressbar.ProgressBar // nil unless on a terminal

	begun, told time.Time
}

func newProgress(quiet bool, what string) *progress {
	p := &progress{what: what, quiet: quiet}
	if !quiet && term.IsTerminal(int(os.Stderr.Fd())) {
		p.bar = progressbar.NewOptions(0,
			progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionUseANSICodes(true))
	}
	return p
}

// set tells that done of total are done, bad of which could not be. The total is
// 0 while it is not known.
func (p *progress) set(done, total, bad int) {
	now := time.Now()
	if p.begun.IsZero() { // what came before, such as a walk, says nothing about speed
		p.begun, p.told = now, now
	}
	if p.bar != nil {
		if bad > 0 {
			p.bar.Describe(fmt.Sprintf("%s, %d bad", p.what, bad))
		}
		p.bar.ChangeMax(max(done, total))
		_ = p.bar.Set(done) // a bar that cannot be drawn is no reason to stop
		return
	}
	if p.quiet || now.Sub(p.told) < lineEvery {
		return
	}
	p.told = now
	rate := float64(done) / now.Sub(p.begun).Seconds()
	if total == 0 {
		fmt.Fprintf(os.Stderr, "%s: %d, %.0f per second, %d bad\n", p.what, done, rate, bad)
		return
	}
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(os.Stderr, "%s: %d of %d, %.0f per second, %v left, %d bad\n", p.what, done, total, rate, left, bad)
}

// done removes the bar.
func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
