package msd

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"

	"tatum/store"
)

// Demo returns n made-up songs, for trying tatum and for tests. Song i depends
// on seed and i alone, and is the same on every machine: times are counted in
// units of 10 microseconds and loudness in thousandths of a dB, as integers,
// and divided once. Track IDs are valid and, for one seed, all different.
//
// Each song is of one of six styles, which differ in tempo, metre, density and
// loudness, so that clusters mean something. Of every hundred songs one has no
// bars, one a single bar, one beats at equal distances, and one is over after
// five segments: see [DemoKind]. Songs of one artist are alike in timbre.
func Demo(n int, seed uint64) iter.Seq[*store.Song] {
	return func(yield func(*store.Song) bool) {
		for i := range n {
			if !yield(demoSong(seed, uint32(i))) {
				return
			}
		}
	}
}

// A DemoKind says what is odd about a made-up song.
type DemoKind int

// The kinds. All but plain songs are one in a hundred each.
const (
	DemoPlain         DemoKind = iota
	DemoNoBars                 // no bars, though beats and tatums
	DemoOneBar                 // one bar
	DemoConstantBeats          // beats at exactly equal distances
	DemoShort                  // five segments
)

// DemoKindOf returns the kind of song i of [Demo], which is the same for every
// seed.
func DemoKindOf(i int) DemoKind {
	switch i % 100 {
	case 13:
		return DemoNoBars
	case 37:
		return DemoOneBar
	case 61:
		return DemoConstantBeats
	case 89:
		return DemoShort
	}
	return DemoPlain
}

// A demoStyle sets the ranges that songs of a style are drawn from.
type demoStyle struct {
	tempo    [2]int // beats per minute
	metre    int    // beats per bar
	tatums   int    // per beat
	jitter   int    // of beats, units
	segment  [2]int // length, units
	loudness [2]int // of segments' peaks, thousandths of dB
	dynamics int    // range within a bar, thousandths of dB
	attack   [2]int // from a segment's start to its peak, units
	seconds  [2]int // length of the song
}

// demoUnit is how many units a second has.
const demoUnit = 100_000

var demoStyles = []demoStyle{
	{[2]int{58, 82}, 4, 2, 2600, [2]int{22000, 70000}, [2]int{-24000, -14000}, 9000, [2]int{4000, 16000}, [2]int{180, 330}}, // ballads
	{[2]int{84, 104}, 4, 2, 1200, [2]int{14000, 34000}, [2]int{-12000, -6000}, 5000, [2]int{1500, 6000}, [2]int{170, 280}},  // hip hop
	{[2]int{108, 136}, 4, 2, 900, [2]int{12000, 36000}, [2]int{-10000, -4000}, 4000, [2]int{2000, 7000}, [2]int{160, 260}},  // rock
	{[2]int{122, 134}, 4, 4, 120, [2]int{11000, 24000}, [2]int{-9000, -3000}, 2500, [2]int{800, 3000}, [2]int{240, 420}},    // house
	{[2]int{138, 186}, 3, 2, 1800, [2]int{16000, 48000}, [2]int{-22000, -11000}, 8000, [2]int{2500, 9000}, [2]int{90, 220}}, // waltzes
	{[2]int{162, 208}, 4, 1, 1500, [2]int{9000, 26000}, [2]int{-7000, -2000}, 3000, [2]int{1000, 4000}, [2]int{70, 180}},    // punk
}

// A demoMaker makes one song.
type demoMaker struct {
	*rand.Rand
	demoStyle
	song *store.Song
	beat int // length, units
	end  int // of the song, units

	voice [store.SoundColumns]demoVoice // of the song's timbre
}

// A demoVoice is what a song sounds like in one coefficient of timbre, so that
// songs of one artist sound alike.
type demoVoice struct {
	mean   int // thousandths
	spread int // per cent of the usual
}

func demoSong(seed uint64, i uint32) *store.Song {
	m := &demoMaker{Rand: demoRand(seed, i), song: &store.Song{}}
	style := m.IntN(len(demoStyles))
	m.demoStyle = demoStyles[style]
	kind := DemoKindOf(int(i))
	tempo := m.in(m.tempo)*1000 + m.IntN(1000) // thousandths of beats per minute
	if kind == DemoConstantBeats {
		tempo = 120_000 // half a second is exact, so the distances are equal as float64
	}
	m.beat = 60 * demoUnit * 1000 / tempo
	m.end = m.in(m.seconds)*demoUnit + m.IntN(demoUnit)
	if kind == DemoShort {
		m.end = m.beat + m.beat/2
	}
	m.describe(seed, i, style, tempo)
	m.rhythm(kind)
	m.sections()
	m.segments(kind)
	return m.song
}

// demoRand returns the random numbers of song i.
func demoRand(seed uint64, i uint32) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(i))) }

// in returns a number from r[0] up to r[1].
func (m *demoMaker) in(r [2]int) int { return r[0] + m.IntN(r[1]-r[0]+1) }

// near returns a number within spread of 0, mostly close to it.
func (m *demoMaker) near(spread int) int {
	return (m.IntN(2*spread+1) + m.IntN(2*spread+1) + m.IntN(2*spread+1) - 3*spread) / 3
}

// demoTimes and demoThousandths convert to what files hold, in one correctly
// rounded division.
func demoTimes(units []int) []float64        { return divided(units, demoUnit) }
func demoThousandths(values []int) []float64 { return divided(values, 1000) }

func divided(values []int, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v) / by
	}
	return out
}

// rhythm makes the beats, and bars and tatums of them.
func (m *demoMaker) rhythm(kind DemoKind) {
	var beats, bars, tatums []int
	offset := 0
	if kind != DemoConstantBeats {
		offset = m.IntN(m.beat / 2)
	}
	for n, t := 0, offset; t < m.end; n++ {
		if n%m.metre == 0 && kind != DemoNoBars && (kind != DemoOneBar || n == 0) {
			bars = append(bars, t)
		}
		beats = append(beats, t)
		next := offset + (n+1)*m.beat
		if kind != DemoConstantBeats {
			next += m.near(m.jitter)
		}
		for k := range m.tatums {
			tatums = append(tatums, t+(next-t)*k/m.tatums)
		}
		t = next
	}
	m.put(store.BarsStart, store.BarsConfidence, bars)
	m.put(store.BeatsStart, store.BeatsConfidence, beats)
	m.put(store.TatumsStart, store.TatumsConfidence, tatums)
}

// put stores onsets and makes up their confidences.
func (m *demoMaker) put(start, confidence store.Array, onsets []int) {
	sure := make([]int, len(onsets))
	for i := range sure {
		sure[i] = m.IntN(1001)
	}
	m.song.Arrays[start] = demoTimes(onsets)
	m.song.Arrays[confidence] = demoThousandths(sure)
}

// sections makes sections of 8 to 24 bars' length.
func (m *demoMaker) sections() {
	var onsets []int
	for t := 0; t < m.end; t += m.beat*m.metre*m.in([2]int{8, 24}) + m.near(m.beat) {
		onsets = append(onsets, t)
	}
	m.put(store.SectionsStart, store.SectionsConfidence, onsets)
}

// segments makes segments of irregular length, loud on the first beat of a bar.
func (m *demoMaker) segments(kind DemoKind) {
	var onsets, peaks, peakTimes, starts, pitches, timbre []int
	level := m.in(m.loudness)
	note := m.IntN(12)
	for t := 0; t < m.end; {
		length := m.in(m.segment)
		if kind == DemoShort {
			// Five of them, unequal: statistics of gaps that are equal but for
			// rounding are not defined.
			length = m.end*[]int{17, 24, 19, 22, 18}[len(onsets)]/100 + 1
		}
		inBar := t % (m.beat * m.metre)
		peak := min(level-m.dynamics*inBar/(m.beat*m.metre)+m.near(3000), -200)
		onsets = append(onsets, t)
		peaks = append(peaks, peak)
		peakTimes = append(peakTimes, min(m.in(m.attack), length))
		starts = append(starts, max(peak-m.in([2]int{500, 14000}), -60000))
		note = (note + []int{0, 0, 2, 4, 5, 7, 9}[m.IntN(7)]) % 12
		for k := range 12 {
			if k == note {
				pitches = append(pitches, 1000)
			} else {
				pitches = append(pitches, m.IntN(700))
			}
			timbre = append(timbre, m.voice[k].mean+m.near(demoTimbre/(k+1))*m.voice[k].spread/100)
		}
		timbre[len(timbre)-12] = 60000 + peak // the first coefficient is loudness
		t += length
	}
	a := &m.song.Arrays
	m.put(store.SegmentsStart, store.SegmentsConfidence, onsets)
	a[store.SegmentsLoudnessMax] = demoThousandths(peaks)
	a[store.SegmentsLoudnessMaxTime] = demoTimes(peakTimes)
	a[store.SegmentsLoudnessStart] = demoThousandths(starts)
	a[store.SegmentsPitches] = demoThousandths(pitches)
	a[store.SegmentsTimbre] = demoThousandths(timbre)
	m.song.Loudness = float64(level-m.dynamics/2) / 1000
}

// describe makes up what a person knows the song by.
func (m *demoMaker) describe(seed uint64, i uint32, style, tempo int) {
	// An artist keeps to one style and has a name of the seed's own.
	artist := style*len(demoFirst)*len(demoSecond)/len(demoStyles) + m.IntN(len(demoFirst)*len(demoSecond)/len(demoStyles))
	album := m.IntN(5)
	r := rand.New(rand.NewPCG(seed, uint64(artist)|1<<40))
	m.voice = demoVoices(seed, i, artist)
	t := &m.song.Track
	t.ID = demoID(m.Rand, seed, i)
	t.ArtistName = demoFirst[artist%len(demoFirst)] + " " + demoSecond[artist/len(demoFirst)]
	t.ArtistID = "AR" + letters(r, 5) + fmt.Sprintf("1187B%06X", r.IntN(1<<24))
	t.ArtistMBID = fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64()>>16)
	t.Artist7digitalID = int32(1000 + artist)
	for range album {
		r.Uint64()
	}
	t.Release = demoTitle(r)
	t.Release7digitalID = int32(100_000 + 5*artist + album)
	t.Title = demoTitle(m.Rand)
	t.SongID = "SO" + letters(m.Rand, 5) + fmt.Sprintf("12A%08X", m.Uint32())
	t.Track7digitalID = int32(i & 0x7fffffff)
	if m.IntN(5) > 0 {
		t.Year = int32(1960 + 3*album + m.IntN(40))
	}
	t.Key = int32(m.IntN(12))
	t.Mode = int32(min(m.IntN(3), 1))
	t.Duration = float64(m.end) / demoUnit
	t.Tempo = float64(tempo) / 1000
}

// demoTimbre is how far the first coefficient of timbre usually goes, in
// thousandths; the second goes half as far, and so on.
const demoTimbre = 120_000

// demoVoices returns the voices of a song: mostly its artist's. They have random
// numbers of their own, so that all else of a song is as it would be without them.
func demoVoices(seed uint64, i uint32, artist int) (voices [store.SoundColumns]demoVoice) {
	ofArtist := rand.New(rand.NewPCG(seed, uint64(artist)|2<<40))
	ofSong := rand.New(rand.NewPCG(seed, uint64(i)|3<<40))
	for k := range voices {
		far := demoTimbre / (k + 1)
		voices[k] = demoVoice{
			mean:   ofArtist.IntN(far) - far/2 + (ofSong.IntN(far)-far/2)/5,
			spread: 40 + ofArtist.IntN(80) + ofSong.IntN(20),
		}
	}
	return voices
}

// demoID returns a track ID like the MSD's. Its last eight digits are a
// permutation of i, so no two songs of a seed share it.
func demoID(r *rand.Rand, seed uint64, i uint32) store.TrackID {
	mixed := (i ^ uint32(seed>>32)) * 0x9E3779B1
	mixed = (mixed ^ mixed>>15 ^ uint32(seed)) * 0x85EBCA77
	return store.TrackID("TR" + letters(r, 5) + fmt.Sprintf("128%08X", mixed))
}

func letters(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('A' + r.IntN(26))
	}
	return string(b)
}

// demoTitle composes a title or a release's name.
func demoTitle(r *rand.Rand) string {
	pick := func(words []string) string { return words[r.IntN(len(words))] }
	switch r.IntN(6) {
	case 0:
		return pick(demoNouns)
	case 1:
		return pick(demoNouns) + " of " + pick(demoNouns)
	case 2:
		return "The " + pick(demoAdjectives) + " " + pick(demoNouns)
	case 3:
		return pick(demoForeign)
	case 4:
		return pick(demoForeign) + " (" + pick(demoAdjectives) + " Version)"
	}
	return strings.TrimSpace(pick(demoAdjectives) + " " + pick(demoNouns))
}

var (
	demoFirst = []string{
		"Velvet", "Émile", "Northern", "Los", "Björn", "Paper", "Silver", "Søren",
		"Midnight", "青い", "Wooden", "Electric", "Señora", "The Quiet", "Zoë",
	}
	demoSecond = []string{
		"Foxes", "Lindqvist", "Orchestra", "Hermanos", "Garden", "月光", "Engine", "Müller",
		"Satellites", "Company", "O'Neil", "& Sons", "Rivière", "Trio", "Parade", "サウンド",
	}
	demoAdjectives = []string{
		"Broken", "Golden", "Last", "Slow", "Invisible", "Blue", "Second", "Restless",
		"Paper", "Distant", "Live", "Gentle", "Wild", "Little",
	}
	demoNouns = []string{
		"River", "Summer", "Telephone", "Lighthouse", "Heart", "Train", "Window", "Winter",
		"Shadow", "Carousel", "Letter", "Machine", "Harbour", "Sunday", "Mirror", "Thunder",
	}
	demoForeign = []string{
		"Corazón de Papel", "Où vas-tu", "Über den Wolken", "夜の電車", "Canção do Mar",
		"Ночной город", "春天的信", "Ça ira", "Żółty dom", "Niño Perdido",
	}
)
