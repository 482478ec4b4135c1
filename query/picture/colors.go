package picture

import (
	"image/color"
	"math"
)

// viridis is Matplotlib's map of that name, from dark to light at equal steps: as
// easily told apart in grey and by the colour-blind.
var viridis = []color.NRGBA{
	{0x44, 0x01, 0x54, 0xff}, {0x48, 0x24, 0x75, 0xff}, {0x41, 0x44, 0x87, 0xff}, {0x35, 0x5f, 0x8d, 0xff},
	{0x2a, 0x78, 0x8e, 0xff}, {0x21, 0x91, 0x8c, 0xff}, {0x22, 0xa8, 0x84, 0xff}, {0x44, 0xbf, 0x70, 0xff},
	{0x7a, 0xd1, 0x51, 0xff}, {0xbd, 0xdf, 0x26, 0xff}, {0xfd, 0xe7, 0x25, 0xff},
}

// blueRed is ColorBrewer's RdBu reversed, white in the middle. In grey its two ends
// look alike: where that matters, what is below is marked.
var blueRed = []color.NRGBA{
	{0x05, 0x30, 0x61, 0xff}, {0x21, 0x66, 0xac, 0xff}, {0x43, 0x93, 0xc3, 0xff}, {0x92, 0xc5, 0xde, 0xff},
	{0xd1, 0xe5, 0xf0, 0xff}, {0xf7, 0xf7, 0xf7, 0xff}, {0xfd, 0xdb, 0xc7, 0xff}, {0xf4, 0xa5, 0x82, 0xff},
	{0xd6, 0x60, 0x4d, 0xff}, {0xb2, 0x18, 0x2b, 0xff}, {0x67, 0x00, 0x1f, 0xff},
}

// okabeIto are the colours of Okabe and Ito that tell eight things apart, black
// last.
var okabeIto = []color.NRGBA{
	{0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x72, 0xb2, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0xf0, 0xe4, 0x42, 0xff}, {0x00, 0x00, 0x00, 0xff},
}

// blank is the colour of what has no number.
var blank = color.NRGBA{0xd0, 0xd0, 0xd0, 0xff}

// mapped returns the colour of a share, 0 to 1, of the way through a map; shares
// beyond are as the end.
func mapped(colors []color.NRGBA, share float64) color.NRGBA {
	if math.IsNaN(share) {
		return blank
	}
	share = min(1, max(0, share)) * float64(len(colors)-1)
	i := min(int(share), len(colors)-2)
	t := share - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(float64(a)*(1-t)) + float64(float64(b)*t))) }
	a, b := colors[i], colors[i+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}

// diverging returns the colour of a number of deviations, -3 to 3.
func diverging(z float64) color.NRGBA { return mapped(blueRed, (z+3)/6) }

// colorBar draws what the colours of a map mean, in a strip of a rect, with the
// numbers at its ends and middle.
func (c *canvas) colorBar(r rect, colors []color.NRGBA, labels ...string) {
	bar := rect{r.x, r.y, r.w, 8}.round()
	c.raster(bar, func(x, _ int) color.NRGBA { return mapped(colors, (float64(x)+0.5)/bar.w) })
	for i, label := range labels {
		at := float64(i) / float64(len(labels)-1)
		c.text(label, noteStyle, bar.x+bar.w*at, bar.y+bar.h+11, side(math.Round(2*at)))
	}
}
