package picture

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tatum/query"
	"tatum/store"
)

// MaxHighlights is how many clusters a map tells apart at most.
const MaxHighlights = 8

// mostDots is how many tracks are drawn one by one; more are drawn as densities.
const mostDots = 5000

// The share of tracks that the axes end at.
const cutLow, cutHigh = 0.005, 0.995

// Map is the tracks by the two directions in which a feature's vectors vary most,
// with the centroids of its clusters, if a clustering is given. Highlighted
// clusters, at most MaxHighlights, have colours; then the map must have the
// tracks' clusters.
func Map(m *query.Map, c *store.Clustering, highlight []store.Cluster) *Picture {
	p := MapPart(m, c, highlight, WholeMap)
	p.Data.Columns = []string{"what", "track_id", "cluster", "fold", "x", "y"}
	p.Data.Tracks = func(yield func([]any) bool) {
		for i, id := range m.IDs {
			var cluster any
			if m.Clusters != nil && m.Clusters[i] >= 0 {
				cluster = int(m.Clusters[i])
			}
			if !yield([]any{"track", string(id), cluster, nil, m.X[i], m.Y[i]}) {
				return
			}
		}
	}
	for _, s := range m.Stars {
		for fold := range s.X {
			p.Data.add("centroid", nil, int(s.Cluster), fold, s.X[fold], s.Y[fold])
		}
	}
	return p
}

// A Part is a part of a map: how far its left edge is from that of the whole map,
// its top edge from the top, and its width and height, as shares of the whole
// map's. The whole map is where most tracks are; a part may reach beyond.
type Part struct{ Left, Top, Size float64 }

// WholeMap is all of a map but for the farthest tracks.
var WholeMap = Part{0, 0, 1}

// A Spot is what a pixel of a map stands for. It may be beyond the axes.
type Spot struct {
	X, Y      float64 // the map's coordinates
	Pixel     float64 // how much of them a pixel is
	Left, Top float64 // shares of the whole map, as in a Part
}

// MapPart is a part of a map, without its numbers.
func MapPart(m *query.Map, c *store.Clustering, highlight []store.Cluster, part Part) *Picture {
	p := &Picture{Kind: "map", Title: "Map of " + m.Feature.String(), Fallback: m.Feature.String(), clustering: c, width: 900, scaled: true, least: 400}
	d := newMapDrawing(m, highlight, part)
	p.height = d.height(p.width)
	p.Finding = d.finding(c)
	p.notes = d.notes
	p.draw = d.draw
	p.at = func(r rect, x, y float64) Spot {
		r, scale := d.axes(r)
		return Spot{
			X: d.minX + (x-r.x)/scale, Y: d.maxY - (y-r.y)/scale, Pixel: 1 / scale,
			Left: part.Left + (x-r.x)/r.w*part.Size, Top: part.Top + (y-r.y)/r.h*part.Size,
		}
	}
	return p
}

// A mapDrawing is a map with where its axes end.
type mapDrawing struct {
	*query.Map
	part       Part
	highlight  []store.Cluster
	minX, maxX float64
	minY, maxY float64
	leftOut    int // tracks beyond the ends
	starsOut   int // centroids beyond
}

func newMapDrawing(m *query.Map, highlight []store.Cluster, part Part) *mapDrawing {
	d := &mapDrawing{Map: m, highlight: highlight, part: part}
	d.minX, d.maxX = cut(m.X)
	d.minY, d.maxY = cut(m.Y)
	// An axis that is much shorter than the other would leave no picture.
	if w, h := d.maxX-d.minX, d.maxY-d.minY; h < w/4 {
		d.minY, d.maxY = d.minY-(w/4-h)/2, d.maxY+(w/4-h)/2
	} else if w < h/4 {
		d.minX, d.maxX = d.minX-(h/4-w)/2, d.maxX+(h/4-w)/2
	}
	w, h := d.maxX-d.minX, d.maxY-d.minY
	d.minX, d.maxY = d.minX+w*part.Left, d.maxY-h*part.Top
	d.maxX, d.minY = d.minX+w*part.Size, d.maxY-h*part.Size
	for i := range m.X {
		if !d.inside(m.X[i], m.Y[i]) {
			d.leftOut++
		}
	}
	for _, s := range m.Stars {
		for fold := range s.X {
			if !d.inside(s.X[fold], s.Y[fold]) {
				d.starsOut++
			}
		}
	}
	return d
}

// cut returns where an axis of the coordinates ends, a little more where they are
// all one.
func cut(coordinates []float64) (low, high float64) {
	if len(coordinates) == 0 {
		return -1, 1
	}
	sorted := slices.Clone(coordinates)
	slices.Sort(sorted)
	at := func(share float64) float64 { return sorted[int(math.Round(share*float64(len(sorted)-1)))] }
	low, high = at(cutLow), at(cutHigh)
	if high-low < 1e-9 {
		return low - 1, high + 1
	}
	edge := (high - low) * 0.02
	return low - edge, high + edge
}

func (d *mapDrawing) inside(x, y float64) bool {
	return x >= d.minX && x <= d.maxX && y >= d.minY && y <= d.maxY
}

func (d *mapDrawing) finding(c *store.Clustering) string {
	text := count(len(d.IDs), "track")
	if c != nil {
		s := summaryOf(c, d.Feature)
		text += fmt.Sprintf(", %s, folds agree to %s", count(c.K, "cluster"), decimal(s.MeanAgreement, 2))
	}
	return text + fmt.Sprintf("; the two directions have %.0f %% of the variance", 100*(d.Shares[0]+d.Shares[1]))
}

// summaryOf returns what the fits of a feature came to.
func summaryOf(c *store.Clustering, f store.Feature) *store.Summary {
	if i := slices.Index(c.Features, f); i >= 0 && i < len(c.Summaries) {
		return &c.Summaries[i]
	}
	return new(store.Summary)
}

func (d *mapDrawing) notes(*canvas) []string {
	var notes []string
	if len(d.IDs) > mostDots {
		notes = append(notes, "The darker, the more tracks.")
	}
	if len(d.Stars) > 0 {
		notes = append(notes, "Each star joins the centroids that one cluster has in the folds: the smaller, the more they agree.")
	}
	if d.leftOut > 0 || d.starsOut > 0 {
		var what []string
		if d.leftOut > 0 {
			what = append(what, count(d.leftOut, "track"))
		}
		if d.starsOut > 0 {
			what = append(what, count(d.starsOut, "centroid"))
		}
		if d.part == WholeMap {
			notes = append(notes, fmt.Sprintf("The axes end at 0.5 and 99.5 %% of the tracks: %s beyond left out.", strings.Join(what, " and ")))
		} else {
			notes = append(notes, fmt.Sprintf("A part of the map: %s outside.", strings.Join(what, " and ")))
		}
	}
	return notes
}

// axes returns the part of a rect that is inside of the axes, and how many pixels
// there are to one of the map's coordinates: the same for both axes.
func (d *mapDrawing) axes(r rect) (inside rect, scale float64) {
	r = r.inset(52, 4, 14, 38)
	if len(d.highlight) > 0 {
		r.w -= 110 // for the legend
	}
	scale = min(r.w/(d.maxX-d.minX), r.h/(d.maxY-d.minY))
	r.w, r.h = scale*(d.maxX-d.minX), scale*(d.maxY-d.minY)
	return r.round(), scale
}

// height returns the height of a picture of that width of which the map fills all
// that its title and notes leave, unless the map is higher than wide.
func (d *mapDrawing) height(width int) int {
	const lines = 110 // pixels of title and notes
	whole := rect{w: float64(width), h: math.Inf(1)}
	inside, _ := d.axes(whole.inset(margin, 0, margin, 0))
	return min(width*4/5, int(inside.h)+4+38+lines)
}

func (d *mapDrawing) draw(c *canvas, r rect) {
	r, scale := d.axes(r)
	if r.tooSmall() {
		return
	}
	x := func(v float64) float64 { return r.x + (v-d.minX)*scale }
	y := func(v float64) float64 { return r.y + r.h - (v-d.minY)*scale }
	if len(d.IDs) > mostDots {
		d.drawDensity(c, r, scale)
	} else {
		for i := range d.IDs {
			if d.inside(d.X[i], d.Y[i]) && d.rank(i) < 0 {
				c.DrawGlyphNoClip(draw.GlyphStyle{Color: color.NRGBA{0x70, 0x70, 0x70, 0x80}, Radius: pixels(1.6), Shape: draw.CircleGlyph{}}, c.at(x(d.X[i]), y(d.Y[i])))
			}
		}
	}
	for i := range d.Clusters { // what is highlighted over what is not
		if rank := d.rank(i); rank >= 0 && d.inside(d.X[i], d.Y[i]) && len(d.IDs) <= mostDots {
			c.DrawGlyphNoClip(glyph(rank, 3), c.at(x(d.X[i]), y(d.Y[i])))
		}
	}
	d.drawStars(c, r, x, y)
	c.frame(r, hair)
	p := newPlot(fmt.Sprintf("first direction, %.0f %% of the variance", 100*d.Shares[0]), fmt.Sprintf("second direction, %.0f %%", 100*d.Shares[1]))
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = d.minX, d.maxX, d.minY, d.maxY
	p.X.Tick.Marker, p.Y.Tick.Marker = niceTicks{r.w / 80}, niceTicks{r.h / 60}
	c.panel(p, r)
	for i, cluster := range d.highlight {
		at := rect{r.x + r.w + 14, r.y + 6 + float64(i)*18, 0, 0}
		c.DrawGlyphNoClip(glyph(i, 4), c.at(at.x+5, at.y+4))
		c.text(fmt.Sprintf("cluster %d", cluster), tickStyle, at.x+16, at.y+8, left)
	}
}

// rank returns which of the highlighted clusters a track is in, or -1.
func (d *mapDrawing) rank(i int) int {
	if d.Clusters == nil || d.Clusters[i] < 0 {
		return -1
	}
	return slices.Index(d.highlight, store.Cluster(d.Clusters[i]))
}

// glyph returns the shape and colour of a highlighted cluster.
func glyph(rank int, radius float64) draw.GlyphStyle {
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
	return draw.GlyphStyle{Color: okabeIto[rank%len(okabeIto)], Radius: pixels(radius), Shape: shapes[rank%len(shapes)]}
}

// densityCell is the width of a cell whose tracks are counted, in pixels.
const densityCell = 3

// drawDensity draws how many tracks there are in each cell, on a scale of
// logarithms: in grey, or of the colour of the highlighted cluster that has most of
// the cell's tracks.
func (d *mapDrawing) drawDensity(c *canvas, r rect, scale float64) {
	columns, rows := int(r.w)/densityCell+1, int(r.h)/densityCell+1
	counts, highlighted := make([]int, columns*rows), make([][MaxHighlights]int, 0)
	if len(d.highlight) > 0 {
		highlighted = make([][MaxHighlights]int, columns*rows)
	}
	most := 1
	for i := range d.IDs {
		if !d.inside(d.X[i], d.Y[i]) {
			continue
		}
		column, row := int((d.X[i]-d.minX)*scale)/densityCell, int((d.maxY-d.Y[i])*scale)/densityCell
		at := min(row, rows-1)*columns + min(column, columns-1)
		counts[at]++
		most = max(most, counts[at])
		if rank := d.rank(i); rank >= 0 {
			highlighted[at][rank]++
		}
	}
	shades := make([]color.NRGBA, len(counts))
	for at, n := range counts {
		share := math.Log1p(float64(n)) / math.Log1p(float64(most))
		shade := uint8(math.Round(255 - 200*share))
		shades[at] = color.NRGBA{shade, shade, shade, 0xff}
		if len(highlighted) > 0 {
			best := 0
			for rank, n := range highlighted[at] {
				if n > highlighted[at][best] {
					best = rank
				}
			}
			if highlighted[at][best] > 0 {
				shades[at] = mapped([]color.NRGBA{{0xff, 0xff, 0xff, 0xff}, okabeIto[best]}, 0.35+0.65*share)
			}
		}
	}
	c.raster(r, func(x, y int) color.NRGBA { return shades[y/densityCell*columns+x/densityCell] })
}

// mostStars is how many clusters' stars can be told apart.
const mostStars = 256

func (d *mapDrawing) drawStars(c *canvas, r rect, x, y func(float64) float64) {
	if len(d.Stars) > mostStars {
		return
	}
	window := draw.Canvas{Canvas: c.Canvas.Canvas, Rectangle: vg.Rectangle{Min: c.at(r.x, r.y+r.h), Max: c.at(r.x+r.w, r.y)}}
	var labels []rect
	for _, s := range d.Stars {
		rank := slices.Index(d.highlight, s.Cluster)
		var with color.Color = ink
		if len(d.highlight) > 0 {
			with = color.Gray{0x90}
		}
		if rank >= 0 {
			with = okabeIto[rank]
		}
		var midX, midY float64
		for fold := range s.X {
			midX += s.X[fold] / float64(len(s.X))
			midY += s.Y[fold] / float64(len(s.Y))
		}
		for fold := range s.X {
			lines := window.ClipLinesXY([]vg.Point{c.at(x(midX), y(midY)), c.at(x(s.X[fold]), y(s.Y[fold]))})
			c.StrokeLines(draw.LineStyle{Color: with, Width: pixels(1)}, lines...)
			if d.inside(s.X[fold], s.Y[fold]) {
				c.DrawGlyphNoClip(draw.GlyphStyle{Color: with, Radius: pixels(1.5), Shape: draw.CircleGlyph{}}, c.at(x(s.X[fold]), y(s.Y[fold])))
			}
		}
		if !d.inside(midX, midY) {
			continue
		}
		text := fmt.Sprint(s.Cluster)
		label := rect{x(midX) + 3, y(midY) - 13, c.textWidth(text, noteStyle), 11}
		if rank < 0 && slices.ContainsFunc(labels, label.overlaps) {
			continue // a number on another would be no number
		}
		labels = append(labels, label)
		c.halo(text, textStyle{11, true, with}, label.x, label.y+10)
	}
}

func (r rect) overlaps(s rect) bool {
	return r.x < s.x+s.w && s.x < r.x+r.w && r.y < s.y+s.h && s.y < r.y+r.h
}

// halo writes a text on a light ground, so that it can be read on anything.
func (c *canvas) halo(line string, style textStyle, x, y float64) {
	w := c.textWidth(line, style)
	c.fill(rect{x - 1, y - style.size + 2, w + 2, style.size - 1}, color.NRGBA{0xff, 0xff, 0xff, 0xc0})
	c.text(line, style, x, y, left)
}
