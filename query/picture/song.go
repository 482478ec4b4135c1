package picture

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"sort"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tatum/query"
	"tatum/store"
)

// Song is a song over its time: how loud its segments are, where its sections,
// bars, beats and tatums begin, and where the store has them, its pitches and its
// timbre.
func Song(t *query.Timeline) *Picture {
	s := newStrip(t, clock)
	p := &Picture{
		Kind: "song", Title: nameOf(&t.Track), Fallback: string(t.Track.ID), Finding: s.finding(),
		Data: Data{Columns: stripColumns}, width: 1000, height: 300, least: 260,
		notes: func(c *canvas) []string { return s.notes(c.width - 2*12 - stripLeft - stripRight) },
		draw:  func(c *canvas, r rect) { s.draw(c, r, t.End) },
	}
	if s.pitches != nil || s.timbre != nil {
		p.height, p.least = 560, 440
	}
	s.addData(&p.Data)
	return p
}

// nameOf returns what a person knows a track by.
func nameOf(t *store.Track) string {
	switch {
	case t.ArtistName == "" && t.Title == "":
		return string(t.ID)
	case t.ArtistName == "" || t.Title == "":
		return t.ArtistName + t.Title
	}
	return t.ArtistName + " – " + t.Title
}

// A strip is a song's timeline as it is drawn.
type strip struct {
	*query.Timeline
	write     func(seconds float64) string // how times are written
	onsets    []float64                    // of segments
	ends      []float64
	loudness  [][]float64Pair // lines of time and dB; a number that is none breaks them
	outside   int             // points of them that are not within -60 and 0 dB
	pitches   [][]float64     // by segment; nil if the store has none
	timbre    [][]float64     // by segment, less each row's mean over its deviation
	rawTimbre [][]float64
}

type float64Pair struct{ x, y float64 }

// The loudness that is shown, in dB.
const quietest, loudest = -60, 0

func newStrip(t *query.Timeline, write func(float64) string) *strip {
	s := &strip{Timeline: t, write: write, onsets: t.Arrays[store.SegmentsStart]}
	for i := range s.onsets {
		end := t.End
		if i+1 < len(s.onsets) {
			end = s.onsets[i+1]
		}
		s.ends = append(s.ends, end)
	}
	s.findLoudness()
	s.pitches = s.rows(store.SegmentsPitches)
	s.rawTimbre = s.rows(store.SegmentsTimbre)
	s.timbre = standardised(s.rawTimbre)
	return s
}

// findLoudness makes lines of each segment's start, peak, and the next start.
func (s *strip) findLoudness() {
	starts, peaks, offsets := s.Arrays[store.SegmentsLoudnessStart], s.Arrays[store.SegmentsLoudnessMax], s.Arrays[store.SegmentsLoudnessMaxTime]
	var line []float64Pair
	add := func(x, y float64) {
		if !finite(x) || !finite(y) {
			if len(line) > 0 {
				s.loudness = append(s.loudness, line)
			}
			line = nil
			return
		}
		if y < quietest || y > loudest {
			s.outside++
		}
		line = append(line, float64Pair{x, y})
	}
	for i, onset := range s.onsets {
		if i < len(starts) {
			add(onset, starts[i])
		}
		if i < len(peaks) && i < len(offsets) {
			add(onset+offsets[i], peaks[i])
		}
	}
	add(math.NaN(), 0)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// rows returns an array of twelve columns by segment.
func (s *strip) rows(a store.Array) [][]float64 {
	values := s.Arrays[a]
	if len(values) == 0 {
		return nil
	}
	columns := a.Columns()
	rows := make([][]float64, min(len(values)/columns, len(s.onsets)))
	for i := range rows {
		rows[i] = values[i*columns : (i+1)*columns]
	}
	return rows
}

// standardised returns the rows less each column's mean over its deviation.
func standardised(rows [][]float64) [][]float64 {
	if len(rows) == 0 {
		return nil
	}
	out := make([][]float64, len(rows))
	for i := range out {
		out[i] = make([]float64, len(rows[0]))
	}
	for j := range rows[0] {
		var n, sum, squares float64
		for _, row := range rows {
			if finite(row[j]) {
				n++
				sum += row[j]
			}
		}
		mean := sum / n
		for _, row := range rows {
			if finite(row[j]) {
				squares += float64((row[j] - mean) * (row[j] - mean))
			}
		}
		deviation := math.Sqrt(squares / n)
		if deviation == 0 {
			deviation = 1
		}
		for i, row := range rows {
			out[i][j] = (row[j] - mean) / deviation
		}
	}
	return out
}

func (s *strip) finding() string {
	var parts []string
	parts = append(parts, s.write(s.End)+" long")
	for _, of := range []struct {
		array store.Array
		name  string
	}{{store.SectionsStart, "section"}, {store.BarsStart, "bar"}, {store.BeatsStart, "beat"}, {store.TatumsStart, "tatum"}, {store.SegmentsStart, "segment"}} {
		parts = append(parts, count(len(s.Arrays[of.array]), of.name))
	}
	top := float64Pair{0, math.Inf(-1)}
	for _, line := range s.loudness {
		for _, p := range line {
			if p.y > top.y {
				top = p
			}
		}
	}
	if finite(top.y) {
		parts = append(parts, fmt.Sprintf("loudest at %s with %s dB", s.write(top.x), decimal(top.y, 1)))
	}
	return strings.Join(parts, ", ")
}

// count returns a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if n == 0 {
		return "no " + thing + "s"
	}
	return thousands(n) + " " + thing + "s"
}

// thousands returns a number with its thousands apart.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// decimal returns a number with a minus sign that is as wide as a plus.
func decimal(x float64, digits int) string {
	text := fmt.Sprintf("%.*f", digits, x)
	if strings.Trim(text, "-0.") == "" {
		text = strings.TrimPrefix(text, "-")
	}
	return minus(text)
}

// clock writes a time as m:ss, or h:mm:ss.
func clock(seconds float64) string {
	n := int(math.Round(seconds))
	if n >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
	return fmt.Sprintf("%d:%02d", n/60, n%60)
}

// inSeconds writes a time in seconds.
func inSeconds(seconds float64) string { return fmt.Sprintf("%.0f s", seconds) }

// What is left free beside strips for their labels.
const stripLeft, stripRight = 62, 14

// A tickRow is one kind of onset: the higher its ticks the longer what begins.
type tickRow struct {
	array  store.Array
	name   string
	height float64
	color  color.Color
}

var tickRows = []tickRow{
	{store.SectionsStart, "sections", 1, okabeIto[0]},
	{store.BarsStart, "bars", 0.75, okabeIto[1]},
	{store.BeatsStart, "beats", 0.5, ink},
	{store.TatumsStart, "tatums", 0.25, color.Gray{0x80}},
}

// closest is how near to each other ticks may stand, in pixels, to be drawn.
const closest = 3

// tooClose reports whether onsets are too close to each other to be drawn on so
// many pixels.
func tooClose(onsets []float64, width, end float64) bool {
	if len(onsets) < 2 {
		return false
	}
	return (onsets[len(onsets)-1]-onsets[0])/float64(len(onsets)-1)*width/end < closest
}

func (s *strip) notes(width float64) []string { return s.notesUntil(width, s.End) }

// notesUntil tells what is left out when the time to end takes so many pixels.
func (s *strip) notesUntil(width, end float64) []string {
	var notes, close []string
	for _, row := range tickRows {
		if tooClose(s.Arrays[row.array], width, end) {
			close = append(close, row.name)
		}
	}
	if len(close) > 0 {
		notes = append(notes, fmt.Sprintf("Left out, being closer than %d pixels: %s.", closest, strings.Join(close, ", ")))
	}
	if s.outside > 0 {
		notes = append(notes, fmt.Sprintf("%s drawn at the edge: louder than %d dB or quieter than %s dB.", verb(s.outside, "point", "is", "are"), loudest, decimal(quietest, 0)))
	}
	if len(s.onsets) == 0 {
		notes = append(notes, "The song has no segments.")
	}
	return notes
}

func verb(n int, thing, one, many string) string {
	if n == 1 {
		many = one
	}
	return count(n, thing) + " " + many
}

// draw draws the strip over a time that ends at end.
func (s *strip) draw(c *canvas, r rect, end float64) {
	if end <= 0 {
		end = 1
	}
	const gap, axis, ticks, legend = 8, 34, 44, 26
	r = r.inset(stripLeft, 2, stripRight, axis)
	colors := 0
	for _, rows := range [][][]float64{s.pitches, s.timbre} {
		if rows != nil && r.h > 200 {
			colors++
		}
	}
	if colors > 0 {
		r.h -= legend
	}
	rest := r.h - ticks - gap
	if colors > 0 {
		rest -= gap * float64(colors)
	}
	loud := rest
	if colors > 0 {
		loud = rest * 0.3
	}
	s.drawLoudness(c, r.top(loud), end)
	r.top(gap)
	each := rest * 0.7 / float64(max(colors, 1))
	below := r.top(ticks)
	s.drawTicks(c, below, end)
	legends := rect{r.x, r.y + r.h + axis + 2, r.w, legend}
	bar := min(120, r.w/4)
	if s.pitches != nil && colors > 0 {
		r.top(gap)
		below = r.top(each)
		drawRows(c, below, s, s.pitches, end, pitchNames, func(v float64) color.NRGBA { return mapped(viridis, v) })
		c.text("pitch", noteStyle, legends.x, legends.y+8, left)
		c.colorBar(rect{legends.x + 34, legends.y, bar, 8}, viridis, "0", "1")
	}
	if s.timbre != nil && colors > 0 {
		r.top(gap)
		below = r.top(each)
		drawRows(c, below, s, s.timbre, end, timbreNames, diverging)
		x, name, beside := legends.x+max(r.w*0.45, 34+bar+24), "timbre, deviations", 104.0
		if x+beside+bar > legends.x+r.w {
			name, beside = "timbre", 42
		}
		c.text(name, noteStyle, x, legends.y+8, left)
		c.colorBar(rect{x + beside, legends.y, bar, 8}, blueRed, "−3", "0", "3")
	}
	s.drawClock(c, below, end)
}

var pitchNames = []string{"C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"}

var timbreNames = []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}

// piece is how many points are drawn in one go: what a bitmap's line costs grows
// faster than its length.
const piece = 100

func (s *strip) drawLoudness(c *canvas, r rect, end float64) {
	if r.tooSmall() {
		return
	}
	p := newPlot("", "dB")
	p.HideX()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, end, quietest, loudest
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: -60, Label: "−60"}, {Value: -40, Label: "−40"}, {Value: -20, Label: "−20"}, {Value: 0, Label: "0"}}
	if r.h < 50 {
		p.Y.Tick.Marker = plot.ConstantTicks{{Value: -60, Label: "−60"}, {Value: 0, Label: "0"}}
	}
	grid(p)
	for _, line := range s.loudness {
		points := make(plotter.XYs, len(line))
		for i, at := range line {
			points[i].X, points[i].Y = at.x, min(loudest, max(quietest, at.y))
		}
		points = envelope(points, int(r.w), end)
		for len(points) > piece {
			p.Add(linePlotter(points[:piece+1], 1, okabeIto[1]))
			points = points[piece:]
		}
		p.Add(linePlotter(points, 1, okabeIto[1]))
	}
	c.panel(p, r)
}

// envelope returns a line of the highest and the lowest point of each pixel, if the
// line has many more points than there are pixels.
func envelope(points plotter.XYs, width int, end float64) plotter.XYs {
	if len(points) <= 4*width {
		return points
	}
	type span struct{ first, last, low, high int }
	spans := make([]*span, width+1)
	for i, p := range points {
		x := min(width, max(0, int(p.X/end*float64(width))))
		s := spans[x]
		if s == nil {
			spans[x] = &span{i, i, i, i}
			continue
		}
		s.last = i
		if p.Y < points[s.low].Y {
			s.low = i
		}
		if p.Y > points[s.high].Y {
			s.high = i
		}
	}
	var out plotter.XYs
	for _, s := range spans {
		if s == nil {
			continue
		}
		chosen := []int{s.first, s.low, s.high, s.last}
		sort.Ints(chosen)
		for i, at := range chosen {
			if i == 0 || at != chosen[i-1] {
				out = append(out, points[at])
			}
		}
	}
	return out
}

func (s *strip) drawTicks(c *canvas, r rect, end float64) {
	if r.tooSmall() {
		return
	}
	c.line(1, hair, c.at(r.x, r.y+r.h), c.at(r.x+r.w, r.y+r.h))
	for i := len(tickRows) - 1; i >= 0; i-- { // the longer over the shorter
		row := tickRows[i]
		top := r.y + r.h*(1-row.height)
		c.text(row.name, noteStyle, r.x-6, top+9, right)
		if tooClose(s.Arrays[row.array], r.w, end) {
			continue
		}
		c.SetLineStyle(draw.LineStyle{Color: row.color, Width: pixels(1)})
		for some := range slices.Chunk(s.Arrays[row.array], piece) {
			var ticks vg.Path
			for _, onset := range some {
				if onset >= 0 && onset <= end {
					x := r.x + onset/end*r.w
					ticks.Move(c.at(x, r.y+r.h))
					ticks.Line(c.at(x, top))
				}
			}
			if len(ticks) > 0 {
				c.Stroke(ticks)
			}
		}
	}
}

// drawRows draws rows of numbers by segment, the first at the bottom.
func drawRows(c *canvas, r rect, s *strip, rows [][]float64, end float64, names []string, colorOf func(float64) color.NRGBA) {
	if r.tooSmall() {
		return
	}
	r = r.round()
	columns := s.columns(rows, int(r.w), end)
	n := len(names)
	colors := make([]color.NRGBA, n*len(columns))
	for x, column := range columns {
		for i := range n {
			colors[x*n+i] = blank
			if column != nil {
				colors[x*n+i] = colorOf(column[i])
			}
		}
	}
	c.raster(r, func(x, y int) color.NRGBA {
		return colors[x*n+max(0, n-1-int((float64(y)+0.5)/r.h*float64(n)))]
	})
	step := 1
	for float64(step)*r.h/float64(n) < 11 && step < n {
		step++
	}
	for i := 0; i < n; i += step {
		c.text(names[i], noteStyle, r.x-6, r.y+r.h-(float64(i)+0.5)*r.h/float64(n)+4, right)
	}
}

// columns returns for each pixel of the width the mean of the rows of the segments
// in it, by how much of the pixel each takes; nil where there are none.
func (s *strip) columns(rows [][]float64, width int, end float64) [][]float64 {
	out := make([][]float64, width)
	for i, row := range rows {
		from, to := s.onsets[i]/end*float64(width), s.ends[i]/end*float64(width)
		if !finite(from) || !finite(to) || to <= from {
			continue
		}
		for x := max(0, int(from)); x < width && float64(x) < to; x++ {
			share := min(to, float64(x+1)) - max(from, float64(x))
			if out[x] == nil {
				out[x] = make([]float64, len(row)+1)
			}
			for j, v := range row {
				out[x][j] += float64(v * share)
			}
			out[x][len(row)] += share
		}
	}
	for _, column := range out {
		if column != nil {
			for j := range column[:len(column)-1] {
				column[j] /= column[len(column)-1]
			}
		}
	}
	return out
}

// drawClock draws the axis of time under a rect.
func (s *strip) drawClock(c *canvas, r rect, end float64) {
	if r.tooSmall() {
		return
	}
	p := newPlot("time, m:ss", "")
	if s.write(0) == inSeconds(0) {
		p.X.Label.Text = "time, s"
	} else if end >= 3600 {
		p.X.Label.Text = "time, h:mm:ss"
	}
	p.HideY()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, end, 0, 1
	p.X.Tick.Marker = timeTicks(end, r.w, func(t float64) string { return strings.TrimSuffix(s.write(t), " s") })
	c.panel(p, r)
}

// timeTicks returns ticks at round times, no closer than texts need.
func timeTicks(end, width float64, write func(float64) string) plot.ConstantTicks {
	steps := []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if s/end*width >= 64 {
			step = s
			break
		}
	}
	for step/end*width < 64 {
		step *= 2
	}
	var ticks plot.ConstantTicks
	for t := 0.0; t <= end; t += step {
		ticks = append(ticks, plot.Tick{Value: t, Label: write(t)})
	}
	return ticks
}

var stripColumns = []string{"track_id", "series", "start", "end", "row", "value", "z"}

// addData adds the numbers that are drawn.
func (s *strip) addData(d *Data) {
	id := string(s.Track.ID)
	for _, line := range s.loudness {
		for _, p := range line {
			d.add(id, "loudness", p.x, nil, nil, p.y, nil)
		}
	}
	for _, row := range tickRows {
		for _, onset := range s.Arrays[row.array] {
			d.add(id, row.name, onset, nil, nil, nil, nil)
		}
	}
	for i, row := range s.pitches {
		for j, v := range row {
			d.add(id, "pitches", s.onsets[i], s.ends[i], pitchNames[j], v, nil)
		}
	}
	for i, row := range s.rawTimbre {
		for j, v := range row {
			d.add(id, "timbre", s.onsets[i], s.ends[i], timbreNames[j], v, s.timbre[i][j])
		}
	}
}
