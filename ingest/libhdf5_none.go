//go:build !cgo

package ingest

// HasLibHDF5 says whether this build can read with libhdf5.
const HasLibHDF5 = false
