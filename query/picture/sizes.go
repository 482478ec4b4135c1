package picture

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"tatum/query"
	"tatum/store"
)

// Sizes is how many tracks the clusters of a feature have, the largest first, and
// how many of them each fold labelled.
func Sizes(f store.Feature, sizes []query.FoldSizes, c *store.Clustering) *Picture {
	sorted := slices.Clone(sizes)
	slices.SortStableFunc(sorted, func(a, b query.FoldSizes) int { return cmp.Compare(b.Size, a.Size) })
	p := &Picture{
		Kind: "sizes", Title: "Sizes of the clusters of " + f.String(), Fallback: f.String(), clustering: c, width: 900, height: 420, least: 260,
		Data: Data{Columns: []string{"rank", "cluster", "size", "fold", "tracks"}},
	}
	total, empty := 0, []string{}
	for i, s := range sorted {
		total += s.Size
		if s.Size == 0 {
			empty = append(empty, fmt.Sprint(s.Cluster))
		}
		for fold, n := range s.Folds {
			p.Data.add(i+1, int(s.Cluster), s.Size, fold, n)
		}
	}
	p.Finding = fmt.Sprintf("%s in %s", count(total, "track"), count(len(sizes), "cluster"))
	if len(sorted) > 0 && total > 0 {
		p.Finding += fmt.Sprintf("; the largest, %d, has %.1f %%", sorted[0].Cluster, 100*float64(sorted[0].Size)/float64(total))
	}
	if len(empty) > 0 {
		p.Finding += fmt.Sprintf("; %d empty", len(empty))
	}
	p.notes = func(*canvas) (notes []string) {
		notes = append(notes, "The shades of a bar are the folds, the first at the bottom: of about one height, unless the folds disagree about the cluster.")
		if len(empty) > 0 {
			notes = append(notes, "Empty: "+list(empty, 40)+".")
		}
		return notes
	}
	p.draw = func(c *canvas, r rect) { drawSizes(c, r, sorted) }
	return p
}

// list joins texts with commas, and says how many more there are than most.
func list(texts []string, most int) string {
	out := ""
	for i, text := range texts[:min(most, len(texts))] {
		if i > 0 {
			out += ", "
		}
		out += text
	}
	if len(texts) > most {
		out += fmt.Sprintf(" and %s more", thousands(len(texts)-most))
	}
	return out
}

func drawSizes(c *canvas, r rect, sizes []query.FoldSizes) {
	r = r.inset(62, 6, 14, 40)
	if r.tooSmall() || len(sizes) == 0 {
		return
	}
	r = r.round()
	c.text("cluster, the largest first", tickStyle, r.x+r.w/2, r.y+r.h+32, center)
	most := 1
	for _, s := range sizes {
		most = max(most, s.Size)
	}
	p := newPlot("", "tracks")
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, float64(len(sizes)), 0, float64(most)
	p.X.Tick.Marker = noTicks{}
	p.Y.Tick.Marker = niceTicks{r.h / 50}
	grid(p)
	c.panel(p, r)
	wide := r.w / float64(len(sizes))
	// Bars of less than a few pixels would be too many rectangles: they are an image.
	if wide < 4 {
		shades := foldShades(len(sizes[0].Folds))
		c.raster(r, func(x, y int) color.NRGBA {
			s := &sizes[min(len(sizes)-1, int((float64(x)+0.5)/wide))]
			height := (r.h - float64(y) - 0.5) / r.h * float64(most)
			for fold, n := range s.Folds {
				if height -= float64(n); height < 0 {
					return shades[fold]
				}
			}
			return color.NRGBA{0xff, 0xff, 0xff, 0}
		})
		return
	}
	for i, s := range sizes {
		shades := foldShades(len(s.Folds))
		x, y := r.x+float64(i)*wide, r.y+r.h
		for fold, n := range s.Folds {
			if n > 0 {
				h := float64(n) / float64(most) * r.h
				y -= h
				c.fill(rect{x + wide*0.1, y, wide * 0.8, h}, shades[fold])
			}
		}
	}
	step := int(math.Ceil(18 / wide))
	for i := 0; i < len(sizes); i += step {
		c.text(fmt.Sprint(sizes[i].Cluster), tickStyle, r.x+(float64(i)+0.5)*wide, r.y+r.h+14, center)
	}
}

// foldShades returns a colour for each fold, from dark to light.
func foldShades(n int) []color.NRGBA {
	shades := make([]color.NRGBA, n)
	for i := range shades {
		shades[i] = mapped(viridis, 0.15+0.75*float64(i)/float64(max(1, n-1)))
	}
	return shades
}
