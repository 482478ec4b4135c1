package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tatum/query"
	"tatum/store"
)

// made returns a timeline of bars and of segments with pitches and timbre.
func made(title string, end float64, bars, segments int) *query.Timeline {
	t := &query.Timeline{Track: store.Track{ID: "TRAAAAA00000000001", ArtistName: "Björk", Title: title}, End: end}
	onsets := func(n int) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = end * float64(i) / float64(n)
		}
		return out
	}
	t.Arrays[store.SectionsStart] = onsets(min(bars, 4))
	t.Arrays[store.BarsStart] = onsets(bars)
	t.Arrays[store.BeatsStart] = onsets(4 * bars)
	t.Arrays[store.TatumsStart] = onsets(8 * bars)
	t.Arrays[store.SegmentsStart] = onsets(segments)
	for i := range segments {
		t.Arrays[store.SegmentsLoudnessStart] = append(t.Arrays[store.SegmentsLoudnessStart], -30-float64(i%7))
		t.Arrays[store.SegmentsLoudnessMax] = append(t.Arrays[store.SegmentsLoudnessMax], -10+float64(i%5)*3)
		t.Arrays[store.SegmentsLoudnessMaxTime] = append(t.Arrays[store.SegmentsLoudnessMaxTime], 0.01)
		for j := range 12 {
			t.Arrays[store.SegmentsPitches] = append(t.Arrays[store.SegmentsPitches], float64((i+j)%12)/11)
			t.Arrays[store.SegmentsTimbre] = append(t.Arrays[store.SegmentsTimbre], float64((i*j)%17)*10)
		}
	}
	return t
}

func without(t *query.Timeline, arrays ...store.Array) *query.Timeline {
	for _, a := range arrays {
		t.Arrays[a] = nil
	}
	return t
}

func clusteringOf(k, folds int) *store.Clustering {
	c := &store.Clustering{Name: `<"&>`, Features: store.Features[:], K: k, Folds: folds}
	c.Summaries = make([]store.Summary, len(c.Features))
	return c
}

func mapOf(n, k int, x func(i int) float64) *query.Map {
	m := &query.Map{Feature: 1, Shares: [2]float64{0.5, 0.25}}
	for i := range n {
		m.IDs = append(m.IDs, store.TrackID(fmt.Sprintf("TRAAAAA%011X", i)))
		m.X, m.Y = append(m.X, x(i)), append(m.Y, x(i*7+3))
		m.Clusters = append(m.Clusters, int32(i%(k+1)-1))
	}
	for c := range k {
		m.Stars = append(m.Stars, query.Star{Cluster: store.Cluster(c), X: []float64{x(c), x(c + 1), 1e9}, Y: []float64{x(c), x(c + 2), 0}})
	}
	return m
}

func profileOf(k int) *query.Profile {
	p := &query.Profile{Feature: 1, Statistics: query.StatNames[:], Mean: make([]float64, 30), Deviation: make([]float64, 30)}
	for c := range k {
		own := query.ClusterProfile{Size: c, Mean: make([]float64, 30), Z: make([]float64, 30)}
		for j := range own.Z {
			own.Z[j] = float64((c*31+j*7)%11) - 5
			if c == 0 {
				own.Z[j], own.Mean[j] = math.NaN(), math.NaN()
			}
		}
		p.Clusters = append(p.Clusters, own)
	}
	return p
}

func explained(p *query.Profile, cluster store.Cluster) *Picture {
	d, err := p.Explain(cluster)
	if err != nil {
		panic(err)
	}
	return Explanation(p.Feature, cluster, p.Clusters[cluster].Size, d, clusteringOf(len(p.Clusters), 5))
}

func sizesOf(k, folds int) []query.FoldSizes {
	var all []query.FoldSizes
	for c := range k {
		s := query.FoldSizes{Cluster: store.Cluster(c), Folds: make([]int, folds)}
		for f := range folds {
			s.Folds[f] = c * (f + 1)
			s.Size += s.Folds[f]
		}
		all = append(all, s)
	}
	return all
}

// fitsOf returns fits; what is of two clusters or more is NaN with one.
func fitsOf(ks ...int) (fits []Fit) {
	for _, k := range ks {
		s := store.Summary{Inertia: 1000 / float64(k), MeanAgreement: 0.5, LeastAgreement: 0.25, Silhouette: 0.3, DaviesBouldin: 2, CalinskiHarabasz: 100}
		if k == 1 {
			s.Silhouette, s.DaviesBouldin, s.CalinskiHarabasz = math.NaN(), math.NaN(), math.NaN()
		}
		s.Sizes = make([]uint64, k)
		fits = append(fits, Fit{k, s})
	}
	return fits
}

func agreementsOf(n int) (all []query.FeatureAgreement) {
	for i := range n {
		for j := range n {
			a := query.FeatureAgreement{Feature: store.Feature(i), Other: store.Feature(j), Agreement: 1}
			if i != j {
				a.Agreement = 0.1 * float64((i+j)%5)
			}
			all = append(all, a)
		}
	}
	return all
}

// edges are pictures of what is few, many or strange.
func edges() map[string]*Picture {
	wave := func(i int) float64 { return math.Sin(float64(i)) * float64(i%13) }
	one := clusteringOf(1, 2)
	one.Features, one.Summaries = one.Features[:1], one.Summaries[:1]
	strange := without(made("nan", 100, 3, 50))
	strange.Arrays[store.SegmentsLoudnessMax][3] = math.NaN()
	strange.Arrays[store.SegmentsPitches][5] = math.NaN()
	strange.Arrays[store.SegmentsTimbre][7] = math.Inf(1)
	strange.Arrays[store.SegmentsStart][9] = math.NaN()
	short := made("short", 30, 3, 20)
	short.Arrays[store.SegmentsPitches] = short.Arrays[store.SegmentsPitches][:24]
	short.Arrays[store.SegmentsLoudnessMaxTime] = nil
	return map[string]*Picture{
		"song":                  Song(made("Jóga", 245, 90, 800)),
		"song without segments": Song(made("x", 10, 5, 0)),
		"song of nothing":       Song(&query.Timeline{Track: store.Track{ID: "TRAAAAA00000000001"}}),
		"song of one bar":       Song(made("x", 3, 1, 1)),
		"song of a day":         Song(made("x", 86400, 30000, 100000)),
		"song without colours":  Song(without(made("x", 245, 90, 800), store.SegmentsPitches, store.SegmentsTimbre)),
		"song without timbre":   Song(without(made("x", 245, 90, 800), store.SegmentsTimbre)),
		"strange numbers":       Song(strange),
		"arrays too short":      Song(short),
		"long title":            Song(made(strings.Repeat("very long ", 50), 245, 90, 80)),
		"illegal title":         Song(made("a\x00b\x1b[31m\uFFFE\xff]]>&<\u202e", 245, 90, 80)),
		"map":                   Map(mapOf(100, 4, wave), clusteringOf(4, 3), nil),
		"map highlighted":       Map(mapOf(100, 9, wave), clusteringOf(9, 3), []store.Cluster{0, 1, 2, 3, 4, 5, 6, 7}),
		"map of many":           Map(mapOf(6000, 4, wave), clusteringOf(4, 3), []store.Cluster{2}),
		"map of one track":      Map(mapOf(1, 0, wave), nil, nil),
		"map of none":           Map(&query.Map{}, nil, nil),
		"map of equal vectors":  Map(mapOf(50, 2, func(int) float64 { return 0 }), clusteringOf(2, 3), nil),
		"map of many clusters":  Map(mapOf(500, 300, wave), clusteringOf(300, 3), nil),
		"profile":               Profile(profileOf(32), clusteringOf(32, 5)),
		"profile of one":        Profile(profileOf(1), clusteringOf(1, 5)),
		"profile of many":       Profile(profileOf(3000), clusteringOf(3000, 5)),
		"cluster":               explained(profileOf(9), 8),
		"empty cluster":         explained(profileOf(9), 0),
		"sizes":                 Sizes(1, sizesOf(32, 5), clusteringOf(32, 5)),
		"sizes of one":          Sizes(1, sizesOf(1, 2), clusteringOf(1, 2)),
		"sizes of many":         Sizes(1, sizesOf(5000, 5), clusteringOf(5000, 5)),
		"k":                     K(1, fitsOf(4, 8, 16, 32, 64)),
		"one k":                 K(1, fitsOf(1)),
		"many k":                K(1, fitsOf(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1000)),
		"features":              Features(agreementsOf(8), clusteringOf(32, 5)),
		"one feature":           Features(agreementsOf(1), one),
		"pair": Pair(made("one", 245, 90, 800), made("other", 300, 100, 900),
			[]query.FeatureDistance{{Feature: 0, Distance: 0.25}, {Feature: 1, Distance: 1}}),
	}
}

var imageData = regexp.MustCompile(`base64,[^"]*`)

// TestEdges draws what is few, many or strange, in all formats and sizes.
func TestEdges(t *testing.T) {
	for name, p := range edges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, o := range []Options{{}, {Format: PNG}, {Format: PDF}, {Width: MinWidth}, {Height: max(MinHeight, p.least)}, {Width: 600}, {Width: 1600, Height: 900, Format: SVG}} {
				o.BuiltInFont = true
				var drawn bytes.Buffer
				warnings, err := p.Draw(&drawn, o)
				if err != nil || len(warnings) > 0 {
					t.Fatalf("%+v: %v, %q", o, err, warnings)
				}
				if o.Format != SVG && o.Format != "" {
					continue
				}
				checkSVG(t, drawn.Bytes())
				if drawn.Len() > 300_000 {
					t.Errorf("%+v: %d bytes", o, drawn.Len())
				}
				lines := imageData.ReplaceAllString(drawn.String(), "")
				for _, none := range []string{"NaN", "Inf"} {
					if strings.Contains(lines, none) {
						t.Errorf("%+v: has %s", o, none)
					}
				}
			}
			for row := range p.Data.All() {
				if len(row) != len(p.Data.Columns) {
					t.Fatalf("row %v of columns %v", row, p.Data.Columns)
				}
			}
		})
	}
}

// checkSVG fails unless data are XML that says what it shows.
func checkSVG(t *testing.T, data []byte) {
	t.Helper()
	found := make(map[string]bool)
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			found[e.Name.Local] = true
			for _, a := range e.Attr {
				if e.Name.Local == "svg" && a.Name.Local == "role" {
					found[a.Value] = true
				}
			}
		}
	}
	for _, name := range []string{"img", "title", "desc", "metadata", "picture"} {
		if !found[name] {
			t.Errorf("no %s", name)
		}
	}
}

func TestSizesRefused(t *testing.T) {
	p := Song(made("x", 10, 2, 9))
	for _, o := range []Options{{Width: MinWidth - 1}, {Height: MaxSize + 1}, {Width: MaxSize + 1}, {Height: p.least - 1}} {
		if _, err := p.Draw(io.Discard, o); !errors.Is(err, ErrSize) {
			t.Errorf("%+v: got %v, want %v", o, err, ErrSize)
		}
	}
	if _, err := p.Draw(io.Discard, Options{Format: "gif"}); err == nil {
		t.Error("drawn as a gif")
	}
}

// TestNoFont has titles in letters that no font there has.
func TestNoFont(t *testing.T) {
	for _, title := range []string{"春天的信", "שלום עולם 春", "สวัสดี"} {
		var drawn bytes.Buffer
		warnings, err := Song(made(title, 100, 20, 50)).Draw(&drawn, Options{BuiltInFont: true})
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "TRAAAAA00000000001") {
			t.Errorf("%s: %q, %v", title, warnings, err)
		}
		if !strings.Contains(drawn.String(), ">TRAAAAA00000000001</text>") || !strings.Contains(drawn.String(), title) {
			t.Errorf("%s: the picture has no ID in place of the title, or does not say the title", title)
		}
	}
}

// TestOutlines has titles that the built-in font has the letters of, but that are
// not one letter after another.
func TestOutlines(t *testing.T) {
	for _, title := range []string{"שלום עולם", "e\u0301"} {
		for _, format := range Formats {
			warnings, err := Song(made(title, 100, 20, 50)).Draw(io.Discard, Options{Format: format, BuiltInFont: true})
			if err != nil || len(warnings) > 0 {
				t.Errorf("%s, %s: %q, %v", title, format, warnings, err)
			}
		}
	}
}

// TestPDFImagesAreUpright follows the coordinates of a PDF to its images: an image
// fills the square from (0, 0) to (1, 1), its first line being above.
func TestPDFImagesAreUpright(t *testing.T) {
	var file bytes.Buffer
	if _, err := Profile(profileOf(5), clusteringOf(5, 5)).Draw(&file, Options{Format: PDF}); err != nil {
		t.Fatal(err)
	}
	_, content, _ := bytes.Cut(file.Bytes(), []byte("stream\n"))
	inflated, err := zlib.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(inflated)
	if err != nil {
		t.Fatal(err)
	}
	type matrix [6]float64
	now, images := matrix{1, 0, 0, 1, 0, 0}, 0
	var saved []matrix
	words := strings.Fields(string(page))
	for i, word := range words {
		switch word {
		case "q":
			saved = append(saved, now)
		case "Q":
			now, saved = saved[len(saved)-1], saved[:len(saved)-1]
		case "cm":
			var by matrix
			for j := range by {
				if by[j], err = strconv.ParseFloat(words[i-6+j], 64); err != nil {
					t.Fatal(err)
				}
			}
			now = matrix{
				by[0]*now[0] + by[1]*now[2], by[0]*now[1] + by[1]*now[3],
				by[2]*now[0] + by[3]*now[2], by[2]*now[1] + by[3]*now[3],
				by[4]*now[0] + by[5]*now[2] + now[4], by[4]*now[1] + by[5]*now[3] + now[5],
			}
		case "Do":
			images++
			if right, up := now[0], now[3]; right <= 0 || up <= 0 || now[4] < 0 || now[5] < 0 {
				t.Errorf("image %d is drawn by %v", images, now)
			}
		}
	}
	if images == 0 {
		t.Error("no image")
	}
}

// TestPanel checks that the data of a panel fill its rect, whatever its axes need.
func TestPanel(t *testing.T) {
	for _, width := range []int{MinWidth, 340, 1000} {
		c, err := (&Picture{}).canvas(&Options{Width: width, Height: 300})
		if err != nil {
			t.Fatal(err)
		}
		r := rect{200, 20, float64(width) - 260, 220}
		p := newPlot("distance, 0 the same to 1", "")
		p.X.Tick.Marker = niceTicks{2}
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
		var got vg.Rectangle
		p.Add(plotted(func(c draw.Canvas, _ *plot.Plot) { got = c.Rectangle }))
		c.panel(p, r)
		for _, at := range [][2]vg.Point{{got.Min, c.at(r.x, r.y+r.h)}, {got.Max, c.at(r.x+r.w, r.y)}} {
			if off := at[0].Sub(at[1]); math.Abs(float64(off.X)) > 0.01 || math.Abs(float64(off.Y)) > 0.01 {
				t.Errorf("%d pixels: the data reach to %v, want %v", width, at[0], at[1])
			}
		}
	}
}

// A plotted is a function as a plotter.
type plotted func(c draw.Canvas, p *plot.Plot)

func (f plotted) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

// TestShapedWidth compares the widths of a text as the formats write it and as it
// is drawn by its outlines, without kerning.
func TestShapedWidth(t *testing.T) {
	l := newLetters(true)
	for _, style := range []textStyle{titleStyle, bodyStyle, noteStyle} {
		const line = "mmmmmmmmmmmmmmmmmmmm"
		sum := 0.0
		for _, run := range l.shape(line, style) {
			sum += shaped(run.Advance, style.size)
		}
		if want := l.width(line, style); math.Abs(sum-want) > want/200 {
			t.Errorf("size %v: %v pixels, want %v", style.size, sum, want)
		}
	}
}
