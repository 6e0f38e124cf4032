# GNU make. `make` builds bin/sandboxd, `make help` lists the rest.
.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: regrtest build run test test-all lint test-native programs sweep arm64 many escape soak lab lab-image lab-shell fuzz fuzz-short bench fresh install uninstall test-install clean help init deps deps-test

PREFIX  ?= /usr/local
SYSCONF ?= /etc
# Where systemd looks, for a PREFIX of /usr or /usr/local.
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
DOCDIR ?= $(PREFIX)/share/doc/sandboxd
UNITS   := sandboxd.socket sandboxd-admin.socket sandboxd.service
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
# Linked statically: the binary runs on machines with another libc, such as the lab's.
STATIC  := '-ldflags=-extldflags=-static $(LDFLAGS)'
# Where scripts/need-go links to a Go that is not in PATH.
export PATH := $(CURDIR)/.cache/go:$(PATH)
# The same flags for whatever compiles Go here, so that nothing is compiled twice: what is built, linted,
# tested and taken to the lab shares one set of packages, and one more for the race detector.
FLAGS   := -trimpath -tags=netgo,osusergo
export GOFLAGS := $(strip $(filter-out $(FLAGS),$(or $(GOFLAGS),$(shell PATH='$(PATH)' GOTOOLCHAIN=local go env GOFLAGS 2>/dev/null))) $(FLAGS))

deps:
	@scripts/need gcc libc6-dev pkg-config libseccomp-dev python3
	@scripts/need-go

# What every run executes first, embedded in the daemon: without a C library, as small as can be.
init: deps
	@scripts/init internal/jail/spawn/initbinary

build: init ## build bin/sandboxd
	@scripts/build $(STATIC) -o bin/ ./cmd/sandboxd

run: build ## install what is missing, build, serve on 127.0.0.1:8000 (ARGS="--policy off" adds flags)
	@scripts/serve $(ARGS)

test: ## lint, the tests here, and in the lab what only it can show
test-all: ## the same with every case in every way, here and in the lab, all programs, all of CPython's tests, short fuzzing
test-all: export SANDBOXD_TEST_ALL := 1
test-all: MORE := programs regrtest fuzz-short

test test-all:
	@MAKE="$(MAKE)" scripts/stages deps-test "lab-image&" lint arm64 test-install test-native $(MORE) lab

deps-test: deps
	@scripts/need mmdebstrap qemu-system-x86 e2fsprogs debian-archive-keyring \
		python3-numpy python3-pandas python3-matplotlib chromium curl shellcheck \
		gcc-aarch64-linux-gnu libc6-dev-arm64-cross uidmap \
		$$(/usr/bin/python3 -c 'import sys; print("libpython%d.%d-testsuite" % sys.version_info[:2])')
	@scripts/prometheus .cache/prometheus

lint: deps ## gofmt, go vet, staticcheck, shellcheck
	@unformatted=$$(gofmt -l cmd internal seccomp-profiles bench); \
		[ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	@if command -v shellcheck >/dev/null; then shellcheck scripts/* lab/image lab/payload lab/run lab/*.sh .ci/run; \
		else echo "no shellcheck: shell scripts not checked"; fi

test-install: build ## what make install puts below a DESTDIR, make uninstall takes away
	@scripts/test-install

# A test whose needs are not met is a failure here, not a skip.
test-native: export SANDBOXD_TEST_STRICT := 1
test-native: export SANDBOXD_TEST_REGRTEST := quick
test-native: export SANDBOXD_PROMETHEUS_DIR := $(CURDIR)/.cache/prometheus/usr/bin

test-native: build ## the tests that need no virtual machine, nearly all under the race detector
	@scripts/native

# They name the Debian packages that they need.
programs: export SANDBOXD_TEST_STRICT := 1
programs: export SANDBOXD_TEST_PROGRAMS := all
programs: export SANDBOXD_TEST_ALL := 1
programs: build ## real programs with real packages (installs them), inside and outside, by every way to start a jail
	@scripts/need $$(sed -n 's/^# packages: //p' internal/jail/testdata/programs/*.py)
	go test -count=1 -timeout=1h -run='^TestPrograms$$' ./internal/jail

sweep: init ## the system calls that reach the kernel from inside a jail, found out by trying all
	@said=$$(go test -count=1 -v -run='^(TestSystemCallSweep|TestSubsystemsAreOutOfReach)$$' ./internal/jail 2>&1); \
		status=$$?; echo "$$said" | grep -vE '^(===|PASS)'; exit $$status

arm64: deps-test ## compile for arm64
	@scripts/arm64 .cache/arm64

many: build ## 10,000 mixed runs, 8 at a time; then the host must be as it was
	SANDBOXD_TEST_RUNS=$(or $(RUNS),10000) go test -count=1 -timeout=2h -run='^TestManyRuns$$' -v ./cmd/sandboxd

regrtest: export SANDBOXD_TEST_REGRTEST = $(or $(MODULES),all)
regrtest: export SANDBOXD_TEST_STRICT := 1
regrtest: build deps-test ## CPython's own tests, inside a jail against outside (MODULES="test_os" a part); .cache/regrtest has what differs
	@mkdir -p .cache
	SANDBOXD_TEST_REGRTEST_REPORT=$(CURDIR)/.cache/regrtest go test -count=1 -timeout=2h -parallel=4 -run='^TestRegrtest$$' ./internal/jail

# The table that is printed is also in SECURITY.md: a change of it is to be looked at.
escape: export SANDBOXD_TEST_UPDATE := 1
escape: export SANDBOXD_TEST_ALL := 1
escape: build ## attack the jail, whole and layer by layer; count what held
	@mkdir -p .cache
	@go test -count=1 -timeout=30m -v -run='^(TestEscape|TestEachLayerAlone|TestAttacksGetThroughWithoutLayers)$$' \
		./internal/jail >.cache/escape 2>&1 || { grep -vE '^ *(===|--- PASS)' .cache/escape; exit 1; }
	@grep -vE '^ *(===|---|layers_test|held|absent)|^ *$$' .cache/escape
	@go test -count=1 -timeout=20m -v -run='^TestAttacksInABrowser$$' ./cmd/sandboxd >.cache/escape-browser 2>&1 || \
		{ grep -vE '^ *(===|--- PASS)' .cache/escape-browser; exit 1; }
	@grep -E '^(Attacks|  browser|ok)' .cache/escape-browser

lab: deps-test ## a virtual machine: Debian 12, systemd, cgroup v2 (SANDBOXD_TEST_ALL=1: every test)
	@lab/payload .cache/lab/payload
	@lab/run

lab-image: deps-test # that machine's disk, unless it is there
	@lab/run image

lab-shell: deps-test ## that machine's console
	@lab/payload .cache/lab/payload
	@lab/run shell

fuzz: init ## fuzz what parses hostile input, FUZZTIME each
	@scripts/fuzz $(or $(FUZZTIME),30s)

fuzz-short: init # each a moment: more is for make fuzz
	@scripts/fuzz 1000x

soak: build ## random hostile programs against the daemon for SOAK=10m; SEED= and INDEX= repeat one
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); echo "make soak SEED=$$seed"; \
		SANDBOXD_TEST_SOAK=$(or $(SOAK),10m) SANDBOXD_TEST_SEED=$$seed SANDBOXD_TEST_INDEX=$(INDEX) \
		go test -count=1 -timeout=0 -run='^TestSoak$$' -v ./cmd/sandboxd

bench: build ## compare the ways to run a program with bare python3 (ARGS="-only latency -n 50" a part)
	go run ./bench $(ARGS)

fresh: ## try make run in a bare Debian 12 and a bare Debian 13, with make and nothing else
	@scripts/fresh

# Not after build: sudo need not know where Go is.
install: ## install what make build made, below $(DESTDIR)$(PREFIX), for systemd
	@test -x bin/sandboxd || { echo "there is no bin/sandboxd: make build comes first"; exit 1; }
	install -D -m 755 bin/sandboxd $(DESTDIR)$(PREFIX)/bin/sandboxd
	install -D -m 644 systemd/sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/sandboxd.conf
	install -D -m 644 systemd/tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/sandboxd.conf
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) $(addprefix systemd/,$(UNITS))
	install -D -m 644 -t $(DESTDIR)$(DOCDIR) systemd/own-uids.conf
	sed -i 's|/usr/local/bin|$(PREFIX)/bin|; s|/etc/sandboxd|$(SYSCONF)/sandboxd|' \
		$(DESTDIR)$(UNITDIR)/sandboxd.service
	case $(PREFIX)/ in /usr/*) ;; *) \
		sed -i 's|^BindReadOnlyPaths=/usr |&$(PREFIX)/bin/sandboxd |' $(DESTDIR)$(UNITDIR)/sandboxd.service ;; esac
	test -e $(DESTDIR)$(SYSCONF)/sandboxd/config.yaml || \
		install -D -m 644 systemd/config.yaml $(DESTDIR)$(SYSCONF)/sandboxd/config.yaml
	@[ -n "$(DESTDIR)" ] || printf '%s\n' "Next, as root:" "  systemd-sysusers" "  systemd-tmpfiles --create sandboxd.conf" \
		"  systemctl daemon-reload" "  systemctl enable --now sandboxd     # an upgrade: systemctl restart sandboxd" \
		"Documentation: docs/operations.md"

# A service is not stopped here: its stop waits for runs, and its units are known only as long as they are there.
uninstall: ## remove what make install put there (with the same DESTDIR, PREFIX and SYSCONF)
	@[ -n "$(DESTDIR)" ] || ! command -v systemctl >/dev/null || for unit in $(UNITS); do \
		! systemctl --quiet is-active $$unit 2>/dev/null && ! systemctl --quiet is-enabled $$unit 2>/dev/null || { \
			printf '%s\n' "$$unit runs or is enabled: nothing was removed. First, as root:" \
				"  systemctl disable --now sandboxd.socket sandboxd-admin.socket sandboxd" >&2; exit 1; }; done
	rm -f $(DESTDIR)$(PREFIX)/bin/sandboxd $(DESTDIR)$(SYSUSERSDIR)/sandboxd.conf $(DESTDIR)$(TMPFILESDIR)/sandboxd.conf \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) $(DESTDIR)$(DOCDIR)/own-uids.conf
	@config=$(DESTDIR)$(SYSCONF)/sandboxd/config.yaml; [ ! -e $$config ] || if cmp -s systemd/config.yaml $$config; then \
		echo "rm $$config"; rm $$config; else echo "Kept, as it is not the file of this version: $$config"; fi
	@for directory in $(DESTDIR)$(DOCDIR) $(DESTDIR)$(SYSCONF)/sandboxd; do \
		[ ! -d $$directory ] || rmdir --ignore-fail-on-non-empty $$directory; done
	@[ -n "$(DESTDIR)" ] || printf '%s\n' "Next, as root:" "  systemctl daemon-reload" \
		"  rm -rf /run/sandboxd; userdel sandboxd" \
		"  rm -r /etc/systemd/system/sandboxd*.d     # drop-ins, if there are any"

clean: ## remove what make made, the lab's image included
	rm -rf bin .cache internal/jail/spawn/initbinary/sandboxd-*

help:
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
