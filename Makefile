# For GNU make. `make` builds bin/sandboxd, `make help` lists the other targets.
.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: regrtest screenshots build run test test-all lint test-native programs sweep arm64 many escape soak lab lab-all lab-image lab-shell fuzz fuzz-short bench fresh install uninstall test-install clean help init page deps deps-test test-lint release test-release dashboard proxies test-containers seccomp-container deb rpm test-packages test-podman test-debian13 deps-lab

PREFIX  ?= /usr/local
BINARY  ?= bin/sandboxd
PAGE    ?= 1
ARCH    ?= amd64
SYSCONF ?= /etc
# systemd reads these directories if PREFIX is /usr or /usr/local.
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
DOCDIR ?= $(PREFIX)/share/doc/sandboxd
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/vendor-completions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITS   := sandboxd.socket sandboxd-admin.socket sandboxd.service
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
# Linked statically, so that the binary runs on machines with another libc, such as the lab's.
STATIC  := '-ldflags=-extldflags=-static $(LDFLAGS)'
# scripts/need-go makes a link here to a Go that is not in PATH.
export PATH := $(CURDIR)/.cache/go:$(PATH)
# All targets that compile Go use the same flags, so that nothing is compiled twice. Building, linting, testing and the lab share one set
# of compiled packages; the race detector has a second one.
FLAGS   := -trimpath -tags=netgo,osusergo
export GOFLAGS := $(strip $(filter-out $(FLAGS),$(or $(GOFLAGS),$(shell PATH='$(PATH)' GOTOOLCHAIN=local go env GOFLAGS 2>/dev/null))) $(FLAGS))

deps:
	@scripts/need gcc libc6-dev pkg-config libseccomp-dev python3
	@scripts/need-go

# The program that every run executes first. It is embedded in the daemon.
init: deps
	@scripts/init internal/jail/spawn/initbinary

# The playground page, also embedded. PAGE=0 leaves it out, and then no Node.js is needed.
page: export PAGE := $(PAGE)
page:
	@scripts/page

build: init page ## build bin/sandboxd (PAGE=0: without the playground page, which needs Node.js)
	@scripts/build $(STATIC) -o bin/ ./cmd/sandboxd

run: build ## install what is missing, build, and serve on 127.0.0.1:8000 (ARGS="--policy off" adds flags)
	@scripts/serve $(ARGS)

test: ## lint, run the tests here, and those in the lab that need it
test-all: ## the same with every case in every way, all programs, all of CPython's tests and short fuzzing
test-all: export SANDBOXD_TEST_ALL := 1
test-all: MORE := test-release programs regrtest fuzz-short test-containers test-debian13
test-all: LAB := lab-all

test test-all:
	@MAKE="$(MAKE)" scripts/stages deps-test "lab-image&" "proxies&" lint test-lint arm64 test-install "test-packages&" test-native $(MORE) $(or $(LAB),lab)

deps-test: deps
	@scripts/need mmdebstrap qemu-system-x86 e2fsprogs debian-archive-keyring \
		python3-numpy python3-pandas python3-matplotlib python3-plotly chromium curl shellcheck groff fish zsh \
		gcc-aarch64-linux-gnu libc6-dev-arm64-cross uidmap \
		$$(/usr/bin/python3 -c 'import sys; print("libpython%d.%d-testsuite" % sys.version_info[:2])')
	@scripts/prometheus .cache/prometheus

lint: deps ## gofmt, go vet, staticcheck, revive, govulncheck (GOVULNDB=URL), shellcheck
	@unformatted=$$(gofmt -l client cmd internal seccomp-profiles bench tools); \
		[ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	go vet ./...
	go vet -C tools/cyclonedx .
	go tool staticcheck ./...
	go vet -C tools/dashboard .
	go tool -modfile=tools/revive/go.mod revive -config tools/revive/revive.toml ./... ./tools/cyclonedx
	@scripts/vulnerabilities
	@if command -v shellcheck >/dev/null; then shellcheck scripts/* packaging/deb/* packaging/rpm/* lab/foreign lab/image lab/payload lab/run lab/*.sh .ci/run; \
		else echo "no shellcheck: shell scripts not checked"; fi

test-lint: deps ## check that make lint fails if the daemon has a known vulnerability, and says if it could not check
	@scripts/test-vulnerabilities

release: export VERSION := $(VERSION)
release: init page ## build reproducible tarballs, .deb and .rpm for amd64 and arm64, SBOMs and SHA256SUMS in .cache/release
	@scripts/need gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	@scripts/release .cache/release
	@for arch in amd64 arm64; do for format in deb rpm; do MAKE='$(MAKE)' scripts/package $$format $$arch .cache/release || exit; done; done
	@cd .cache/release && printf '%s\n' sandboxd* | LC_ALL=C sort | xargs sha256sum -- >SHA256SUMS

test-release: ## build the release of HEAD in two different environments, compare, and install it
	@scripts/test-release

test-install: build ## check that make uninstall removes what make install installed below a DESTDIR
	@scripts/test-install

deb rpm: init page ## build the packages in .cache/packages (ARCH="amd64 arm64" or one of them)
	@case " $(ARCH) " in *" arm64 "*) scripts/need gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;; esac
	@for arch in $(ARCH); do VERSION='$(VERSION)' MAKE='$(MAKE)' scripts/package $@ $$arch .cache/packages || exit; done

test-packages: init page ## check the packages: contents, lintian, reproducibility
	@scripts/need lintian rpm gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	@VERSION='$(VERSION)' MAKE='$(MAKE)' scripts/test-packages

# If something that a test needs is missing, the test fails and is not skipped.
test-native: export SANDBOXD_TEST_STRICT := 1
test-native: export SANDBOXD_TEST_REGRTEST := quick
test-native: export SANDBOXD_PROMETHEUS_DIR := $(CURDIR)/.cache/prometheus/usr/bin
test-native: export SANDBOXD_TEST_PROXIES := $(CURDIR)/.cache/proxies

test-native: build proxies ## run the tests that need no virtual machine, most of them under the race detector
	@scripts/native

proxies: deps # nginx and Caddy, for test-native
	@scripts/proxies .cache/proxies

# Each program lists the Debian packages that it needs.
programs: export SANDBOXD_TEST_STRICT := 1
programs: export SANDBOXD_TEST_PROGRAMS := all
programs: export SANDBOXD_TEST_ALL := 1
programs: build ## run real programs with real packages (which it installs) inside and outside, by every way to start a jail
	@scripts/need $$(sed -n 's/^# packages: //p' internal/jail/testdata/programs/*.py)
	go test -count=1 -timeout=1h -run='^TestPrograms$$' ./internal/jail

sweep: init ## make every system call inside a jail and list those that reach the kernel
	@said=$$(go test -count=1 -v -run='^(TestSystemCallSweep|TestSubsystemsAreOutOfReach)$$' ./internal/jail 2>&1); \
		status=$$?; echo "$$said" | grep -vE '^(===|PASS)'; exit $$status

arm64: deps-test ## compile for arm64
	@scripts/arm64 .cache/arm64

many: build ## 10,000 mixed runs, 8 at a time; check that they leave nothing behind
	SANDBOXD_TEST_RUNS=$(or $(RUNS),10000) go test -count=1 -timeout=2h -run='^TestManyRuns$$' -v ./cmd/sandboxd

regrtest: export SANDBOXD_TEST_REGRTEST = $(or $(MODULES),all)
regrtest: export SANDBOXD_TEST_STRICT := 1
regrtest: build deps-test ## CPython's own tests, inside a jail and outside (MODULES="test_os" runs a part); differences are in .cache/regrtest
	@mkdir -p .cache
	SANDBOXD_TEST_REGRTEST_REPORT=$(CURDIR)/.cache/regrtest go test -count=1 -timeout=2h -parallel=4 -run='^TestRegrtest$$' ./internal/jail

# The table is also written to SECURITY.md: review the change before you commit it.
escape: export SANDBOXD_TEST_UPDATE := 1
escape: export SANDBOXD_TEST_ALL := 1
escape: build ## attack the complete jail and each layer alone; print the results
	@mkdir -p .cache
	@go test -count=1 -timeout=30m -v -run='^(TestEscape|TestEachLayerAlone|TestAttacksGetThroughWithoutLayers)$$' \
		./internal/jail >.cache/escape 2>&1 || { grep -vE '^ *(===|--- PASS)' .cache/escape; exit 1; }
	@grep -vE '^ *(===|---|layers_test|held|absent)|^ *$$' .cache/escape
	@go test -count=1 -timeout=20m -v -run='^TestAttacksInABrowser$$' ./cmd/sandboxd >.cache/escape-browser 2>&1 || \
		{ grep -vE '^ *(===|--- PASS)' .cache/escape-browser; exit 1; }
	@grep -E '^(Attacks|  browser|ok)' .cache/escape-browser

deps-lab: deps-test
	@case "$(LAB_SYSTEM)" in *-arm64) scripts/need qemu-system-arm kmod cpio ;; esac

lab: deps-lab ## run the tests in a virtual machine with systemd and cgroup v2 (LAB_SYSTEM=debian13; SANDBOXD_TEST_ALL=1: every test)
	@lab/payload .cache/lab/payload
	@lab/run

lab-all: deps-test ## the same in each system: Debian 12, Debian 13, Debian 13 with the newest kernel of its backports, Debian 12 for arm64
	@lab/payload .cache/lab/payload
	@for system in debian12 debian13 debian13-backports; do echo "lab: $$system"; LAB_SYSTEM=$$system lab/run || exit; done
	@echo "lab: debian12-arm64"; LAB_TIMEOUT=$${LAB_TIMEOUT:-14400} $(MAKE) --no-print-directory lab LAB_SYSTEM=debian12-arm64

lab-image: deps-lab # build that machine's disk if it does not exist
	@lab/run image

lab-shell: deps-lab ## open that machine's console
	@lab/payload .cache/lab/payload
	@lab/run shell

fuzz: init ## fuzz the code that parses hostile input, each target for FUZZTIME=30s
	@scripts/fuzz $(or $(FUZZTIME),30s)

fuzz-short: init # 1,000 inputs for each target
	@scripts/fuzz 1000x

soak: build ## run random hostile programs against the daemon for SOAK=10m; SEED= and INDEX= repeat one
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); echo "make soak SEED=$$seed"; \
		SANDBOXD_TEST_SOAK=$(or $(SOAK),10m) SANDBOXD_TEST_SEED=$$seed SANDBOXD_TEST_INDEX=$(INDEX) \
		go test -count=1 -timeout=0 -run='^TestSoak$$' -v ./cmd/sandboxd

bench: build ## compare ways to run a program with bare python3 (ARGS="-only latency -n 50" runs a part)
	go run ./bench $(ARGS)

dashboard: ## build deploy/grafana/sandboxd.json (its source is tools/dashboard)
	@mkdir -p .cache
	go run -C tools/dashboard . >.cache/dashboard && mv .cache/dashboard deploy/grafana/sandboxd.json

screenshots: build deps-test ## take pictures of the playground page in .cache/screenshots, and the one of the README
	@mkdir -p .cache/screenshots
	SANDBOXD_SCREENSHOTS=$(CURDIR)/.cache/screenshots go test -count=1 -run='^TestPlayground' ./cmd/sandboxd
	@cp .cache/screenshots/playground-1200-light.png docs/playground.png

test-debian13: init ## run the tests of the jail with Python 3.13 and the packages of Debian 13, on this kernel
	@scripts/fresh jail trixie

fresh: ## try make run in a minimal Debian 12 and a minimal Debian 13 that have only make
	@scripts/fresh

test-containers: build ## run the daemon as a container under crun, and check the files of Docker, Compose and Kubernetes
	@scripts/containers

test-podman: ## build the image with Podman and run it, as root and rootless
	@scripts/podman

seccomp-container: deps # write the seccomp profile of the daemon's container
	go run -C tools/containers . profile >deploy/container/seccomp.json

# It does not depend on build, because Go may not be in root's PATH.
install: ## install the result of make build below $(DESTDIR)$(PREFIX), for systemd
	@test -x $(BINARY) || { echo "$(BINARY) does not exist: run make build first"; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/sandboxd
	install -D -m 644 systemd/sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/sandboxd.conf
	install -D -m 644 systemd/tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/sandboxd.conf
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) $(addprefix systemd/,$(UNITS))
	install -D -m 644 -t $(DESTDIR)$(DOCDIR) systemd/own-uids.conf
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man8 packaging/man/sandboxd.8
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man5 packaging/man/sandboxd.yaml.5
	install -D -m 644 packaging/completions/sandboxd.bash $(DESTDIR)$(BASHDIR)/sandboxd
	install -D -m 644 -t $(DESTDIR)$(ZSHDIR) packaging/completions/_sandboxd
	install -D -m 644 -t $(DESTDIR)$(FISHDIR) packaging/completions/sandboxd.fish
	sed -i 's|/usr/local/bin|$(PREFIX)/bin|; s|/etc/sandboxd|$(SYSCONF)/sandboxd|' \
		$(DESTDIR)$(UNITDIR)/sandboxd.service
	case $(PREFIX)/ in /usr/*) ;; *) \
		sed -i 's|^BindReadOnlyPaths=/usr |&$(PREFIX)/bin/sandboxd |' $(DESTDIR)$(UNITDIR)/sandboxd.service ;; esac
	test -e $(DESTDIR)$(SYSCONF)/sandboxd/config.yaml || \
		install -D -m 644 systemd/config.yaml $(DESTDIR)$(SYSCONF)/sandboxd/config.yaml
	@[ -n "$(DESTDIR)" ] || printf '%s\n' "Next, as root:" "  systemd-sysusers" "  systemd-tmpfiles --create sandboxd.conf" \
		"  systemctl daemon-reload" "  systemctl enable --now sandboxd     # an upgrade: systemctl restart sandboxd" \
		"Documentation: docs/operations.md"

# It does not stop a service: that may wait for runs, and systemd only knows the units while their files exist.
uninstall: ## remove the files of make install (with the same DESTDIR, PREFIX and SYSCONF)
	@[ -n "$(DESTDIR)" ] || ! command -v systemctl >/dev/null || for unit in $(UNITS); do \
		! systemctl --quiet is-active $$unit 2>/dev/null && ! systemctl --quiet is-enabled $$unit 2>/dev/null || { \
			printf '%s\n' "$$unit runs or is enabled: nothing was removed. Run this first, as root:" \
				"  systemctl disable --now sandboxd.socket sandboxd-admin.socket sandboxd" >&2; exit 1; }; done
	rm -f $(DESTDIR)$(PREFIX)/bin/sandboxd $(DESTDIR)$(SYSUSERSDIR)/sandboxd.conf $(DESTDIR)$(TMPFILESDIR)/sandboxd.conf \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) $(DESTDIR)$(DOCDIR)/own-uids.conf \
		$(DESTDIR)$(MANDIR)/man8/sandboxd.8 $(DESTDIR)$(MANDIR)/man5/sandboxd.yaml.5 \
		$(DESTDIR)$(BASHDIR)/sandboxd $(DESTDIR)$(ZSHDIR)/_sandboxd $(DESTDIR)$(FISHDIR)/sandboxd.fish
	@config=$(DESTDIR)$(SYSCONF)/sandboxd/config.yaml; [ ! -e $$config ] || if cmp -s systemd/config.yaml $$config; then \
		echo "rm $$config"; rm $$config; else echo "Kept, because it differs from the file of this version: $$config"; fi
	@for directory in $(DESTDIR)$(DOCDIR) $(DESTDIR)$(SYSCONF)/sandboxd; do \
		[ ! -d $$directory ] || rmdir --ignore-fail-on-non-empty $$directory; done
	@[ -n "$(DESTDIR)" ] || printf '%s\n' "Next, as root:" "  systemctl daemon-reload" \
		"  rm -rf /run/sandboxd; userdel sandboxd" \
		"  rm -r /etc/systemd/system/sandboxd*.d     # drop-ins, if there are any"

clean: ## remove everything that make created, including the lab's image
	rm -rf bin .cache internal/jail/spawn/initbinary/sandboxd-* web/node_modules
	PAGE=0 scripts/page

help:
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
