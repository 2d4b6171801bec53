# make up          build examples/allinone and start the cluster in the foreground
# make test        install what the tests need and run all of them
# make bench       run the benchmarks whose figures docs/benchmarks.md quotes
# make bench-api   measure examples/apiserver over HTTPS, with both stores; BENCH adds flags of examples/apibench
# make generate    make the generated files anew
# make check       format, modules, generated files, vet and staticcheck

GO ?= go
TESTS ?= ./...
# The packages that link containerd, etcd's server or kubectl, or that measure
# time against real processes, run without the race detector.
HEAVY = /examples/|/kubelet/containerd|/store/etcd

# What kubectl and the clients say of themselves.
VERSION = -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 \
	-X k8s.io/component-base/version.gitMinor=37 -X k8s.io/client-go/pkg/version.gitVersion=v1.37.2

.PHONY: up build test bench bench-api generate check clean

up: build
	@hack/packages runc nftables
	bin/allinone $(ARGS)

build:
	CGO_ENABLED=0 $(GO) build -ldflags='-s -w $(VERSION)' -o bin/ ./examples/allinone ./kubelet/containerd/shim/keelson-shim

test: build
	@hack/packages gcc libc6-dev runc nftables iproute2 iptables conntrack apache2-bin busybox-static
	CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 10m $$($(GO) list $(TESTS) | grep -vE '$(HEAVY)')
	KEELSON_BIN=$(CURDIR)/bin CGO_ENABLED=0 $(GO) test -vet=off -timeout 10m $$($(GO) list $(TESTS) | grep -E '$(HEAVY)')

bench:
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench . -benchmem ./store/... ./apiserver/... ./scheduler/... ./proxy/...

# Another server beside them, in the same run:
#   make bench-api BENCH="-kubeconfig theirs=$$HOME/.kube/config"
#   make bench-api BENCH="-server 'theirs=start-theirs {dir}'"
bench-api:
	CGO_ENABLED=0 $(GO) build -ldflags='-s -w' -o bin/ ./examples/apiserver ./examples/apibench
	bin/apibench \
		-server 'memory=bin/apiserver -listen 127.0.0.1:0 -kubeconfig {dir}/kubeconfig' \
		-server 'embedded etcd=bin/apiserver -listen 127.0.0.1:0 -kubeconfig {dir}/kubeconfig -store embedded -data-dir {dir}/data' \
		$(BENCH)
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench Start -benchmem ./apiserver/standard

generate:
	CGO_ENABLED=0 hack/generate

check:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'the files above are not formatted: run gofmt -w on them'; exit 1; }
	$(GO) mod tidy -diff
	CGO_ENABLED=0 hack/generate check
	CGO_ENABLED=0 $(GO) vet ./...
	# Windows stands for all that is not Linux.
	CGO_ENABLED=0 GOOS=windows $(GO) build ./store ./store/memory ./apiserver/... ./scheduler/... ./controller/... ./cluster/...
	CGO_ENABLED=0 $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

clean:
	rm -rf bin
