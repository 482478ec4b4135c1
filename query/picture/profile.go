package picture

import (
	"fmt"
	"image/color"
	"math"

	"tatum/query"
	"tatum/store"
)

// Profile is by which statistics the clusters of a feature differ: a row for each
// cluster, a column for each statistic.
func Profile(p *query.Profile, c *store.Clustering) *Picture {
	drawn := &Picture{
		Kind: "profile", Title: "Profile of the clusters of " + p.Feature.String(), Fallback: p.Feature.String(), clustering: c, width: 1000,
		least: 360, height: min(1400, 190+max(12, 400/max(1, len(p.Clusters)))*len(p.Clusters)),
		Data: Data{Columns: []string{"cluster", "size", "statistic", "z", "cluster_mean", "mean", "deviation"}},
	}
	empty := 0
	var most query.Deviation
	beyond := 0
	for k := range p.Clusters {
		own := &p.Clusters[k]
		if own.Size == 0 {
			empty++
		}
		for j, name := range p.Statistics {
			drawn.Data.add(k, own.Size, name, own.Z[j], own.Mean[j], p.Mean[j], p.Deviation[j])
			if math.Abs(own.Z[j]) > 3 {
				beyond++
			}
			if math.Abs(own.Z[j]) > math.Abs(most.Z) {
				most = query.Deviation{Cluster: store.Cluster(k), Statistic: name, Z: own.Z[j]}
			}
		}
	}
	drawn.Finding = count(len(p.Clusters), "cluster") + " by the means of their statistics, as deviations of all tracks"
	if most.Statistic != "" {
		drawn.Finding += fmt.Sprintf("; farthest is %s of cluster %d, %s", most.Statistic, most.Cluster, decimal(most.Z, 1))
	}
	drawn.notes = func(*canvas) (notes []string) {
		notes = append(notes, "Dashes mark what is below the mean of all tracks by half a deviation or more.")
		if beyond > 0 {
			notes = append(notes, verb(beyond, "mean", "is", "are")+" more than 3 deviations away and drawn as 3.")
		}
		if empty > 0 {
			notes = append(notes, verb(empty, "cluster", "is", "are")+" empty, and grey.")
		}
		return notes
	}
	drawn.draw = func(c *canvas, r rect) { drawProfile(c, r, p) }
	return drawn
}

func drawProfile(c *canvas, r rect, p *query.Profile) {
	rows, columns := len(p.Clusters), len(p.Statistics)
	bar := rect{r.x + 62, r.y + 2, min(180, r.w/3), 8}
	c.colorBar(bar, blueRed, "−3", "0", "3")
	c.text("deviations", noteStyle, bar.x+bar.w+14, bar.y+8, left)
	names := 0.0
	for _, name := range p.Statistics {
		names = max(names, c.textWidth(name, noteStyle))
	}
	r = r.inset(62, 30, 60, names+12)
	if r.tooSmall() {
		return
	}
	r = r.round()
	cell := func(x, y float64) (int, int) {
		return min(rows-1, int(y/r.h*float64(rows))), min(columns-1, int(x/r.w*float64(columns)))
	}
	high, wide := r.h/float64(rows), r.w/float64(columns)
	c.raster(r, func(x, y int) color.NRGBA {
		k, j := cell(float64(x)+0.5, float64(y)+0.5)
		z := p.Clusters[k].Z[j]
		if z <= -0.5 && high >= 6 && wide >= 6 { // the dash
			middle, from := math.Abs(float64(y)+0.5-(float64(k)+0.5)*high), float64(x)+0.5-float64(j)*wide
			if middle < 0.9 && from > wide*0.3 && from < wide*0.7 {
				if z < -1.5 {
					return color.NRGBA{0xff, 0xff, 0xff, 0xff}
				}
				return color.NRGBA{0x20, 0x20, 0x20, 0xff}
			}
		}
		if math.IsNaN(z) {
			return blank
		}
		return diverging(z)
	})
	step := 1
	for float64(step)*high < 12 && step < rows {
		step++
	}
	c.text("cluster", noteStyle, r.x-6, r.y-6, right)
	c.text("tracks", noteStyle, r.x+r.w+6, r.y-6, left)
	for k := 0; k < rows; k += step {
		y := r.y + (float64(k)+0.5)*high + 4
		c.text(fmt.Sprint(k), noteStyle, r.x-6, y, right)
		c.text(thousands(p.Clusters[k].Size), noteStyle, r.x+r.w+6, y, left)
	}
	for j, name := range p.Statistics {
		if wide < 11 && j%int(math.Ceil(11/wide)) != 0 {
			continue
		}
		c.vertical(name, noteStyle, r.x+(float64(j)+0.5)*wide+4, r.y+r.h+6)
	}
}

// vertical writes a text from top to bottom's end, read with the head to the left:
// it ends at y.
func (c *canvas) vertical(line string, style textStyle, x, y float64) {
	c.Push()
	c.Translate(c.at(x, y+c.textWidth(line, style)))
	c.Rotate(math.Pi / 2)
	c.text(line, style, 0, c.height, left)
	c.Pop()
}

// mostBars is how many of the statistics that set a cluster apart are drawn.
const mostBars = 10

// Explanation is what sets one cluster apart: its largest deviations, as
// query.Profile.Explain has them.
func Explanation(f store.Feature, cluster store.Cluster, size int, deviations []query.Deviation, c *store.Clustering) *Picture {
	deviations = deviations[:min(mostBars, len(deviations))]
	p := &Picture{
		Kind: "profile", Title: fmt.Sprintf("%v, cluster %d", f, cluster), Fallback: f.String(), clustering: c, width: 800, height: 420, least: 360,
		Data: Data{Columns: []string{"cluster", "rank", "statistic", "z", "cluster_mean", "mean", "deviation"}},
	}
	p.Finding = count(size, "track")
	if len(deviations) > 0 {
		p.Finding += "; apart from all others by"
		for i, d := range deviations[:min(3, len(deviations))] {
			if i > 0 {
				p.Finding += ","
			}
			p.Finding += fmt.Sprintf(" %s (%s deviations)", d.Statistic, decimal(d.Z, 1))
		}
	}
	most := 3.0
	for _, d := range deviations {
		most = max(most, math.Abs(d.Z))
		p.Data.add(int(d.Cluster), d.Rank, d.Statistic, d.Z, d.ClusterMean, d.Mean, d.Deviation)
	}
	p.notes = func(*canvas) []string {
		group := "the histogram's densities"
		if f.IsSound() {
			group = "the covariances"
		}
		return []string{"At the right, the mean of the cluster and of all tracks, in the statistic's own unit. Of " + group + " the farthest is shown."}
	}
	p.draw = func(c *canvas, r rect) {
		if len(deviations) == 0 {
			c.text("The cluster is empty.", bodyStyle, r.x, r.y+20, left)
			return
		}
		drawDeviations(c, r, deviations, math.Ceil(most))
	}
	return p
}

func drawDeviations(c *canvas, r rect, deviations []query.Deviation, most float64) {
	r = r.inset(76, 22, 160, 38)
	if r.tooSmall() {
		return
	}
	p := newPlot("deviations of all tracks", "")
	p.HideY()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -most, most, 0, 1
	p.X.Tick.Marker = niceTicks{r.w / 80}
	c.panel(p, r)
	c.text("cluster", noteStyle, r.x+r.w+78, r.y-8, right)
	c.text("all", noteStyle, r.x+r.w+150, r.y-8, right)
	each := r.h / float64(len(deviations))
	zero := r.x + r.w/2
	for i, d := range deviations {
		y := r.y + float64(i)*each
		length := d.Z / most * r.w / 2
		bar := rect{zero, y + each*0.18, length, each * 0.64}
		if length < 0 {
			bar.x, bar.w = zero+length, -length
		}
		c.fill(bar, diverging(2.2*math.Copysign(1, d.Z)))
		c.text(d.Statistic, tickStyle, r.x-8, y+each/2+4, right)
		c.text(significant(d.ClusterMean), tickStyle, r.x+r.w+78, y+each/2+4, right)
		c.text(significant(d.Mean), tickStyle, r.x+r.w+150, y+each/2+4, right)
	}
	c.line(1, faint, c.at(zero, r.y), c.at(zero, r.y+r.h))
}

// significant writes a number in three or four digits.
func significant(x float64) string {
	switch a := math.Abs(x); {
	case a >= 1000:
		return decimal(x, 0)
	case a >= 10:
		return decimal(x, 1)
	case a >= 0.1 || a == 0:
		return decimal(x, 3)
	}
	return decimal(x, 5)
}
