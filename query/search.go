package query

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"tatum/store"
)

// A Match is a track found by Search.
type Match struct {
	TrackID store.TrackID
	Artist  string
	Title   string
	Release string
	Year    int // 0 when unknown
}

// Search returns the tracks whose artist, title and release together contain
// every word of text, each as a part of any of the three, in the order of track
// IDs. Case and accents make no difference, nor do compatibility forms such as
// full-width letters, nor typographic quotes; ø is o, æ is ae and so on. Limit is
// how many tracks to return at most, 0 for all. A text without words finds
// nothing.
func Search(db *store.DB, text string, limit int) ([]Match, error) {
	words := foldedWords(text)
	if len(words) == 0 {
		return nil, nil
	}
	spans, err := db.Spans(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	found := make([][]Match, len(spans))
	var full atomic.Int64 // the first span that alone has as many as are wanted
	full.Store(int64(len(spans)))
	var seen atomic.Int64
	var g errgroup.Group
	for i, span := range spans {
		g.Go(func() error {
			folder := newFolder()
			for names, err := range db.Names(span) {
				if err != nil {
					return err
				}
				if int64(i) > full.Load() {
					return nil
				}
				seen.Add(1)
				if !folder.matches(names, words) {
					continue
				}
				t, err := names.Track()
				if err != nil {
					return err
				}
				found[i] = append(found[i], MatchOf(&t))
				if len(found[i]) == limit {
					full.Store(min(int64(i), full.Load()))
					return nil
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	matches := slices.Concat(found...)
	if limit > 0 && len(matches) >= limit {
		return matches[:limit], nil
	}
	return matches, db.Complete(store.Features[0], int(seen.Load()))
}

// MatchOf returns a track as Search does.
func MatchOf(t *store.Track) Match {
	return Match{t.ID, t.ArtistName, t.Title, t.Release, int(t.Year)}
}

// A folder makes texts that differ in case and accents only the same. It may
// not be used by several goroutines at once.
type folder struct {
	full transform.Transformer
	memo map[rune]string // what the letters met so far are folded to
	buf  []byte
}

func newFolder() *folder {
	return &folder{
		full: transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), cases.Fold()),
		memo: make(map[rune]string),
	}
}

// matches reports whether every word is in the track's artist, title or
// release.
func (f *folder) matches(n *store.Names, words []string) bool {
	f.buf = f.appendNames(f.buf[:0], n)
	return containsAll(f.buf, words)
}

// appendNames appends a track's folded artist, title and release, each with a
// line break after it, which no word has.
func (f *folder) appendNames(dst []byte, n *store.Names) []byte {
	dst = append(f.appendFolded(dst, n.Artist), '\n')
	dst = append(f.appendFolded(dst, n.Title), '\n')
	return append(f.appendFolded(dst, n.Release), '\n')
}

func containsAll(text []byte, words []string) bool {
	for _, word := range words {
		if !bytes.Contains(text, []byte(word)) {
			return false
		}
	}
	return true
}

// foldedWords returns the words of a text to search for.
func foldedWords(text string) []string {
	return strings.Fields(string(newFolder().appendFolded(nil, []byte(text))))
}

// appendFolded folds a text letter by letter, which comes to the same as folding
// it whole, as marks are dropped wherever they stand; and letters recur.
func (f *folder) appendFolded(dst, text []byte) []byte {
	for len(text) > 0 {
		if c := text[0]; c < utf8.RuneSelf {
			dst, text = append(dst, lower[c]), text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		folded, met := f.memo[r]
		if !met {
			folded = f.letter(r)
			f.memo[r] = folded
		}
		dst = append(dst, folded...)
	}
	return dst
}

// lower has the small letters of ASCII in place of the capital ones.
var lower = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		t[c] = byte(c)
		if 'A' <= c && c <= 'Z' {
			t[c] += 'a' - 'A'
		}
	}
	return t
}()

func (f *folder) letter(r rune) string {
	folded, _, err := transform.String(f.full, string(r))
	if err != nil {
		return string(r) // none of these transformers fails
	}
	return lookAlikes.Replace(folded)
}

// lookAlikes are what people type for letters that do not consist of a letter
// and an accent, and for quotes and dashes that keyboards lack.
var lookAlikes = strings.NewReplacer(
	"ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i",
	"‘", "'", "’", "'", "“", `"`, "”", `"`, "–", "-", "—", "-", "‐", "-",
)
