package web

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tatum/query"
	"tatum/query/picture"
	"tatum/store"
)

// picturePolicy lets a picture that is opened by itself have the styles within it,
// and nothing else.
const picturePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; " +
	"base-uri 'none'; frame-ancestors 'none'; sandbox"

// The sizes that pictures are shown in, in pixels: where there is room, and where
// there is not.
const (
	wideWidth, halfWidth, narrowWidth = 1100, 640, 340
	maxWidth, maxHeight               = 2400, 2400
)

// A figure is a picture on a page, with the address of the same picture as files.
type figure struct {
	Alt     string
	Caption string
	Wide    string // address where there is room
	Narrow  string // address at narrowWidth
	SVG     string
	PNG     string
}

// figureAt returns the picture below path, without its ending, that is so wide where
// there is room.
func figureAt(width int, alt, caption, path string, query url.Values) *figure {
	sized := func(width int) string {
		q := url.Values{"w": {strconv.Itoa(width)}}
		for name, values := range query {
			q[name] = values
		}
		return address(path+".svg", q)
	}
	return &figure{Alt: alt, Caption: caption, Wide: sized(width), Narrow: sized(narrowWidth), SVG: address(path+".svg", query), PNG: address(path+".png", query)}
}

// pictures serves a picture below path, with .svg and .png behind it. At most two
// are drawn at once, and those drawn are kept.
func (s *server) pictures(mux *http.ServeMux, path string, read func(q *question) (*picture.Picture, error)) {
	for _, kind := range []struct {
		ending, contentType string
		format              picture.Format
	}{{".svg", typeSVG, picture.SVG}, {".png", typePNG, picture.PNG}} {
		answer := s.handle(kind.contentType, func(q *question) (writeFunc, error) {
			key := "picture " + q.stamp + " " + q.URL.RequestURI()
			if drawn, ok := cached[[]byte](&s.answers, key); ok {
				return func(out *bytes.Buffer) error {
					_, err := out.Write(drawn)
					return err
				}, nil
			}
			o, err := q.size()
			if err != nil {
				return nil, err
			}
			o.Format, o.Version = kind.format, s.Version
			p, err := read(q)
			if err != nil {
				return nil, err
			}
			ctx := q.Context()
			return func(out *bytes.Buffer) error {
				if err := s.drawings.enter(ctx); err != nil {
					return err
				}
				defer s.drawings.leave()
				if drawn, ok := cached[[]byte](&s.answers, key); ok { // by who came before
					_, err := out.Write(drawn)
					return err
				}
				if _, err := p.Draw(out, o); err != nil {
					return err
				}
				s.answers.put(key, bytes.Clone(out.Bytes()), out.Len())
				return nil
			}, nil
		})
		mux.HandleFunc("GET "+path+kind.ending, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", picturePolicy)
			answer(w, r)
		})
	}
}

// size returns how large a picture is asked for; without, as it would best be.
func (q *question) size() (o picture.Options, err error) {
	for _, side := range []struct {
		name        string
		least, most int
		dst         *int
	}{{"w", picture.MinWidth, maxWidth, &o.Width}, {"h", picture.MinHeight, maxHeight, &o.Height}} {
		text := q.FormValue(side.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < side.least || n > side.most {
			return o, wrongAddress(fmt.Sprintf("A picture cannot be of %s=%q", side.name, text),
				fmt.Sprintf("Pictures are %d to %d pixels wide, and %d to %d high.", picture.MinWidth, maxWidth, picture.MinHeight, maxHeight))
		}
		*side.dst = n
	}
	return o, nil
}

// Songs.

func readSong(q *question) (*picture.Picture, error) {
	t, err := q.track("id")
	if err != nil {
		return nil, err
	}
	line, err := query.NewTimeline(q.db, t.ID)
	if err != nil {
		return nil, err
	}
	return picture.Song(line), nil
}

func readPairPicture(q *question) (*picture.Picture, error) {
	a, b, err := q.pair()
	if err != nil {
		return nil, err
	}
	distances, err := query.FeatureDistances(q.db, a.ID, b.ID, store.Features[:])
	if err != nil {
		return nil, err
	}
	lineA, err := query.NewTimeline(q.db, a.ID)
	if err != nil {
		return nil, err
	}
	lineB, err := query.NewTimeline(q.db, b.ID)
	if err != nil {
		return nil, err
	}
	return picture.Pair(lineA, lineB, distances), nil
}

// pair returns the two tracks that the address names.
func (q *question) pair() (a, b *store.Track, err error) {
	if a, err = q.track("id"); err == nil {
		b, err = q.track("to")
	}
	return a, b, err
}

// Features and clusters.

// clusteredFeature returns the clustering and the feature asked about, which it
// has.
func (q *question) clusteredFeature() (*store.Clustering, store.Feature, error) {
	c, err := q.clustering()
	if err != nil {
		return nil, 0, err
	}
	f, err := q.feature()
	if err == nil && !slices.Contains(c.Features, f) {
		err = leftOut(c, f)
	}
	return c, f, err
}

func readSizes(q *question) (*picture.Picture, error) {
	c, f, err := q.clusteredFeature()
	if err != nil {
		return nil, err
	}
	sizes, err := query.SizesByFold(q.db, c, f)
	if err != nil {
		return nil, err
	}
	return picture.Sizes(f, sizes, c), nil
}

// profile returns what sets a feature's clusters apart, or errScan while it may
// not go through all tracks for it.
func (q *question) profile(c *store.Clustering, f store.Feature) (*query.Profile, error) {
	key := fmt.Sprintf("profile %s %v %s", q.stamp, f, c.Name)
	if p, ok := cached[*query.Profile](&q.server.answers, key); ok {
		return p, nil
	}
	if err := q.scan(); err != nil {
		return nil, err
	}
	p, err := query.Profiles(q.db, c, f)
	if err == nil {
		q.server.answers.put(key, p, 16*len(p.Mean)*(len(p.Clusters)+1))
	}
	return p, err
}

func readProfile(q *question) (*picture.Picture, error) {
	c, f, err := q.clusteredFeature()
	if err != nil {
		return nil, err
	}
	p, err := q.profile(c, f)
	if err != nil {
		return nil, err
	}
	return picture.Profile(p, c), nil
}

// explain returns the statistics that set a cluster apart.
func (q *question) explain(c *store.Clustering, f store.Feature, cluster store.Cluster) ([]query.Deviation, error) {
	p, err := q.profile(c, f)
	if err != nil {
		return nil, err
	}
	return p.Explain(cluster)
}

func readExplanation(q *question) ([]query.Deviation, error) {
	c, f, cluster, err := q.clusterAsked()
	if err != nil {
		return nil, err
	}
	return q.explain(c, f, cluster)
}

func readExplanationPicture(q *question) (*picture.Picture, error) {
	c, f, cluster, err := q.clusterAsked()
	if err != nil {
		return nil, err
	}
	deviations, err := q.explain(c, f, cluster)
	if err != nil {
		return nil, err
	}
	sizes, err := q.db.ClusterSizes(c, f)
	if err != nil {
		return nil, err
	}
	return picture.Explanation(f, cluster, int(sizes[cluster].Tracks), deviations, c), nil
}

// Maps.

// maxMaps is how many maps are kept. One of a million tracks takes 20 MB, and the
// tracks' IDs 35 MB once.
const maxMaps = 4

// tracksMap returns the map of a feature, with the clusters of its tracks if they
// are wanted, or errScan while it may not go through all tracks for it.
func (q *question) tracksMap(c *store.Clustering, f store.Feature, clusters bool) (*query.Map, error) {
	key := fmt.Sprintf("%s %v %s", q.stamp, f, c.Name)
	maps := &q.server.maps
	m, ok := maps.get(key)
	if ok && (m.Clusters != nil || !clusters) {
		return m, nil
	}
	if err := q.scan(); err != nil {
		return nil, err
	}
	maps.forget(q.stamp)
	var err error
	if ok {
		with := *m // which others look at meanwhile
		m = &with
	} else if m, err = query.NewMap(q.db, c, f); err != nil {
		return nil, err
	}
	if clusters {
		if err := m.AddClusters(q.db, c); err != nil {
			return nil, err
		}
	}
	maps.put(key, q.stamp, m)
	return m, nil
}

// minView is the least size of a part of a map.
const minView = 1e-4

// view returns the part of the map asked for.
func (q *question) view() (picture.Part, error) {
	text := q.FormValue("view")
	if text == "" {
		return picture.WholeMap, nil
	}
	var p picture.Part
	parts := strings.Split(text, ",")
	ok := len(parts) == 3
	for i, dst := range []*float64{&p.Left, &p.Top, &p.Size} {
		if !ok {
			break
		}
		var err error
		*dst, err = strconv.ParseFloat(parts[i], 64)
		ok = err == nil && math.Abs(*dst) <= 100
	}
	if !ok || p.Size < minView || p.Size > 10 {
		return p, wrongAddress(fmt.Sprintf("A map has no view %q", text), "A view is its left edge, its top edge and its size, as shares of the whole map: 0,0,1.")
	}
	return p, nil
}

// viewQuery adds a part of a map to a query.
func viewQuery(query url.Values, p picture.Part) url.Values {
	if p != picture.WholeMap {
		query.Set("view", fmt.Sprintf("%.4g,%.4g,%.4g", p.Left, p.Top, p.Size))
	}
	return query
}

// highlight returns the clusters that a map is to tell apart.
func (q *question) highlight(c *store.Clustering) (clusters []store.Cluster, err error) {
	text := q.FormValue("highlight")
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || int(n) >= c.K || len(clusters) == picture.MaxHighlights {
			return nil, wrongAddress(fmt.Sprintf("A map cannot highlight %q", text),
				fmt.Sprintf("Up to %d numbers of clusters, from 0 to %d, may stand there with commas between them.", picture.MaxHighlights, c.K-1))
		}
		clusters = append(clusters, store.Cluster(n))
	}
	return clusters, nil
}

func readMap(q *question) (*picture.Picture, error) {
	c, f, err := q.clusteredFeature()
	if err != nil {
		return nil, err
	}
	part, err := q.view()
	if err != nil {
		return nil, err
	}
	highlight, err := q.highlight(c)
	if err != nil {
		return nil, err
	}
	m, err := q.tracksMap(c, f, len(highlight) > 0)
	if err != nil {
		return nil, err
	}
	return picture.MapPart(m, c, highlight, part), nil
}

// A mapFigure is a map that can be gone about in.
type mapFigure struct {
	*figure
	WideAt, NarrowAt string // where a click leads, but for the pixel
	WideSize         [2]int
	NarrowSize       [2]int
	Zoomed           bool
	In, Out, Whole   string
	Left, Right      string
	Up, Down         string
}

const (
	mapWide, mapNarrow             = 760, 330
	mapWideHeight, mapNarrowHeight = 620, 400
)

// mapOf returns the map of a feature on a page at path.
func (q *question) mapOf(c *store.Clustering, f store.Feature, path string, highlight []store.Cluster) (*mapFigure, error) {
	part, err := q.view()
	if err != nil {
		return nil, err
	}
	base := "/clusters/" + f.String()
	asked := func(part picture.Part) url.Values {
		v := viewQuery(named(c), part)
		if len(highlight) > 0 {
			v.Set("highlight", strings.Trim(strings.ReplaceAll(fmt.Sprint(highlight), " ", ","), "[]"))
		}
		return v
	}
	sized := func(width, height int) url.Values {
		v := asked(part)
		v.Set("w", strconv.Itoa(width))
		v.Set("h", strconv.Itoa(height))
		return v
	}
	fig := &mapFigure{
		figure: &figure{
			Alt:    "Tracks on the map of " + f.String() + ". The same is in the tables of clusters and their tracks.",
			Wide:   address(base+"/map.svg", sized(mapWide, mapWideHeight)),
			Narrow: address(base+"/map.svg", sized(mapNarrow, mapNarrowHeight)),
			SVG:    address(base+"/map.svg", asked(part)), PNG: address(base+"/map.png", asked(part)),
		},
		// A browser writes "?X,Y" behind it.
		WideAt:   address(base+"/at", sized(mapWide, mapWideHeight)) + "&xy=",
		NarrowAt: address(base+"/at", sized(mapNarrow, mapNarrowHeight)) + "&xy=",
		WideSize: [2]int{mapWide, mapWideHeight}, NarrowSize: [2]int{mapNarrow, mapNarrowHeight},
		Zoomed: part != picture.WholeMap,
	}
	to := func(left, top, size float64) string {
		return address(path, viewQuery(named(c), picture.Part{Left: left, Top: top, Size: size})) + "#map"
	}
	s := part.Size
	fig.In = to(part.Left+s/4, part.Top+s/4, s/2)
	fig.Out, fig.Whole = to(part.Left-s/2, part.Top-s/2, s*2), to(0, 0, 1)
	if s*2 >= 1 {
		fig.Out = fig.Whole
	}
	fig.Left, fig.Right = to(part.Left-s/2, part.Top, s), to(part.Left+s/2, part.Top, s)
	fig.Up, fig.Down = to(part.Left, part.Top-s/2, s), to(part.Left, part.Top+s/2, s)
	return fig, nil
}

// pixel returns the numbers of "X,Y", which a browser writes behind a question
// mark.
func pixel(text string) (x, y float64, ok bool) {
	before, after, found := strings.Cut(strings.TrimPrefix(text, "?"), ",")
	x, errX := strconv.ParseFloat(before, 64)
	y, errY := strconv.ParseFloat(after, 64)
	return x, y, found && errX == nil && errY == nil
}

// errNothing is returned where a map has no track.
var errNothing = errors.New("no track there")

// nearPixels is how far from a track one may point and still mean it.
const nearPixels = 12

// spot returns what a pixel of the map asked for stands for.
func (q *question) spot(param string) (picture.Spot, error) {
	p, err := readMap(q)
	if err != nil {
		return picture.Spot{}, err
	}
	o, err := q.size()
	if err != nil {
		return picture.Spot{}, err
	}
	x, y, ok := pixel(q.FormValue(param))
	if !ok {
		return picture.Spot{}, wrongAddress("No point of the map was given", "Point at a track on the map, or choose a cluster from the table beside it.")
	}
	return p.At(o, x, y)
}

// at returns the track at a pixel of a map, or errNothing.
func (q *question) at() (*store.Track, error) {
	c, f, err := q.clusteredFeature()
	if err != nil {
		return nil, err
	}
	spot, err := q.spot("xy")
	if err != nil {
		return nil, err
	}
	m, err := q.tracksMap(c, f, false)
	if err != nil {
		return nil, err
	}
	id, distance, ok := m.Nearest(spot.X, spot.Y)
	if !ok || distance > nearPixels*spot.Pixel {
		return nil, errNothing
	}
	t, err := q.db.Track(id)
	return &t, err
}

// readAt answers which track is at a pixel of a map.
func readAt(q *question) ([]query.Match, error) {
	t, err := q.at()
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []query.Match{query.MatchOf(t)}, nil
}

// atPage leads from a pixel of a map to the track that is there, or from two to the
// part of the map between them.
func atPage(q *question) (*layout, error) {
	c, f, err := q.clusteredFeature()
	if err != nil {
		return nil, err
	}
	part, err := q.view()
	if err != nil {
		return nil, err
	}
	back := func(part picture.Part) string {
		return address("/clusters/"+f.String(), viewQuery(named(c), part)) + "#map"
	}
	if q.FormValue("to") != "" {
		from, err := q.spot("xy")
		if err != nil {
			return nil, err
		}
		to, err := q.spot("to")
		if err != nil {
			return nil, err
		}
		size := max(math.Abs(from.Left-to.Left), math.Abs(from.Top-to.Top), minView)
		return nil, redirect(back(picture.Part{Left: min(from.Left, to.Left), Top: min(from.Top, to.Top), Size: size}))
	}
	t, err := q.at()
	if errors.Is(err, errNothing) {
		return nil, &problem{status: http.StatusNotFound, what: "No track is there on the map",
			next: "Point nearer to one, or choose a cluster from the table beside the map.", links: []link{{"Back to the map", back(part)}}}
	}
	if err != nil {
		return nil, err
	}
	return nil, redirect(trackPath(t.ID))
}
