// Package web answers the questions of package query as pages in a browser: on
// this machine, read-only, with nothing loaded from elsewhere. It computes
// nothing itself. Its addresses are
//
//	/                                     what is in the store
//	/search?q=TEXT                        tracks by artist, title, release
//	/track/ID                             a song: what it is known by, its places, songs like it, statistics
//	/track/ID/similar                     songs like it
//	/pair/ID/ID                           two songs side by side
//	/clusters/FEATURE                     the clusters of a feature
//	/clusters/FEATURE/CLUSTER             a cluster and its members
//	/clusters/FEATURE/CLUSTER/explain     what sets it apart
//	/clusters/FEATURE/at?xy=X,Y           the track at a pixel of the map
//	/clusterings                          how the songs were clustered
//	/bad                                  files that could not be read
//
// with ?name=CLUSTERING where a clustering other than the default one is meant,
// and ?page=N where there are several pages. The tables on a page are files
// below its address that end in .json and .csv, pictures those in .svg and .png.
//
// # Who may ask
//
// The server gives nothing to anyone but the person who started it. The first
// address has a token, which becomes a cookie; without it there is no answer. The
// Host header must name the address that is served, or localhost, so that no
// other site can pretend to be this one (DNS rebinding). A request that another
// site caused gets the start page at most. Pages load nothing, and may be framed
// by nobody. Methods other than GET and HEAD are refused. No path from a request
// reaches the file system.
//
// # The store
//
// An open store keeps writers out, so each request opens it, reads what it needs,
// and closes it before anything is written or drawn. It may change in between, be
// replaced or removed. What is kept in memory (names to be searched, projections,
// pictures) is kept under the stamp of the store it was made of.
package web
