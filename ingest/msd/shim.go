package msd

// The few calls of libhdf5 that gonum.org/v1/hdf5 lacks. Values are read and
// written by that package alone. The flags find Debian's libhdf5-dev without
// pkg-config, as those of the binding do, and link libhdf5 into the program:
// the loader would bring in, at each start, the forty libraries that the shared
// one wants for reading over the network, and take longer than a query. What
// this libhdf5 does not need of those is dropped (--as-needed). Build with the
// tag shared where libhdf5 has no static form.

/*
#cgo linux CFLAGS: -I/usr/include/hdf5/serial
#cgo linux,amd64 LDFLAGS: -L/usr/lib/x86_64-linux-gnu/hdf5/serial
#cgo linux,arm64 LDFLAGS: -L/usr/lib/aarch64-linux-gnu/hdf5/serial
#cgo darwin CFLAGS: -I/usr/local/include
#cgo darwin LDFLAGS: -L/usr/local/lib
#cgo linux,!shared LDFLAGS: -Wl,--as-needed -l:libhdf5_hl.a -l:libhdf5.a -l:libsz.a -l:libaec.a -l:libz.a -lcurl -lcrypto -ldl -lm
#cgo LDFLAGS: -lhdf5
#include <stdlib.h>
#include <string.h>
#include "hdf5.h"

static herr_t msd_refuse(const char *file, const char *group, const char *child,
	const char *object, unsigned *flags, hid_t fapl, void *data) {
	return -1;
}

// Makes opening through the access list fail at external links.
static int msd_refuse_external_links(hid_t access) {
	return H5Pset_elink_cb(access, msd_refuse, NULL);
}

enum { MSD_MISSING, MSD_EXTERNAL_LINK, MSD_GROUP, MSD_DATASET, MSD_OTHER, MSD_DAMAGED };

// Says what stands at path, which must be of less than 256 bytes. Links are
// looked at one by one, since a look beyond a missing one is an error.
static int msd_kind(hid_t file, const char *path, hid_t access) {
	char part[256];
	size_t n = 0;
	H5L_info_t link;
	do {
		n += 1 + strcspn(path + n + 1, "/");
		memcpy(part, path, n);
		part[n] = 0;
		htri_t exists = H5Lexists(file, part, access);
		if (exists <= 0)
			return exists == 0 ? MSD_MISSING : MSD_DAMAGED;
		if (H5Lget_info(file, part, &link, access) < 0)
			return MSD_DAMAGED;
		if (link.type == H5L_TYPE_EXTERNAL)
			return MSD_EXTERNAL_LINK;
	} while (path[n]);
	hid_t object = H5Oopen(file, path, access);
	if (object < 0)
		return MSD_DAMAGED;
	H5I_type_t type = H5Iget_type(object);
	H5Oclose(object);
	return type == H5I_GROUP ? MSD_GROUP : type == H5I_DATASET ? MSD_DATASET : MSD_OTHER;
}

enum { MSD_LOCAL, MSD_EXTERNAL, MSD_VIRTUAL, MSD_UNKNOWN };

// Says where the values of a dataset are, and sets how many are in a chunk, 0
// without chunks.
static int msd_storage(hid_t set, unsigned long long *values) {
	hsize_t dims[H5S_MAX_RANK];
	int rank, where = MSD_UNKNOWN;
	hid_t plist = H5Dget_create_plist(set);
	*values = 0;
	if (plist < 0)
		return MSD_UNKNOWN;
	switch (H5Pget_layout(plist)) {
	case H5D_COMPACT:
		where = MSD_LOCAL;
		break;
	case H5D_CONTIGUOUS:
		where = H5Pget_external_count(plist) == 0 ? MSD_LOCAL : MSD_EXTERNAL;
		break;
	case H5D_CHUNKED:
		rank = H5Pget_chunk(plist, H5S_MAX_RANK, dims);
		if (rank == 1 || rank == 2) { // of more, it is not that of a dataset that is read
			where = MSD_LOCAL;
			*values = dims[0] * (rank == 2 ? dims[1] : 1); // each below 2^32
		}
		break;
	case H5D_VIRTUAL:
		where = MSD_VIRTUAL;
		break;
	default:
		break;
	}
	H5Pclose(plist);
	return where;
}

// Returns the number of a filter that the dataset needs and libhdf5 has not,
// or 0.
static int msd_missing_filter(hid_t set) {
	int missing = 0;
	hid_t plist = H5Dget_create_plist(set);
	if (plist < 0)
		return 0;
	int n = H5Pget_nfilters(plist);
	for (int i = 0; i < n && missing == 0; i++) {
		unsigned flags, config;
		size_t elements = 0;
		H5Z_filter_t filter = H5Pget_filter2(plist, i, &flags, &elements, NULL, 0, NULL, &config);
		if (filter > 0 && H5Zfilter_avail(filter) <= 0)
			missing = filter;
	}
	H5Pclose(plist);
	return missing;
}

// Returns 1 when values of the type hold no pointers to other memory.
static int msd_fixed(hid_t type) {
	hid_t member;
	int fixed = 1;
	switch (H5Tget_class(type)) {
	case H5T_INTEGER: case H5T_FLOAT: case H5T_BITFIELD: case H5T_OPAQUE: case H5T_ENUM:
		return 1;
	case H5T_STRING:
		return H5Tis_variable_str(type) == 0;
	case H5T_ARRAY:
		member = H5Tget_super(type);
		fixed = member >= 0 && msd_fixed(member);
		H5Tclose(member);
		return fixed;
	case H5T_COMPOUND: {
		int n = H5Tget_nmembers(type);
		for (int i = 0; i < n && fixed; i++) {
			member = H5Tget_member_type(type, i);
			fixed = member >= 0 && msd_fixed(member);
			H5Tclose(member);
		}
		return fixed;
	}
	default:
		return 0;
	}
}

// Prepares a creation list as PyTables does. Without the time of creation the
// same songs give the same bytes.
static int msd_creation(hid_t plist) {
	if (H5Pset_shuffle(plist) < 0 || H5Pset_fill_time(plist, H5D_FILL_TIME_ALLOC) < 0)
		return -1;
	return H5Pset_obj_track_times(plist, 0);
}

// Creates a dataset. The binding's own call leaks a type for each.
static int msd_create(hid_t group, const char *name, hid_t type, hid_t space, hid_t plist) {
	hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
	return set < 0 ? -1 : H5Dclose(set);
}
*/
import "C"

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"

	"gonum.org/v1/hdf5"

	"tatum/ingest/direct"
)

var mu sync.Mutex

// lock gives the caller libhdf5 for itself, with its error printing switched
// off, until unlock. The switch belongs to a thread in builds of libhdf5 that
// know threads, and the binding's own covers the thread of its init alone.
func lock() {
	mu.Lock()
	runtime.LockOSThread()
	_ = hdf5.DisplayErrors(false) // at worst libhdf5 prints its own messages too
}

func unlock() {
	runtime.UnlockOSThread()
	mu.Unlock()
}

func id(i interface{ ID() int64 }) C.hid_t { return C.hid_t(i.ID()) }

var errHDF5 = errors.New("libhdf5 refuses")

// newAccess returns a list for opening datasets that follows no external
// links, with a cache of cacheBytes per dataset, or libhdf5's default for 0.
func newAccess(cacheBytes int) (*hdf5.PropList, error) {
	p, err := hdf5.NewPropList(hdf5.P_DATASET_ACCESS)
	if err != nil {
		return nil, err
	}
	if C.msd_refuse_external_links(id(p)) < 0 {
		p.Close()
		return nil, errHDF5
	}
	if cacheBytes > 0 {
		// 1 evicts chunks that were read to their end first, as songs are.
		if err := p.SetChunkCache(hdf5.D_CHUNK_CACHE_NSLOTS_DEFAULT, cacheBytes, 1); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// sharedAccess returns the list that all files of one song are read with:
// making one takes as long as opening a dataset.
var sharedAccess = sync.OnceValues(func() (*hdf5.PropList, error) { return newAccess(0) })

// kind says what stands at path.
func kind(f *hdf5.File, path string, access *hdf5.PropList) C.int {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	return C.msd_kind(id(f), name, id(access))
}

// whyNotOpen says why a dataset could not be opened.
func whyNotOpen(f *hdf5.File, path string, access *hdf5.PropList) error {
	switch kind(f, path, access) {
	case C.MSD_MISSING:
		return direct.ErrMissing
	case C.MSD_EXTERNAL_LINK:
		return errors.New("is in another file, which is not read")
	case C.MSD_GROUP:
		return direct.ErrGroup
	case C.MSD_OTHER:
		return errors.New("is a named type, want a dataset")
	}
	return errors.New("cannot be opened: damaged, or of a newer HDF5")
}

// isMissing reports whether nothing stands at path.
func isMissing(f *hdf5.File, path string, access *hdf5.PropList) bool {
	return kind(f, path, access) == C.MSD_MISSING
}

// storedIn returns how many values are in each of the dataset's chunks, 0 when
// it has none. It is an error when the values are not in the file itself.
func storedIn(d *hdf5.Dataset) (values uint64, err error) {
	var n C.ulonglong
	switch C.msd_storage(id(d), &n) {
	case C.MSD_LOCAL:
		return uint64(n), nil
	case C.MSD_EXTERNAL, C.MSD_VIRTUAL:
		return 0, errors.New("its values are in another file, which is not read")
	}
	return 0, errors.New("unknown storage layout")
}

// missingFilter returns the number of a filter that reading the dataset would
// need and this libhdf5 has not, or 0.
func missingFilter(d *hdf5.Dataset) int { return int(C.msd_missing_filter(id(d))) }

// isFixed reports whether values of a type are whole in themselves, unlike
// those of variable length.
func isFixed(t *hdf5.Datatype) bool { return C.msd_fixed(id(t)) != 0 }

// newCreation returns a list for creating datasets in chunks, shuffled and
// deflated at level 1.
func newCreation(chunk []uint) (*hdf5.PropList, error) {
	p, err := hdf5.NewPropList(hdf5.P_DATASET_CREATE)
	if err != nil {
		return nil, err
	}
	err = p.SetChunk(chunk)
	if err == nil && C.msd_creation(id(p)) < 0 {
		err = errHDF5
	}
	if err == nil {
		err = p.SetDeflate(1)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// create creates a dataset and opens it.
func create(g *hdf5.Group, name string, t *hdf5.Datatype, s *hdf5.Dataspace, p *hdf5.PropList) (*hdf5.Dataset, error) {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	if C.msd_create(id(g), cname, id(t), id(s), id(p)) < 0 {
		return nil, errHDF5
	}
	return g.OpenDataset(name)
}
