package picture

import (
	"bytes"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"github.com/go-text/typesetting/di"
	gotext "github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/fontscan"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	stdfont "golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/bidi"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// legal returns a text that may stand in any file: valid UTF-8, on one line,
// without characters that XML forbids or that turn the direction of what follows.
func legal(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r == 0xfffe, r == 0xffff, r&0xfffe == 0xfffe:
			return unicode.ReplacementChar
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// letters writes texts: with the built-in font those it can, others as outlines.
type letters struct {
	builtInOnly bool
	shaper      shaping.HarfbuzzShaper
	segmenter   shaping.Segmenter
	system      *fontscan.FontMap // nil until it is needed
	searched    bool
}

func newLetters(builtInOnly bool) *letters { return &letters{builtInOnly: builtInOnly} }

// builtIn are Liberation Sans, regular and bold, which look the same as gonum's.
var builtIn = sync.OnceValue(func() (faces [2]*gotext.Font) {
	for i, ttf := range [][]byte{liberationsansregular.TTF, liberationsansbold.TTF} {
		face, err := gotext.ParseTTF(bytes.NewReader(ttf))
		if err != nil {
			panic(err) // it is part of the program
		}
		faces[i] = face.Font
	}
	return faces
})

func faceOf(bold bool) *gotext.Face {
	if bold {
		return gotext.NewFace(builtIn()[1])
	}
	return gotext.NewFace(builtIn()[0])
}

// plain reports whether a text needs no more than the built-in font's letters, one
// after another.
func plain(line string) bool {
	ascii := true
	for i := range len(line) {
		ascii = ascii && line[i] >= ' ' && line[i] < 0x7f
	}
	if ascii {
		return true
	}
	face := faceOf(false)
	for _, r := range line {
		properties, _ := bidi.LookupRune(r)
		class := properties.Class()
		if _, ok := face.NominalGlyph(r); !ok || class == bidi.R || class == bidi.AL || unicode.Is(unicode.M, r) {
			return false
		}
	}
	return true
}

// ResolveFace returns a font that has a letter: [shaping.Segmenter] asks for it.
func (l *letters) ResolveFace(r rune) *gotext.Face { return l.face(r, false) }

// SetScript tells which script the letters are of that are asked for next.
func (l *letters) SetScript(s language.Script) {
	if m := l.machine(); m != nil {
		m.SetScript(s)
	}
}

func (l *letters) face(r rune, bold bool) *gotext.Face {
	own := faceOf(bold)
	if _, ok := own.NominalGlyph(r); ok {
		return own
	}
	if m := l.machine(); m != nil {
		if face := m.ResolveFace(r); face != nil {
			return face
		}
	}
	return own
}

// machine returns the fonts of this machine, nil if it tells of none.
func (l *letters) machine() *fontscan.FontMap {
	if l.searched || l.builtInOnly {
		return l.system
	}
	l.searched = true
	system := fontscan.NewFontMap(log.New(io.Discard, "", 0))
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	if err := system.UseSystemFonts(cache); err != nil {
		return nil
	}
	system.SetQuery(fontscan.Query{Families: []string{fontscan.SansSerif}})
	l.system = system
	return system
}

// shapeSize is the size, in pixels, that texts are shaped in, since the shaper
// rounds others up.
const shapeSize = 1000

// shaped returns how many pixels a length of the shaper's is in a text of that size.
func shaped(length fixed.Int26_6, size float64) float64 {
	return float64(length) / 64 / shapeSize * size
}

// shape returns a text as runs of glyphs, from left to right, in shapeSize.
func (l *letters) shape(line string, style textStyle) []shaping.Output {
	runes := []rune(line)
	inputs := l.segmenter.Split(shaping.Input{
		Text: runes, RunEnd: len(runes), Direction: di.DirectionLTR,
		Size: fixed.I(shapeSize), Language: language.DefaultLanguage(),
	}, l)
	var runs []shaping.Output
	backwards := 0 // how many runs of the last ones go from right to left
	for _, input := range inputs {
		if style.bold && input.Face.Font == builtIn()[0] {
			input.Face = faceOf(true)
		}
		run := l.shaper.Shape(input)
		if run.Direction.Progression() == di.TowardTopLeft {
			runs = slices.Insert(runs, len(runs)-backwards, run)
			backwards++
		} else {
			runs = append(runs, run)
			backwards = 0
		}
	}
	return runs
}

// missing names the letters of a text that no font has, or returns "".
func (l *letters) missing(line string) string {
	if plain(line) {
		return ""
	}
	runes := []rune(line)
	var lacking []rune
	for _, run := range l.shape(line, titleStyle) {
		for _, g := range run.Glyphs {
			first := runes[g.TextIndex()]
			_, outline := run.Face.GlyphData(g.GlyphID).(gotext.GlyphOutline)
			if (g.GlyphID == 0 || !outline) && !unicode.IsSpace(first) && !slices.Contains(lacking, first) {
				lacking = append(lacking, first)
			}
		}
	}
	if len(lacking) == 0 {
		return ""
	}
	return "the letters " + string(lacking)
}

// width returns how many pixels a text takes.
func (l *letters) width(line string, style textStyle) float64 {
	if plain(line) {
		face := font.DefaultCache.Lookup(style.font(), pixels(style.size))
		return float64(face.Width(line) / pixels(1))
	}
	sum := 0.0
	for _, run := range l.shape(line, style) {
		sum += shaped(run.Advance, style.size)
	}
	return sum
}

// FillString writes a text. It takes the place of the formats' own, which leave
// out letters that the built-in font lacks, and in a PDF have no bold ones, nor
// those beyond ASCII.
func (b *backend) FillString(face font.Face, at vg.Point, line string) {
	bold := face.Font.Weight == stdfont.WeightBold
	if plain(line) && (b.format != PDF || !bold && !strings.ContainsFunc(line, func(r rune) bool { return r > '~' })) {
		b.Canvas.FillString(face, at, line)
		return
	}
	size := float64(face.Font.Size / pixels(1))
	style := textStyle{size: size, bold: bold}
	for _, run := range b.letters.shape(line, style) {
		scale := pixels(size) / vg.Length(run.Face.Upem())
		for _, g := range run.Glyphs {
			outline, _ := run.Face.GlyphData(g.GlyphID).(gotext.GlyphOutline)
			from := vg.Point{X: at.X + pixels(shaped(g.XOffset, size)), Y: at.Y + pixels(shaped(g.YOffset, size))}
			if path := outlinePath(outline, from, scale); len(path) > 0 {
				b.Fill(path)
			}
			at.X += pixels(shaped(g.Advance, size))
		}
	}
}

func outlinePath(outline gotext.GlyphOutline, from vg.Point, scale vg.Length) (path vg.Path) {
	point := func(p opentype.SegmentPoint) vg.Point {
		return vg.Point{X: from.X + vg.Length(p.X)*scale, Y: from.Y + vg.Length(p.Y)*scale}
	}
	for _, s := range outline.Segments {
		switch s.Op {
		case opentype.SegmentOpMoveTo:
			if len(path) > 0 {
				path.Close()
			}
			path.Move(point(s.Args[0]))
		case opentype.SegmentOpLineTo:
			path.Line(point(s.Args[0]))
		case opentype.SegmentOpQuadTo:
			path.QuadTo(point(s.Args[0]), point(s.Args[1]))
		case opentype.SegmentOpCubeTo:
			path.CubeTo(point(s.Args[0]), point(s.Args[1]), point(s.Args[2]))
		}
	}
	if len(path) > 0 {
		path.Close()
	}
	return path
}
