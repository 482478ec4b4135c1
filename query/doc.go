// Package query answers questions about the tracks of a store and their
// clusters with plain values. It prints nothing: package render writes its
// answers for people and programs, package export writes whole stores for
// other tools.
//
// Rows come in the order that each function states; where it states none, in
// the order of track IDs and features. All functions only read, and may be
// called at once from several goroutines.
package query
