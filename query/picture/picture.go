// Package picture draws the answers of package query: songs over their time, maps
// and profiles of clusters, and what tells how good a clustering is.
//
// Each kind of picture is a function from plain values to a [Picture], which holds
// what is to be drawn and the same numbers as a table. [Picture.Draw] is the one
// place that draws it, to SVG, PNG or PDF. The same values give the same bytes on
// every machine, but for texts in letters that the built-in font lacks: those are
// drawn with the outlines of a font that the machine has.
//
// Lengths are pixels, of which an inch has 96. Positions are measured from the top
// left corner.
package picture

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"

	"tatum/store"
)

// A Format is a kind of file that a picture is drawn to.
type Format string

// The formats.
const (
	SVG Format = "svg"
	PNG Format = "png"
	PDF Format = "pdf"
)

// Formats lists all formats.
var Formats = []Format{SVG, PNG, PDF}

// ParseFormat returns the format called name.
func ParseFormat(name string) (Format, error) {
	for _, f := range Formats {
		if strings.EqualFold(name, string(f)) {
			return f, nil
		}
	}
	return "", fmt.Errorf("no picture format %q: want svg, png or pdf", name)
}

// The least and the largest width and height of a picture. Some kinds have to be
// higher than MinHeight.
const (
	MinWidth  = 320
	MinHeight = 200
	MaxSize   = 10000
)

// ErrSize is returned for a picture that is to be smaller than can be read, or
// larger than MaxSize.
var ErrSize = errors.New("a picture cannot be of that size")

// Options say how to draw a picture. The zero value is as wide and high as the
// picture would best be, and an SVG.
type Options struct {
	Format        Format
	Width, Height int // pixels, MinWidth or MinHeight to MaxSize; 0 for the picture's own

	Version string // of the program, for an SVG's metadata

	// BuiltInFont has texts in letters that the built-in font lacks drawn as those
	// that the machine's fonts lack are: not at all.
	BuiltInFont bool
}

// A Picture is what is to be drawn, and says what it shows.
type Picture struct {
	Kind     string // song, map, …
	Title    string // in any script
	Fallback string // in place of a title that no font has
	Finding  string // what there is to see, in a sentence
	Data     Data   // the numbers that are drawn

	clustering    *store.Clustering // that it is of, if any
	width, height int               // that it would best have
	least         int               // height below which it cannot be read
	scaled        bool              // whether it is as high as it is wide
	notes         func(c *canvas) []string
	draw          func(c *canvas, r rect)

	at func(r rect, x, y float64) Spot // what a pixel stands for, if for anything
}

// Data are numbers as a table, a row for each thing drawn. Values are strings,
// ints or float64s, or nil where there is none.
type Data struct {
	Columns []string
	Rows    [][]any
	Tracks  iter.Seq[[]any] // rows before these, one for each of what may be a million tracks; or nil
}

// All yields all rows.
func (d *Data) All() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		if d.Tracks != nil {
			for row := range d.Tracks {
				if !yield(row) {
					return
				}
			}
		}
		for _, row := range d.Rows {
			if !yield(row) {
				return
			}
		}
	}
}

func (d *Data) add(values ...any) { d.Rows = append(d.Rows, values) }

// Draw draws the picture. Warnings tell of texts that could not be drawn, and what
// stands in their place.
func (p *Picture) Draw(w io.Writer, o Options) (warnings []string, err error) {
	c, err := p.canvas(&o)
	if err != nil {
		return nil, err
	}
	backend := c.backend
	c.fill(rect{0, 0, c.width, c.height}, color.White)
	p.drawAll(c)
	if o.Format == SVG || o.Format == "" {
		return backend.warnings, p.writeSVG(w, backend.file, o)
	}
	_, err = backend.file.WriteTo(w)
	return backend.warnings, err
}

// At returns what a pixel of a map stands for that is drawn with the options. It is
// an error if the picture is no map.
func (p *Picture) At(o Options, x, y float64) (Spot, error) {
	c, err := p.canvas(&o)
	if err == nil && p.at == nil {
		err = fmt.Errorf("a picture of kind %s has no coordinates", p.Kind)
	}
	if err != nil {
		return Spot{}, err
	}
	return p.at(p.layOut(c).body, x, y), nil
}

// canvas returns a canvas to draw the picture on, and fills in the size.
func (p *Picture) canvas(o *Options) (*canvas, error) {
	if o.Width == 0 {
		o.Width = p.width
	}
	if o.Height == 0 {
		o.Height = p.height
		if p.scaled {
			o.Height = min(MaxSize, max(p.least, p.height*o.Width/p.width))
		}
	}
	if o.Width < MinWidth || o.Height < max(MinHeight, p.least) || max(o.Width, o.Height) > MaxSize {
		return nil, fmt.Errorf("%w: %d × %d pixels: a %s picture has at least %d × %d, at most %d × %d",
			ErrSize, o.Width, o.Height, p.Kind, MinWidth, max(MinHeight, p.least), MaxSize, MaxSize)
	}
	backend, err := newBackend(*o)
	if err != nil {
		return nil, err
	}
	width, height := pixels(float64(o.Width)), pixels(float64(o.Height))
	return &canvas{Canvas: draw.NewCanvas(backend, width, height), backend: backend, width: float64(o.Width), height: float64(o.Height)}, nil
}

// drawAll draws the title, the finding, what the picture is of, and the notes.
func (p *Picture) drawAll(c *canvas) {
	title := c.fit(c.legible(p.Title, p.Fallback), titleStyle, c.width-2*margin)
	c.text(title, titleStyle, margin, 22, left)
	l := p.layOut(c)
	for i, line := range l.finding {
		c.text(line, bodyStyle, margin, 39+float64(i)*17, left)
	}
	for i, line := range l.notes {
		c.text(line, noteStyle, margin, l.body.y+l.body.h+10+float64(i)*14, left)
	}
	if l.body.h > 20 && l.body.w > 20 {
		p.draw(c, l.body)
	}
}

// margin is what is left free at the left and the right.
const margin = 12

// A layout is the lines around a picture, and what they leave of it.
type layout struct {
	finding, notes []string
	body           rect
}

func (p *Picture) layOut(c *canvas) (l layout) {
	l.finding = c.wrap(p.Finding, bodyStyle, c.width-2*margin)
	if p.notes != nil {
		for _, note := range p.notes(c) {
			l.notes = append(l.notes, c.wrap(note, noteStyle, c.width-2*margin)...)
		}
	}
	y := 36 + float64(len(l.finding))*17
	l.body = rect{margin, y, c.width - 2*margin, c.height - y - 8 - float64(len(l.notes))*14}
	return l
}

// A backend is a file being drawn, with letters that the built-in font lacks.
type backend struct {
	vg.Canvas
	file     vg.CanvasWriterTo
	format   Format
	letters  *letters
	warnings []string
}

// DrawImage draws an image upright, which vgpdf draws upside down.
func (b *backend) DrawImage(r vg.Rectangle, img image.Image) {
	if b.format != PDF {
		b.Canvas.DrawImage(r, img)
		return
	}
	b.Push()
	defer b.Pop()
	b.Translate(vg.Point{Y: r.Min.Y + r.Max.Y})
	b.Scale(1, -1)
	b.Canvas.DrawImage(r, img)
}

// pdfDates are those of every PDF, which would have the time of day in it.
var pdfDates = sync.OnceFunc(func() {
	then := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	fpdf.SetDefaultCreationDate(then)
	fpdf.SetDefaultModificationDate(then)
	fpdf.SetDefaultCatalogSort(true)
})

func newBackend(o Options) (*backend, error) {
	w, h := pixels(float64(o.Width)), pixels(float64(o.Height))
	b := &backend{format: o.Format, letters: newLetters(o.BuiltInFont)}
	switch o.Format {
	case SVG, "":
		b.format = SVG
		b.file = vgsvg.New(w, h)
	case PNG:
		b.file = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(96))}
	case PDF:
		pdfDates()
		b.file = vgpdf.New(w, h)
	default:
		_, err := ParseFormat(string(o.Format))
		return nil, err
	}
	b.Canvas = b.file
	return b, nil
}
