package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tatum/cluster"
	"tatum/query"
	"tatum/query/picture"
	"tatum/query/render"
	"tatum/store"
)

// A plotter is what the commands share that draw pictures.
type plotter struct {
	asker
	out    string // file, or "-"
	format string
	data   string // file of the numbers
	width  int
	height int
}

func newPlot(g *globals) *cobra.Command {
	p := &plotter{asker: asker{globals: g}}
	cmd := &cobra.Command{
		Use:   "plot",
		Short: "Draw songs and clusters as SVG, PNG or PDF",
		Long: `plot draws a picture to the file that --out names, as SVG, PNG or PDF by how its
name ends, or with "-" to standard output as --format says. --data writes the
numbers that are drawn, as CSV or JSON by how the file's name ends. The same store
gives the same bytes.

Titles may be in any script: letters that the built-in font lacks are drawn from a
font on this machine. If none has them the picture has the track ID instead, and
plot says so.`,
		Args: noArgs,
		RunE: help,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&p.out, "out", "", "`file` to draw to, - for standard output")
	flags.StringVar(&p.format, "format", "", "svg, png or pdf (default as the file's name ends)")
	flags.StringVar(&p.data, "data", "", "write the numbers to this `file`, .csv or .json")
	flags.IntVar(&p.width, "width", 0, "width in `pixels` (default the picture's own)")
	flags.IntVar(&p.height, "height", 0, "height in `pixels` (default the picture's own)")
	flags.StringVar(&p.name, "name", store.DefaultClustering, "`clustering` to draw")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("name", completeNames(g)))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("format", completeWords("svg", "png", "pdf")))
	cmd.AddCommand(newPlotSong(p), newPlotMap(p), newPlotProfile(p), newPlotSizes(p), newPlotK(p), newPlotPair(p), newPlotFeatures(p))
	return cmd
}

// check returns the options of the picture, or an error if a flag is wrong.
func (p *plotter) check() (o picture.Options, err error) {
	o = picture.Options{Width: p.width, Height: p.height, Version: readBuild().version}
	for _, side := range []struct {
		flag        string
		size, least int
	}{{"--width", p.width, picture.MinWidth}, {"--height", p.height, picture.MinHeight}} {
		if side.size != 0 && (side.size < side.least || side.size > picture.MaxSize) {
			return o, usageError{fmt.Errorf("%s %d: want %d to %d pixels", side.flag, side.size, side.least, picture.MaxSize)}
		}
	}
	ending := strings.TrimPrefix(filepath.Ext(p.out), ".")
	switch {
	case p.out == "":
		return o, usageError{errors.New("want --out FILE, or --out - with --format")}
	case p.format != "":
		ending = p.format
	case p.out == "-":
		return o, usageError{errors.New("want --format svg, png or pdf with --out -")}
	}
	if o.Format, err = picture.ParseFormat(ending); err != nil {
		return o, usageError{fmt.Errorf("--out %q: %w", p.out, err)}
	}
	if _, err := p.dataFormat(); err != nil {
		return o, err
	}
	return o, nil
}

func (p *plotter) dataFormat() (render.Format, error) {
	switch ending := strings.ToLower(filepath.Ext(p.data)); {
	case p.data == "" || ending == ".csv":
		return render.FormatCSV, nil
	case ending == ".json":
		return render.FormatJSON, nil
	}
	return "", usageError{fmt.Errorf("--data %q: want a name that ends in .csv or .json", p.data)}
}

// run draws the picture that make returns.
func (p *plotter) run(stdout io.Writer, make func() (*picture.Picture, error)) error {
	o, err := p.check()
	if err != nil {
		return err
	}
	drawing, err := make()
	if err != nil {
		return err
	}
	var drawn bytes.Buffer
	warnings, err := drawing.Draw(&drawn, o)
	if errors.Is(err, picture.ErrSize) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		fmt.Fprintf(os.Stderr, "tatum: %s\n", warning)
	}
	if p.data != "" {
		if err := p.writeData(&drawing.Data); err != nil {
			return err
		}
	}
	if p.out == "-" {
		_, err := stdout.Write(drawn.Bytes())
		return err
	}
	return writeFile(p.out, func(w io.Writer) error {
		_, err := w.Write(drawn.Bytes())
		return err
	})
}

func (p *plotter) writeData(d *picture.Data) error {
	format, err := p.dataFormat()
	if err != nil {
		return err
	}
	var table render.Table[[]any]
	for i, name := range d.Columns {
		table.Columns = append(table.Columns, render.Column[[]any]{Name: name, Value: func(row *[]any) any { return (*row)[i] }})
	}
	return writeFile(p.data, func(w io.Writer) error {
		out := render.NewWriter(w, render.Options{Format: format}, table, "")
		for row := range d.All() {
			if err := out.Write(&row); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

// writeFile writes a file that is there as a whole, or as it was.
func writeFile(path string, write func(w io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	buffered := bufio.NewWriter(f)
	err = errors.Join(write(buffered), buffered.Flush(), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

func newPlotSong(p *plotter) *cobra.Command {
	return &cobra.Command{
		Use:   "song ID",
		Short: "A song over its time: loudness, onsets, pitches, timbre",
		Long: `song draws a song over its time: the loudness of its segments, from each one's
start to its peak to the next start; a tick where each section, bar, beat and
tatum begins, left out where they are closer than three pixels; and if the store
has them (tatum ingest --arrays all), how strong each pitch class is and the
twelve numbers of timbre, each less its mean over its deviation in the song.`,
		Example:           "  tatum plot song TRAAPOB12896A14E9C --out song.svg",
		Args:              wantArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeTracks(p.globals),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.run(cmd.OutOrStdout(), func() (drawn *picture.Picture, err error) {
				err = p.withStore(func(db *store.DB) error {
					t, err := timeline(db, args[0])
					if err == nil {
						drawn = picture.Song(t)
					}
					return err
				})
				return drawn, err
			})
		},
	}
}

// timeline returns the timeline of a track that a person names.
func timeline(db *store.DB, text string) (*query.Timeline, error) {
	t, err := findTrack(db, text)
	if err != nil {
		return nil, err
	}
	return query.NewTimeline(db, t.ID)
}

func newPlotPair(p *plotter) *cobra.Command {
	return &cobra.Command{
		Use:   "pair ID ID",
		Short: "Two songs over one clock, and how unlike they are by each feature",
		Long: `pair draws the loudness and the onsets of two songs over one clock, in seconds,
and the distance between them by each of the eight features, see tatum query
similar --by rhythm --to.`,
		Example:           "  tatum plot pair TRAAPOB12896A14E9C TRLEGTB128E859E021 --out pair.png",
		Args:              wantArgs(cobra.ExactArgs(2)),
		ValidArgsFunction: completeTracks(p.globals),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.run(cmd.OutOrStdout(), func() (drawn *picture.Picture, err error) {
				err = p.withStore(func(db *store.DB) error {
					a, err := timeline(db, args[0])
					if err != nil {
						return err
					}
					b, err := timeline(db, args[1])
					if err != nil {
						return err
					}
					distances, err := query.FeatureDistances(db, a.Track.ID, b.Track.ID, store.Features[:])
					if err == nil {
						drawn = picture.Pair(a, b, distances)
					}
					return err
				})
				return drawn, err
			})
		},
	}
}

func newPlotMap(p *plotter) *cobra.Command {
	var highlight []string
	cmd := &cobra.Command{
		Use:   "map FEATURE",
		Short: "The tracks by the two directions in which they vary most",
		Long: `map draws the tracks by the first two principal components of a feature's
statistics, each less its mean over its deviation; one scale for both axes, which
end at 0.5 and 99.5 % of the tracks. Up to 5,000 tracks are dots, more are shades.
If there is a clustering, a star joins the centroids that a cluster has in the
folds: where folds disagree, it is large. Clusters overlap on a map that lie apart
in thirty dimensions: it shows what varies most, not what the clusters differ by,
which plot profile does.`,
		Example: `  tatum plot map beats_start --out map.svg
  tatum plot map beats_start --highlight 3,7 --out map.png --data map.csv`,
		Args:              wantArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeFirst(completeFeatures),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFeature(args[0])
			if err != nil {
				return err
			}
			clusters, err := parseClusters(highlight)
			if err != nil {
				return err
			}
			if len(clusters) > picture.MaxHighlights {
				return usageError{fmt.Errorf("--highlight of %d clusters: want at most %d, which colours tell apart", len(clusters), picture.MaxHighlights)}
			}
			optional := !cmd.Flags().Changed("name") && len(clusters) == 0
			return p.run(cmd.OutOrStdout(), func() (drawn *picture.Picture, err error) {
				err = p.perhapsClustering(optional, func(db *store.DB, c *store.Clustering) error {
					for _, cluster := range clusters {
						if int(cluster) >= c.K {
							return fmt.Errorf("%w: %d; clustering %q has clusters 0 to %d", query.ErrNoCluster, cluster, c.Name, c.K-1)
						}
					}
					m, err := query.NewMap(db, c, f)
					if err == nil && c != nil && (len(clusters) > 0 || p.data != "") {
						err = m.AddClusters(db, c)
					}
					if err == nil {
						drawn = picture.Map(m, c, clusters)
					}
					return err
				})
				return drawn, err
			})
		},
	}
	cmd.Flags().StringSliceVar(&highlight, "highlight", nil, "`clusters` to tell apart by colour and shape, at most eight")
	return cmd
}

// perhapsClustering runs fn with the clustering, or if it is optional and there is
// none, with nil.
func (p *plotter) perhapsClustering(optional bool, fn func(db *store.DB, c *store.Clustering) error) error {
	if optional {
		none := false
		err := p.withStore(func(db *store.DB) error {
			_, err := db.Clustering(p.name)
			if none = errors.Is(err, store.ErrNotClustered); none {
				return fn(db, nil)
			}
			return err
		})
		if none || err != nil {
			return err
		}
	}
	return p.withClustering(fn)
}

// parseClusters returns clusters that a person names, each once.
func parseClusters(texts []string) (clusters []store.Cluster, err error) {
	for _, text := range texts {
		n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
		if err != nil {
			return nil, usageError{fmt.Errorf("cluster %q: want a number from 0 on", text)}
		}
		if !slices.Contains(clusters, store.Cluster(n)) {
			clusters = append(clusters, store.Cluster(n))
		}
	}
	return clusters, nil
}

// completeFirst completes the first argument only.
func completeFirst(first completion) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return first(cmd, args, typed)
	}
}

func newPlotProfile(p *plotter) *cobra.Command {
	return &cobra.Command{
		Use:   "profile FEATURE [CLUSTER]",
		Short: "By which statistics the clusters differ, or what sets one apart",
		Long: `profile draws a row for each cluster and a column for each statistic: the mean of
the cluster's tracks, as deviations of all tracks from their mean, -3 to 3. Of one
cluster it draws the ten statistics that are farthest from the mean of all, of
the densities or covariances only one, as tatum query clusters --explain lists them.`,
		Example: `  tatum plot profile beats_start --out profile.svg
  tatum plot profile beats_start 7 --out cluster7.png`,
		Args:              wantArgs(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: completeCluster(&p.asker),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFeature(args[0])
			if err != nil {
				return err
			}
			clusters, err := parseClusters(args[1:])
			if err != nil {
				return err
			}
			return p.run(cmd.OutOrStdout(), func() (drawn *picture.Picture, err error) {
				err = p.withClustering(func(db *store.DB, c *store.Clustering) error {
					profile, err := query.Profiles(db, c, f)
					if err != nil {
						return err
					}
					if len(clusters) == 0 {
						drawn = picture.Profile(profile, c)
						return nil
					}
					deviations, err := profile.Explain(clusters[0])
					if err == nil {
						drawn = picture.Explanation(f, clusters[0], profile.Clusters[clusters[0]].Size, deviations, c)
					}
					return err
				})
				return drawn, err
			})
		},
	}
}

func newPlotSizes(p *plotter) *cobra.Command {
	return &cobra.Command{
		Use:   "sizes FEATURE",
		Short: "How many tracks each cluster has, and from which folds",
		Long: `sizes draws a bar for each cluster, the largest first: its tracks, in a shade for
each fold that labelled them. The empty ones are named.`,
		Example:           "  tatum plot sizes beats_start --out sizes.svg",
		Args:              wantArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeFirst(completeFeatures),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFeature(args[0])
			if err != nil {
				return err
			}
			return p.run(cmd.OutOrStdout(), func() (drawn *picture.Picture, err error) {
				err = p.withClustering(func(db *store.DB, c *store.Clustering) error {
					sizes, err := query.SizesByFold(db, c, f)
					if err == nil {
						drawn = picture.Sizes(f, sizes, c)
					}
					return err
				})
				return drawn, err
			})
		},
	}
}

func newPlotFeatures(p *plotter) *cobra.Command {
	return &cobra.Command{
		Use:   "features",
		Short: "How far the features tell the same story",
		Long: `features draws how far the clusters of every two features agree: the adjusted Rand
index over all labelled tracks, 1 where they are the same and about 0 where they
have nothing to do with each other.`,
		Example: "  tatum plot features --out features.svg",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.OutOrStdout(), func() (drawn *picture.Picture, err error) {
				err = p.withClustering(func(db *store.DB, c *store.Clustering) error {
					agreements, err := query.FeatureAgreements(db, c)
					if err == nil {
						drawn = picture.Features(agreements, c)
					}
					return err
				})
				return drawn, err
			})
		},
	}
}

func newPlotK(p *plotter) *cobra.Command {
	s := new(sweep)
	cmd := &cobra.Command{
		Use:   "k FEATURE",
		Short: "The figures of several numbers of clusters",
		Long: `k fits a feature with each number of clusters, as tatum cluster sweep does, and
draws the figures over the logarithm of that number. What each figure can tell,
and what it cannot, see tatum cluster sweep --help.`,
		Example:           "  tatum plot k beats_start -k 4,8,16 --out k.svg",
		Args:              wantArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeFirst(completeFeatures),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFeature(args[0])
			if err != nil {
				return err
			}
			s.features = args
			if err := s.check(); err != nil {
				return err
			}
			return p.run(cmd.OutOrStdout(), func() (*picture.Picture, error) {
				var fits []picture.Fit
				err := s.run(cmd.Context(), p.globals, func(row *cluster.SweepRow) error {
					fits = append(fits, picture.Fit{K: row.K, Summary: row.Summary})
					return nil
				})
				return picture.K(f, fits), err
			})
		},
	}
	s.addFlags(cmd)
	return cmd
}
