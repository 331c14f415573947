# make test is the one test command: it installs the peers that the tests talk
# to, and runs everything. make check is the quick one.

GO       ?= go
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
FUZZTIME ?= 1m

export CGO_ENABLED = 0

.PHONY: build test check peers vet cross man bench pictures soak fuzz clean

build: ## the binary, static
	$(GO) build -trimpath -o sockkit .

# interop builds from its parent folder, which the test cache does not see: -count=1.
test: peers vet ## everything
	$(GO) test -timeout 10m ./...
	cd interop && $(GO) test -count=1 -timeout 14m ./...

check: ## format, vet and the short tests
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) test -short ./...

peers: ## what the tests talk to, from the system's packages
	./interop/install-peers

vet: ## every system that sockkit is built for
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	@for p in $(PLATFORMS); do echo "vet $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; done

cross: ## binaries for every system, in dist/
	@for p in $(PLATFORMS); do \
		out=dist/sockkit-$${p%/*}-$${p#*/}; case $$p in windows/*) out=$$out.exe;; esac; \
		echo $$out; GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath -ldflags=-s\ -w -o $$out . || exit 1; done

man: ## manual pages, in dist/man/
	$(GO) run ./cmd/internal/man dist/man

audit-table: peers ## docs/audit.md anew: what is found about the servers and clients of interop
	cd interop && SOCKKIT_AUDIT_TABLE=1 $(GO) test -count=1 -timeout 10m -run TestAudit .
	$(GO) test -count=1 ./internal/audit -run TestDocs -update

cluster-table: peers ## docs/cluster.md anew: what Go and Node servers in one cluster are tested for
	cd interop && SOCKKIT_CLUSTER_TABLE=1 $(GO) test -count=1 -timeout 10m -run 'TestRedis(Matrix|Emitter|Move)$$' .

bench: ## beside nc, socat, other libraries and Node, as ratios of CPU time
	cd bench && $(GO) run .

pictures: ## of each lesson and application, in dist/pictures/
	mkdir -p dist/pictures
	cd interop && SOCKKIT_PICTURES=$(CURDIR)/dist/pictures $(GO) test -count=1 -timeout 10m -run '^TestPage' .

soak: ## long runs: gigabytes, both ways, in constant memory; an hour of a cluster's troubles
	cd interop && SOCKKIT_SOAK=1 $(GO) test -count=1 -timeout 150m -run Soak -v ./...

fuzz: ## each fuzz test for FUZZTIME
	@for pkg in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
		echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; done; done

clean:
	rm -rf sockkit dist
