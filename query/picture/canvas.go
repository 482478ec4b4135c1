package picture

import (
	"image"
	"image/color"
	"math"
	"strings"
	"unicode"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// pixels returns a length of so many pixels.
func pixels(n float64) vg.Length { return vg.Length(n) * vg.Inch / 96 }

// A canvas is what a picture is drawn on.
type canvas struct {
	draw.Canvas
	backend       *backend
	width, height float64
}

// A rect is a part of a canvas, in pixels from the top left corner.
type rect struct{ x, y, w, h float64 }

// top cuts a strip off the top and returns it.
func (r *rect) top(h float64) rect {
	strip := rect{r.x, r.y, r.w, h}
	r.y, r.h = r.y+h, r.h-h
	return strip
}

// inset returns what is left of a rect inside margins.
func (r rect) inset(left, top, right, bottom float64) rect {
	return rect{r.x + left, r.y + top, r.w - left - right, r.h - top - bottom}
}

// tooSmall reports whether nothing could be seen in the rect.
func (r rect) tooSmall() bool { return !(r.w >= 4 && r.h >= 4) }

// round moves the edges to whole pixels, where images are sharp.
func (r rect) round() rect {
	x, y := math.Round(r.x), math.Round(r.y)
	return rect{x, y, math.Max(1, math.Round(r.x+r.w)-x), math.Max(1, math.Round(r.y+r.h)-y)}
}

func (c *canvas) at(x, y float64) vg.Point {
	return vg.Point{X: pixels(x), Y: pixels(c.height - y)}
}

// A textStyle is the size and colour of a text.
type textStyle struct {
	size  float64 // pixels
	bold  bool
	color color.Color
}

var (
	ink    = color.Gray{0x20}
	faint  = color.Gray{0x60}
	hair   = color.Gray{0xb0}
	ground = color.Gray{0xe4}

	titleStyle = textStyle{15, true, ink}
	bodyStyle  = textStyle{12.5, false, ink}
	noteStyle  = textStyle{11, false, faint}
	tickStyle  = textStyle{11, false, ink}
)

func (s textStyle) font() font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: pixels(s.size)}
	if s.bold {
		f.Weight = stdfont.WeightBold
	}
	return f
}

// Where a text is put to.
type side int

const (
	left side = iota
	center
	right
)

// text writes a line whose baseline is at y.
func (c *canvas) text(line string, style textStyle, x, y float64, s side) {
	x -= c.textWidth(line, style) * float64(s) / 2
	c.SetColor(style.color)
	c.FillString(font.DefaultCache.Lookup(style.font(), pixels(style.size)), c.at(x, y), line)
}

// textWidth returns how many pixels a line takes.
func (c *canvas) textWidth(line string, style textStyle) float64 {
	return c.backend.letters.width(line, style)
}

// legible returns the text, or instead of one that no font has the other, with a
// warning.
func (c *canvas) legible(line, instead string) string {
	line = strings.ReplaceAll(legal(line), string(unicode.ReplacementChar), "?")
	if missing := c.backend.letters.missing(line); missing != "" {
		c.backend.warnings = append(c.backend.warnings,
			"no font on this machine has "+missing+"; the picture has "+instead+" in place of the title")
		return instead
	}
	return line
}

// fit cuts a text that is too wide, with an ellipsis.
func (c *canvas) fit(line string, style textStyle, width float64) string {
	if c.textWidth(line, style) <= width {
		return line
	}
	runes := []rune(line)
	low, high := 0, len(runes) // how many are kept
	for low < high {
		mid := (low + high + 1) / 2
		if c.textWidth(string(runes[:mid])+"…", style) <= width {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return strings.TrimRight(string(runes[:low]), " ") + "…"
}

// wrap breaks a text into lines that are narrow enough.
func (c *canvas) wrap(sentence string, style textStyle, width float64) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(sentence) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && c.textWidth(longer, style) > width {
			lines = append(lines, line)
			longer = word
		}
		line = longer
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}

func (c *canvas) fill(r rect, with color.Color) {
	c.FillPolygon(with, []vg.Point{c.at(r.x, r.y), c.at(r.x+r.w, r.y), c.at(r.x+r.w, r.y+r.h), c.at(r.x, r.y+r.h)})
}

func (c *canvas) line(width float64, with color.Color, points ...vg.Point) {
	c.StrokeLines(draw.LineStyle{Color: with, Width: pixels(width)}, points)
}

// frame draws the outline of a rect.
func (c *canvas) frame(r rect, with color.Color) {
	c.line(1, with, c.at(r.x, r.y), c.at(r.x+r.w, r.y), c.at(r.x+r.w, r.y+r.h), c.at(r.x, r.y+r.h), c.at(r.x, r.y))
}

// raster draws an image of one pixel for each of the canvas's, which at returns the
// colours of.
func (c *canvas) raster(r rect, at func(x, y int) color.NRGBA) {
	if r.tooSmall() {
		return
	}
	r = r.round()
	img := image.NewNRGBA(image.Rect(0, 0, int(r.w), int(r.h)))
	for y := range int(r.h) {
		for x := range int(r.w) {
			img.SetNRGBA(x, y, at(x, y))
		}
	}
	c.DrawImage(vg.Rectangle{Min: c.at(r.x, r.y+r.h), Max: c.at(r.x+r.w, r.y)}, img)
}

// newPlot returns axes without a frame, in the style of all pictures.
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = hair
		axis.Width = pixels(1)
		axis.Padding = 0
		axis.Tick.LineStyle = draw.LineStyle{Color: hair, Width: pixels(1)}
		axis.Tick.Length = pixels(4)
		axis.Tick.Label.Font, axis.Tick.Label.Color = tickStyle.font(), tickStyle.color
		axis.Label.TextStyle.Font, axis.Label.TextStyle.Color = tickStyle.font(), tickStyle.color
	}
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	return p
}

// grid draws a plot's lines at its ticks of the y axis.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical.Width = 0
	g.Horizontal = draw.LineStyle{Color: ground, Width: pixels(1)}
	p.Add(g)
}

// panel draws a plot whose data fill a rect; axes and labels are outside.
func (c *canvas) panel(p *plot.Plot, r rect) {
	if r.tooSmall() {
		return
	}
	// A label longer than its axis would make gonum draw a longer one. Beside the
	// y axis there is no room for it.
	if label := p.X.Label.Text; c.textWidth(label, tickStyle) > r.w {
		c.text(label, tickStyle, r.x+r.w/2, r.y+r.h+29, center)
		p.X.Label.Text = ""
	}
	if c.textWidth(p.Y.Label.Text, tickStyle) > r.h {
		p.Y.Label.Text = ""
	}
	part := c.Canvas
	// What the axes take depends, a little, on how much there is.
	for range 4 {
		data := p.DataCanvas(part)
		part.Min = part.Min.Add(c.at(r.x, r.y+r.h).Sub(data.Min))
		part.Max = part.Max.Add(c.at(r.x+r.w, r.y).Sub(data.Max))
	}
	p.Draw(part)
}

// linePlotter returns a plotter of a line.
func linePlotter(points plotter.XYs, width float64, with color.Color) plot.Plotter {
	return &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: with, Width: pixels(width)}}
}
