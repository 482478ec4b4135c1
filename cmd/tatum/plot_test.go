package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// pictures are the commands whose SVGs are kept in testdata/pictures, by name.
// Their titles are in letters that the built-in font has.
var pictures = map[string][]string{
	"song":      {"song", "TRGRQUI128610DAA89"},
	"pair":      {"pair", "TRGRQUI128610DAA89", "TRHUAOH1282A3E7908"},
	"map":       {"map", "beats_start"},
	"highlight": {"map", "segments_start", "--highlight", "1,5"},
	"profile":   {"profile", "tatums_start"},
	"cluster":   {"profile", "bars_start", "0"},
	"sizes":     {"sizes", "segments_loudness_max"},
	"k":         {"k", "beats_start", "-k", "2,4,8"},
	"features":  {"features"},
}

// TestPictures draws the demo's songs twice and compares with the kept SVGs.
func TestPictures(t *testing.T) {
	skipShort(t)
	t.Parallel()
	dir := t.TempDir()
	db := filepath.Join(dir, "tatum.db")
	makeDemo(t, filepath.Join(dir, "songs"), 60, 1)
	runTatum(t, "ingest", "--quiet", "--arrays", "all", "--db", db, filepath.Join(dir, "songs"))
	runTatum(t, "cluster", "--quiet", "--db", db, "-k", "8")
	for name, args := range pictures {
		t.Run(name, func(t *testing.T) {
			kept := filepath.Join("testdata", "pictures", name+".svg")
			var drawn []byte
			for i, ending := range []string{".svg", ".svg", ".png", ".pdf"} {
				out := filepath.Join(dir, name+ending)
				runTatum(t, append([]string{"plot", "--db", db, "--out", out, "--data", out + ".csv"}, args...)...)
				again, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				if i == 1 && !bytes.Equal(drawn, again) {
					t.Error("drawn twice, it is not the same")
				}
				if ending == ".svg" {
					drawn = again
				}
			}
			checkXML(t, drawn)
			// Which depends on what was built.
			drawn = regexp.MustCompile(`(<picture [^>]*) version="[^"]*"`).ReplaceAll(drawn, []byte("$1"))
			if *update {
				if err := os.WriteFile(kept, drawn, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(kept)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(drawn, want) {
				t.Errorf("it is not as in %s; -update writes it anew", kept)
			}
		})
	}
}

// checkXML fails unless data are XML.
func checkXML(t *testing.T, data []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
