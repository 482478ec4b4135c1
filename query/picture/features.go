package picture

import (
	"fmt"
	"image/color"

	"tatum/query"
	"tatum/store"
)

// Features is how far the features of a clustering tell the same story: the
// agreement of their clusters, row by row as query.FeatureAgreements has it.
func Features(agreements []query.FeatureAgreement, c *store.Clustering) *Picture {
	n := len(c.Features)
	p := &Picture{
		Kind: "features", Title: "Do the features tell the same story?", Fallback: "features", clustering: c, width: 860, height: 640, least: 480,
		Data: Data{Columns: []string{"feature", "other", "agreement"}},
	}
	var most query.FeatureAgreement
	for i, a := range agreements {
		p.Data.add(a.Feature.String(), a.Other.String(), a.Agreement)
		if i/n < i%n && (most == query.FeatureAgreement{} || a.Agreement > most.Agreement) {
			most = a
		}
	}
	p.Finding = count(n, "feature")
	if n > 1 {
		p.Finding += fmt.Sprintf("; most alike are the clusters of %v and %v, which agree to %s", most.Feature, most.Other, decimal(most.Agreement, 2))
	}
	p.notes = func(*canvas) []string {
		return []string{"Adjusted Rand index of the features' clusters: 1 where they are the same, about 0 where they have nothing to do with each other."}
	}
	p.draw = func(c *canvas, r rect) { drawAgreements(c, r, agreements, n) }
	return p
}

func drawAgreements(c *canvas, r rect, agreements []query.FeatureAgreement, n int) {
	bar := rect{r.x + 190, r.y + 2, min(180, r.w/3, max(20, r.w-264)), 8}
	c.colorBar(bar, viridis, "0", "1")
	c.text("agreement", noteStyle, bar.x+bar.w+14, bar.y+8, left)
	// Names at the left, and under the columns, from bottom to top.
	r = r.inset(190, 32, 14, 180)
	if r.tooSmall() {
		return
	}
	side := min(r.w, r.h*1.6)
	r.w = side
	r = r.round()
	high, wide := r.h/float64(n), r.w/float64(n)
	c.raster(r, func(x, y int) color.NRGBA {
		i := min(n-1, int((float64(y)+0.5)/high))
		j := min(n-1, int((float64(x)+0.5)/wide))
		return mapped(viridis, agreements[i*n+j].Agreement)
	})
	for i := range n {
		name := agreements[i*n].Feature.String()
		c.text(name, tickStyle, r.x-8, r.y+(float64(i)+0.5)*high+4, right)
		c.vertical(name, tickStyle, r.x+(float64(i)+0.5)*wide+4, r.y+r.h+8)
		for j := range n {
			style := tickStyle
			if agreements[i*n+j].Agreement < 0.6 {
				style.color = color.White
			}
			if wide >= 28 && high >= 14 {
				c.text(decimal(agreements[i*n+j].Agreement, 2), style, r.x+(float64(j)+0.5)*wide, r.y+(float64(i)+0.5)*high+4, center)
			}
		}
	}
}
