package picture

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tatum/store"
)

// A Fit is what the fits of a feature with k clusters came to.
type Fit struct {
	K int
	store.Summary
}

// K is the figures of fits with several numbers of clusters, which ascend.
func K(f store.Feature, fits []Fit) *Picture {
	p := &Picture{
		Kind: "k", Title: "How many clusters of " + f.String() + "?", Fallback: f.String(), width: 800, height: 720, least: 440,
		Data: Data{Columns: []string{"feature", "k", "inertia", "silhouette", "davies_bouldin", "calinski_harabasz", "agreement", "least_agreement", "smallest", "empty"}},
	}
	best := 0
	for i := range fits {
		s := &fits[i].Summary
		smallest := uint64(math.MaxUint64)
		for _, n := range s.Sizes {
			smallest = min(smallest, n)
		}
		p.Data.add(f.String(), fits[i].K, s.Inertia, s.Silhouette, s.DaviesBouldin, s.CalinskiHarabasz, s.MeanAgreement, s.LeastAgreement, int(smallest), len(s.Empty()))
		if s.MeanAgreement > fits[best].MeanAgreement {
			best = i
		}
	}
	if len(fits) > 0 {
		p.Finding = fmt.Sprintf("%d to %d clusters; the folds agree most with %d, to %s, which does not make that the right number",
			fits[0].K, fits[len(fits)-1].K, fits[best].K, decimal(fits[best].MeanAgreement, 2))
	}
	p.notes = func(*canvas) []string {
		return []string{"None of these declares a winner: inertia falls with every cluster more, and agreement cannot see that there are too few. What each can tell, see tatum cluster sweep --help."}
	}
	p.draw = func(c *canvas, r rect) { drawK(c, r, fits) }
	return p
}

func drawK(c *canvas, r rect, fits []Fit) {
	figures := []struct {
		name  string
		value func(s *store.Summary) float64
	}{
		{"inertia", func(s *store.Summary) float64 { return s.Inertia }},
		{"silhouette (more)", func(s *store.Summary) float64 { return s.Silhouette }},
		{"Davies-Bouldin (less)", func(s *store.Summary) float64 { return s.DaviesBouldin }},
		{"Calinski-Harabasz (more)", func(s *store.Summary) float64 { return s.CalinskiHarabasz }},
		{"agreement of folds, least to mean (more)", func(s *store.Summary) float64 { return s.MeanAgreement }},
	}
	const gap, axis = 26, 40
	r = r.inset(66, 20, 20, axis)
	each := (r.h - gap*float64(len(figures)-1)) / float64(len(figures))
	for i, figure := range figures {
		part := r.top(each)
		if i+1 < len(figures) {
			r.top(gap)
		}
		var mean, least plotter.XYs
		for j := range fits {
			if y := figure.value(&fits[j].Summary); finite(y) {
				x := math.Log2(float64(fits[j].K))
				mean = append(mean, plotter.XY{X: x, Y: y})
				least = append(least, plotter.XY{X: x, Y: fits[j].LeastAgreement})
			}
		}
		c.text(figure.name, noteStyle, part.x, part.y-5, left)
		last := i+1 == len(figures)
		if !last {
			least = nil
		}
		drawFigure(c, part, fits, mean, least, last)
	}
}

// drawFigure draws one figure over the logarithm of k, and a band down to the least
// if that is given.
func drawFigure(c *canvas, r rect, fits []Fit, mean, least plotter.XYs, last bool) {
	if r.tooSmall() || len(fits) == 0 {
		return
	}
	p := newPlot("", "")
	p.X.Min, p.X.Max = math.Log2(float64(fits[0].K)), math.Log2(float64(fits[len(fits)-1].K))
	if p.X.Min == p.X.Max {
		p.X.Min, p.X.Max = p.X.Min-1, p.X.Max+1
	}
	edge := (p.X.Max - p.X.Min) * 0.03
	p.X.Min, p.X.Max = p.X.Min-edge, p.X.Max+edge
	p.Y.Min, p.Y.Max = 0, 1e-9
	for _, points := range []plotter.XYs{mean, least} {
		for _, at := range points {
			p.Y.Min, p.Y.Max = min(p.Y.Min, at.Y), max(p.Y.Max, at.Y*1.05)
		}
	}
	p.Y.Tick.Marker = niceTicks{max(2, r.h/30)}
	if len(mean) == 0 {
		p.Y.Tick.Marker = noTicks{}
	}
	p.X.Tick.Marker = noTicks{}
	if last {
		p.X.Label.Text = "number of clusters, on a scale of logarithms"
		p.X.Tick.Marker = kTicks(fits, r.w/(p.X.Max-p.X.Min))
	}
	grid(p)
	if len(least) > 0 {
		p.Add(band{least, mean})
	}
	if len(mean) > 0 {
		p.Add(linePlotter(mean, 1.5, okabeIto[1]))
		p.Add(&plotter.Scatter{XYs: mean, GlyphStyle: draw.GlyphStyle{Color: okabeIto[1], Radius: pixels(3), Shape: draw.CircleGlyph{}}})
	}
	c.panel(p, r)
	if len(mean) == 0 {
		c.text("undefined", noteStyle, r.x+r.w/2, r.y+r.h/2, center)
	}
}

// kTicks returns a tick for each fit, and a label where there is room.
func kTicks(fits []Fit, scale float64) (ticks plot.ConstantTicks) {
	free := math.Inf(-1)
	for _, f := range fits {
		t := plot.Tick{Value: math.Log2(float64(f.K))}
		if at := t.Value * scale; at-free > 26 {
			t.Label, free = thousands(f.K), at
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// A band is the area between two lines with points at the same x.
type band struct{ low, high plotter.XYs }

// Plot fills the band.
func (b band) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var outline []vg.Point
	for _, at := range b.high {
		outline = append(outline, vg.Point{X: x(at.X), Y: y(at.Y)})
	}
	for i := len(b.low) - 1; i >= 0; i-- {
		outline = append(outline, vg.Point{X: x(b.low[i].X), Y: y(b.low[i].Y)})
	}
	c.FillPolygon(mapped(blueRed, 0.3), outline)
}
