package picture

import (
	"fmt"
	"slices"

	"tatum/query"
)

// Pair is two songs over one clock, and how unlike they are by each feature.
func Pair(a, b *query.Timeline, distances []query.FeatureDistance) *Picture {
	one, other := newStrip(a, inSeconds), newStrip(b, inSeconds)
	end := max(a.End, b.End)
	// Pitches and timbre would leave no room for both songs.
	one.pitches, one.timbre, one.rawTimbre = nil, nil, nil
	other.pitches, other.timbre, other.rawTimbre = nil, nil, nil
	mean := 0.0
	nearest, farthest := 0, 0
	for i, d := range distances {
		mean += d.Distance / float64(len(distances))
		if d.Distance < distances[nearest].Distance {
			nearest = i
		}
		if d.Distance > distances[farthest].Distance {
			farthest = i
		}
	}
	p := &Picture{
		Kind: "pair", Title: nameOf(&a.Track) + " / " + nameOf(&b.Track), Fallback: string(a.Track.ID) + " / " + string(b.Track.ID),
		Finding: fmt.Sprintf("distance %.3f by rhythm; most alike by %v (%.3f), least by %v (%.3f)", mean,
			distances[nearest].Feature, distances[nearest].Distance, distances[farthest].Feature, distances[farthest].Distance),
		Data: Data{Columns: append(append([]string{}, stripColumns...), "feature", "distance")}, width: 1000, height: 640, least: 560,
		notes: func(c *canvas) (notes []string) {
			width := c.width - 2*12 - stripLeft - stripRight
			first, second := one.notesUntil(width, end), other.notesUntil(width, end)
			for i, of := range [][]string{first, second} {
				for _, note := range of {
					switch {
					case !slices.Contains(first, note) || !slices.Contains(second, note):
						notes = append(notes, fmt.Sprintf("Song %d: %s", i+1, note))
					case i == 0:
						notes = append(notes, "Both songs: "+note)
					}
				}
			}
			return notes
		},
		draw: func(c *canvas, r rect) {
			bars := float64(len(distances))*17 + 40
			songs := (r.h - bars) / 2
			for i, s := range []*strip{one, other} {
				part := r.top(songs)
				heading := part.top(18)
				name := c.fit(fmt.Sprintf("%d  ", i+1)+c.legible(nameOf(&s.Track), string(s.Track.ID)), bodyStyle, heading.w)
				c.text(name, bodyStyle, heading.x, heading.y+12, left)
				s.draw(c, part, end)
			}
			drawDistances(c, r, distances)
		},
	}
	one.addData(&p.Data)
	other.addData(&p.Data)
	for i := range p.Data.Rows {
		p.Data.Rows[i] = append(p.Data.Rows[i], nil, nil)
	}
	for _, d := range distances {
		p.Data.add(string(a.Track.ID), "distance", nil, nil, nil, nil, nil, d.Feature.String(), d.Distance)
	}
	return p
}

// drawDistances draws a bar for each feature.
func drawDistances(c *canvas, r rect, distances []query.FeatureDistance) {
	r = r.inset(190, 4, 50, 34)
	if r.tooSmall() {
		return
	}
	p := newPlot("distance, 0 the same to 1", "")
	p.HideY()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	p.X.Tick.Marker = niceTicks{max(2, r.w/50)}
	c.panel(p, r)
	each := r.h / float64(len(distances))
	for i, d := range distances {
		y := r.y + float64(i)*each
		c.fill(rect{r.x, y + each*0.15, r.w * d.Distance, each * 0.7}, okabeIto[1])
		c.text(d.Feature.String(), tickStyle, r.x-8, y+each/2+4, right)
		c.text(fmt.Sprintf("%.3f", d.Distance), tickStyle, r.x+r.w*d.Distance+5, y+each/2+4, left)
	}
}
