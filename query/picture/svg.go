package picture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"gonum.org/v1/plot/vg"
)

// writeSVG writes an SVG with what it shows in words, and what it is of.
func (p *Picture) writeSVG(w io.Writer, file vg.CanvasWriterTo, o Options) error {
	var drawn bytes.Buffer
	if _, err := file.WriteTo(&drawn); err != nil {
		return err
	}
	_, body, found := strings.Cut(drawn.String(), "<svg ")
	if found {
		_, body, found = strings.Cut(body, ">\n")
	}
	if !found {
		return fmt.Errorf("draw %s: no SVG begins where it should", p.Kind)
	}
	// The font's other names are of fonts with letters of the same width.
	body = strings.NewReplacer(
		"font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", "font-family:"+families+";",
		"font-family:Liberation Sans;font-variant:normal;font-weight:bold;font-style:normal;", "font-weight:bold;font-family:"+families+";",
		"data:image/jpg;", "data:image/png;",
	).Replace(body)
	_, err := fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" width="%d" height="%d" viewBox="0 0 %g %g">
<title>%s</title>
<desc>%s</desc>
<metadata>%s</metadata>
%s`,
		o.Width, o.Height, pixels(float64(o.Width)).Points(), pixels(float64(o.Height)).Points(),
		escape(p.Title), escape(p.Finding), p.metadata(o.Version), body)
	return err
}

const families = "'Liberation Sans',Arial,Helvetica,sans-serif"

// metadata says what the picture is of, in an element of our own.
func (p *Picture) metadata(version string) string {
	var b strings.Builder
	attribute := func(name string, value any) { fmt.Fprintf(&b, ` %s="%s"`, name, escape(fmt.Sprint(value))) }
	attribute("kind", p.Kind)
	if version != "" {
		attribute("version", version)
	}
	if c := p.clustering; c != nil {
		attribute("clustering", c.Name)
		attribute("k", c.K)
		attribute("folds", c.Folds)
		attribute("seed", c.Seed)
		attribute("batch-size", c.BatchSize)
		attribute("random-stream", c.RandomStream)
		attribute("algorithm", c.Algorithm)
		attribute("tracks", c.Tracks)
		attribute("fingerprint", fmt.Sprintf("%x", c.Fingerprint))
	}
	return `<picture xmlns="urn:tatum"` + b.String() + `/>`
}

func escape(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(legal(text))); err != nil {
		panic(err) // a strings.Builder takes all
	}
	return b.String()
}
