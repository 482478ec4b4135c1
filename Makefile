# make demo   sets up, builds, makes songs, ingests, clusters and queries
# make test   runs the tests; needs no Python
# make parity compares every number with scikit-learn's, in virtual environments
# make pictures draws the kept ones anew
# make lint   go vet, gofmt, golangci-lint
# make peers  the notebook and other peers beside tatum, with the songs in DIR
# make bench  speed of reading, statistics, clustering, store
#
# make flips  changes bytes of a store and asks it everything
# make cross  builds for the other systems, without libhdf5
# make windows runs the Windows build under wine
# make browser drives a browser over the pages of tatum serve
# make spark  ingests on a Spark cluster of this machine, and kills a part of it
# make dist   makes what is released, in dist; make dist-check tries it
#
# and, for hours of patience: golden, fuzz, fuzz-parity, kill, soak, scale; big and
# growth, which measure what commands cost on a store of a million tracks; and merge,
# which measures a merge of shards

GO     ?= go
PYTHON ?= python3
TATUM  := bin/tatum
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Real songs, compared too where they are.
MSD := ../shared/data/msd

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: build deps demo pictures test race parity golden fuzz fuzz-parity flips kill soak scale big growth merge lint bench peers cross windows browser spark dist dist-check clean

# The version is that of the commit, where git tells it; else the build goes on without.
build: deps
	$(GO) build $(if $(shell git rev-parse HEAD 2>/dev/null),-buildvcs=true) -o $(TATUM) ./cmd/tatum

# libhdf5 and libdeflate, and a compiler for the bindings to them.
deps:
	@if ! { command -v cc && ls /usr/include/hdf5/serial/hdf5.h /usr/include/hdf5.h /usr/local/include/hdf5.h; } 2>/dev/null | grep -q hdf5 || \
		! ls /usr/include/libdeflate.h /usr/local/include/libdeflate.h 2>/dev/null | grep -q deflate; then \
		$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq gcc libc6-dev libhdf5-dev libdeflate-dev; fi

demo: build
	rm -rf demo
	$(TATUM) demo demo/songs
	$(TATUM) ingest --db demo/tatum.db --arrays all demo/songs
	$(TATUM) cluster --db demo/tatum.db
	$(TATUM) query track --db demo/tatum.db TRAAPOB12896A14E9C
	$(TATUM) query members --db demo/tatum.db beats_start 7 --limit 3
	$(TATUM) query similar --db demo/tatum.db TRAAPOB12896A14E9C --limit 2

# The kept pictures, which a test compares with what is drawn.
pictures: deps
	$(GO) test -count=1 ./cmd/tatum -run TestPictures -update

test: deps
	$(GO) test -timeout 20m ./...

race: deps
	$(GO) test -race -short -timeout 30m ./...

# The reference: scikit-learn and its like, in virtual environments.
parity: build
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	PYTHON=$(PYTHON) cmd/tatum/testdata/parity/parity.sh $(TATUM) $(MSD)

# The notebook, a best effort in Python and tatum beside each other, with the
# songs in DIR: seconds, memory, bytes, labels that differ.
DIR ?= .peers/songs
peers: build
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	test -d $(DIR) || $(TATUM) demo --songs 10000 $(DIR)
	$$(PYTHON=$(PYTHON) cmd/tatum/testdata/parity/environment.sh sklearn-1.3) cmd/tatum/testdata/peers/peers.py $(TATUM) $(DIR) .peers/work

# The golden values of `make test`, anew from the reference.
golden: parity
	rm -rf .golden && $(TATUM) demo --songs 120 .golden/songs
	.venv-sklearn-1.3/bin/python cmd/tatum/testdata/parity/reference.py fit .golden/songs .golden/reference
	.venv-sklearn-1.3/bin/python cmd/tatum/testdata/parity/reference.py golden .golden/reference cmd/tatum/testdata/parity/golden.json
	rm -rf .golden

# 300 random clusterings against the reference. Its BLAS is held to one thread
# and one kernel, since its last bits depend on both.
FUZZ_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=SkylakeX PYTHONDONTWRITEBYTECODE=1
fuzz-parity: parity
	mkdir -p .golden/fuzz
	$(FUZZ_ENV) .venv-sklearn-1.3/bin/python cluster/testdata/fuzz.py make sklearn-1.3 300 1 > .golden/fuzz/1.json
	TATUM_FUZZ_DIR=$(CURDIR)/.golden/fuzz $(GO) test -count=1 -run FuzzAgainst -v ./cluster
	rm -rf .golden

# Every decoder on random bytes, about 20 seconds each. A count ends cleanly, where
# the end of a time can be taken for a failure.
fuzz: deps
	$(GO) test ./store -run '^$$' -fuzz '^FuzzDecoders$$' -fuzztime 120000x
	$(GO) test ./store -run '^$$' -fuzz '^FuzzArraysRoundTrip$$' -fuzztime 200000x
	$(GO) test ./store/pages -run '^$$' -fuzz '^FuzzPage$$' -fuzztime 1000000x
	$(GO) test ./ingest/direct -run '^$$' -fuzz '^FuzzRead$$' -fuzztime 100000x -fuzzminimizetime 10x

# Processes killed at random moments, many times over; bytes of a store flipped;
# song files damaged.
kill: deps
	TATUM_KILLS=100 TATUM_STORE_KILLS=100 $(GO) test -count=1 -run 'Kill|IngestProcess' -v -timeout 90m ./cmd/tatum
	TATUM_FLIPS=10000 $(GO) test -count=1 -run TestFlippedBytes -v -timeout 90m ./cmd/tatum
	TATUM_MUTATIONS=5000 $(GO) test -count=1 -run TestMutat -v -timeout 60m ./ingest
	TATUM_MUTATIONS=100000 $(GO) test -count=1 -run TestMutated -v -timeout 60m ./ingest/direct

flips: deps
	TATUM_FLIPS=400 TATUM_SEED=2 $(GO) test -count=1 -run TestFlippedBytes -v ./cmd/tatum

# A store of N made-up tracks, clustered, at DB: 14 kB a track. SOUND=1 gives them
# sound features too.
N  ?= 1000000
DB ?= big.db
big: deps
	TATUM_BIG=$(abspath $(DB)) TATUM_BIG_TRACKS=$(N) TATUM_BIG_SOUND=$(SOUND) $(GO) test -count=1 -run TestBig -v -timeout 3h ./cmd/tatum

# What commands cost on the store at DB: the median of five whole processes.
growth: deps
	TATUM_GROWTH=$(abspath $(DB)) $(GO) test -count=1 -run TestGrowth -v -timeout 1h ./cmd/tatum

# How fast a hundred thousand tracks in ten shards are merged.
merge: deps
	TATUM_MERGE=100000 $(GO) test -count=1 -run TestMergeRate -v -timeout 1h ./cmd/tatum

# Songs in slices with clusterings between: do size and time per song grow?
soak: deps
	TATUM_SOAK=200000 $(GO) test -count=1 -run TestSoak -v -timeout 3h ./cmd/tatum

# A million stat vectors: time per track and memory. Needs 10 GB in TMPDIR.
scale: deps
	TATUM_SCALE=1000000 $(GO) test -count=1 -run TestScale -v -timeout 2h ./cmd/tatum

lint: deps
	$(GO) vet -tags browser ./...
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) run $(GOLANGCI) run ./...

bench: deps
	$(GO) test -run '^$$' -bench . ./...

# The builds without cgo, and so without libhdf5.
CROSS := linux-amd64 linux-arm64 darwin-arm64 windows-amd64
cross:
	CGO_ENABLED=0 $(GO) test ./ingest ./ingest/direct
	for target in $(CROSS); do \
		CGO_ENABLED=0 GOOS=$${target%-*} GOARCH=$${target#*-} $(GO) build -o bin/$$target/ ./cmd/tatum || exit 1; done

# What is released: archives of all builds, a Debian package, their SHA-256 sums.
DIST := dist
dist: deps
	@command -v zip >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq zip; }
	GO=$(GO) cmd/tatum/dist/dist.sh $(DIST) $(CROSS)

# Once more from a clone at another place, which gives the same bytes; then the
# package installed, used and removed in a fresh Debian. Needs root.
dist-check: dist
	@command -v debootstrap >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq debootstrap; }
	GO=$(GO) cmd/tatum/dist/check.sh $(DIST) $(CROSS)

# What the Windows build does under wine; then the tests that run there. Those of
# ingest/msd need libhdf5, those of cmd/tatum the demo; one of query/export needs
# symbolic links, which wine has not.
WINDOWS_TESTS := ./store/... ./cluster/... ./query/... ./ingest ./ingest/direct ./ingest/seqstat
windows: build cross
	@{ test -x /usr/lib/wine/wine64 && command -v x86_64-w64-mingw32-gcc && command -v script; } >/dev/null || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends wine64 gcc-mingw-w64-x86-64 bsdutils; }
	cmd/tatum/testdata/windows/windows.sh $(TATUM) bin/windows-amd64/tatum.exe .windows
	env -u DISPLAY WINEPREFIX=$(CURDIR)/.windows/wine WINEDEBUG=-all CGO_ENABLED=0 GOOS=windows \
		$(GO) test -exec /usr/lib/wine/wine64 -skip TestReplaceDirectory $(WINDOWS_TESTS)

# ingest.py on a Spark cluster: a master and two workers on 127.0.0.1, of which one
# is killed half way. The store must be that of one machine.
SPARK := .venv-spark/bin
spark: build
	@command -v java >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends default-jre-headless; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	@cmp -s ingest/spark/requirements.txt .venv-spark/ready || { rm -rf .venv-spark && $(PYTHON) -m venv .venv-spark && \
		$(SPARK)/pip install -q --disable-pip-version-check -r ingest/spark/requirements.txt && cp ingest/spark/requirements.txt .venv-spark/ready; }
	$(SPARK)/ruff check ingest/spark
	$(SPARK)/ruff format --check ingest/spark
	$(SPARK)/python ingest/spark/cluster_test.py $(TATUM) $(GO) .spark $(MSD)

# What `tatum serve` shows, in Debian's browser. Each page is photographed.
browser: deps
	@{ command -v chromium && ls /usr/share/fonts/truetype/liberation*; } >/dev/null 2>&1 || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium fonts-liberation; }
	rm -f .browser/*.png
	TATUM_BROWSER=$(CURDIR)/.browser $(GO) test -count=1 -tags browser -run TestBrowser -v -timeout 30m ./cmd/tatum

clean:
	rm -rf bin demo dist .peers .golden .spark .browser .windows .venv-*
