package web

import (
	"slices"
	"sync"

	"tatum/query"
)

// maxCached is how many bytes of answers are kept.
const maxCached = 32 << 20

// A cache keeps what took long to make, under keys that have the stamp of the
// store it was made of. When there is too much of it, it forgets all: what is
// asked for comes back.
type cache struct {
	mu    sync.Mutex
	bytes int
	byKey map[string]any
}

// cached returns what is kept under the key.
func cached[T any](c *cache, key string) (value T, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok = c.byKey[key].(T)
	return value, ok
}

// put keeps a value that takes about so many bytes, and returns it.
func (c *cache) put(key string, value any, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil || c.bytes+bytes > maxCached {
		c.byKey, c.bytes = make(map[string]any), 0
	}
	c.byKey[key] = value
	c.bytes += bytes
}

// A kept is the one value that is kept of its kind, however large it is.
type kept[T any] struct {
	mu    sync.Mutex
	key   string
	value T
}

func (k *kept[T]) get(key string) (value T, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == key {
		return k.value, true
	}
	return value, false
}

func (k *kept[T]) put(key string, value T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key, k.value = key, value
}

// keptMaps are the maps looked at last, maxMaps of them at most.
type keptMaps struct {
	mu   sync.Mutex
	maps []keptMap // the one used last comes last
}

type keptMap struct {
	key, stamp string
	*query.Map
}

func (k *keptMaps) get(key string) (*query.Map, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.maps, func(m keptMap) bool { return m.key == key })
	if i < 0 {
		return nil, false
	}
	m := k.maps[i]
	k.maps = append(slices.Delete(k.maps, i, i+1), m)
	return m.Map, true
}

// forget forgets the maps of the store as it was.
func (k *keptMaps) forget(stamp string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.maps = slices.DeleteFunc(k.maps, func(old keptMap) bool { return old.stamp != stamp })
}

// put keeps a map in place of the one not used for longest. Maps of one store share
// the IDs of their tracks.
func (k *keptMaps) put(key, stamp string, m *query.Map) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.maps = slices.DeleteFunc(k.maps, func(old keptMap) bool { return old.key == key })
	if len(k.maps) == maxMaps {
		k.maps = slices.Delete(k.maps, 0, 1)
	}
	for _, old := range k.maps {
		if len(old.IDs) == len(m.IDs) && slices.Equal(old.IDs, m.IDs) {
			m.IDs = old.IDs
			break
		}
	}
	k.maps = append(k.maps, keptMap{key, stamp, m})
}
