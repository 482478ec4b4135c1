package query

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns those of the candidates that a mistyped word may have meant,
// the likeliest first and at most three: those that the word begins, and those
// at an edit distance of no more than a third of the word's length, where
// swapping two neighbours is one edit. Case makes no difference.
func Nearest(word string, candidates []string) []string {
	type guess struct {
		text  string
		edits int
	}
	word = strings.ToLower(word)
	var guesses []guess
	for _, text := range candidates {
		edits := editDistance(word, strings.ToLower(text))
		if edits <= max(1, len(word)/3) || word != "" && strings.HasPrefix(strings.ToLower(text), word) {
			guesses = append(guesses, guess{text, edits})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int { return cmp.Compare(a.edits, b.edits) })
	texts := make([]string, 0, 3)
	for _, g := range guesses[:min(3, len(guesses))] {
		texts = append(texts, g.text)
	}
	return texts
}

// editDistance returns how many bytes have to be inserted, removed, replaced
// or swapped with their neighbour to turn a into b.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := 1
			if a[i-1] == b[j-1] {
				replace = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
