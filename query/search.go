package query

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

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

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// Search returns the tracks whose artist, title and release together contain
// every word of text, each as a part of any of the three, in the order of track
// IDs. Case and accents make no difference, nor do compatibility forms such as
// full-width letters, nor typographic quotes; ø is o, æ is ae and so on. Limit is
// how many tracks to return at most, 0 for all. A text without words finds
// nothing.
func Search(db *store.DB, text string, limit int) ([]Match, error) {
	folder := newFolder()
	words := strings.Fields(folder.fold(text))
	if len(words) == 0 {
		return nil, nil
	}
	var matches []Match
	err := db.Tracks(func(t *store.Track) error {
		if !folder.matches(t, words) {
			return nil
		}
		matches = append(matches, Match{t.ID, t.ArtistName, t.Title, t.Release, int(t.Year)})
		if len(matches) == limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return matches, nil
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
func (f *folder) matches(t *store.Track, words []string) bool {
	artist, title, release := f.fold(t.ArtistName), f.fold(t.Title), f.fold(t.Release)
	for _, word := range words {
		if !strings.Contains(artist, word) && !strings.Contains(title, word) && !strings.Contains(release, word) {
			return false
		}
	}
	return true
}

// fold folds a text letter by letter, which comes to the same as folding it
// whole, as marks are dropped wherever they stand; and letters recur.
func (f *folder) fold(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	f.buf = f.buf[:0]
	for _, r := range text {
		folded, met := f.memo[r]
		if !met {
			folded = f.letter(r)
			f.memo[r] = folded
		}
		f.buf = append(f.buf, folded...)
	}
	return string(f.buf)
}

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

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
