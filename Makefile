# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The front door. Every target gets what it needs from the distribution first (scripts/deps.sh),
# so `make run` works in a fresh clone. `make help` lists the targets.

# Where cargo builds, and where rustup puts cargo.
TARGET := $(or $(CARGO_TARGET_DIR),target)
export PATH := $(PATH):$(HOME)/.cargo/bin

# make install
PREFIX ?= /usr/local
BINDIR = $(DESTDIR)$(PREFIX)/bin
INCLUDEDIR = $(DESTDIR)$(PREFIX)/include
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/hpcap
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
SYSUSERSDIR = $(DESTDIR)$(PREFIX)/lib/sysusers.d
BINARIES := hpcapd hpcapdd hpcapctl raw2pcap checkraw hpcap-bench
DOCUMENTS := README.md ARCHITECTURE.md CHANGELOG.md

# make run
IFACE ?=
SECONDS ?= 10
DIR ?=

# make kmod: the kernel; make try-driver: the kernel in the virtual machine
KVER ?= $(shell uname -r)
UNTESTED ?=
KERNEL ?= 6.1

# make test, make fuzz: seconds for each fuzz target
FUZZ_SECONDS ?= 20

# make attack: seconds
ATTACK_SECONDS ?= 3600

.DEFAULT_GOAL := build
.PHONY: help deps build run check test attack lint bench fuzz model kmod try-driver test-sanitized install uninstall clean

help: ## this list
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo "make run: IFACE=eth0 captures a real interface, SECONDS=10 how long, DIR=folder where to"
	@echo "make kmod: KVER=release of a kernel, or 6.1, 6.12: Debian's, for the virtual machine;"
	@echo "  UNTESTED=1 for a kernel or a device that no test has run on"
	@echo "make try-driver: KERNEL=6.1 or 6.12"
	@echo "make install: PREFIX=/usr/local, DESTDIR=staging folder"

deps: ## install every package that building, running, testing, benchmarking need
	@scripts/deps.sh install

build: ## the tools, optimised, in target/release
	@scripts/deps.sh need build
	cargo build --workspace --release --locked

run: build ## a demonstration: capture ten seconds of traffic, check, convert, balance the ledger
	@scripts/deps.sh want run
	@IFACE='$(IFACE)' SECONDS_TO_RUN='$(SECONDS)' DIR='$(DIR)' scripts/demo.sh '$(TARGET)/release'

check: ## while you work: formatting, clippy, unit tests, one capture over a virtual cable; two minutes at most
	@scripts/deps.sh need build test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo test --workspace --lib --quiet
	cargo build --workspace --bins --quiet
	cargo test -p hpcap-e2e --test veth --quiet

test: ## every test: unit, property, end to end, model, fuzz targets for a short time
	@scripts/deps.sh need build test kmod vm
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' scripts/test.sh

attack: ## the tests that attack, again and again with other random numbers, for ATTACK_SECONDS (an hour)
	@scripts/deps.sh need build test
	scripts/attack.sh $(ATTACK_SECONDS)

lint: ## formatting, compiler and clippy warnings, documentation, the C, the scripts
	@scripts/deps.sh need build lint kmod
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --document-private-items
	scripts/lint-c.sh
	scripts/kmod.sh 6.1 --check
	scripts/lint-text.sh

bench: build ## the benchmarks, beside the tools they are measured against
	@scripts/deps.sh need bench kmod vm
	$(TARGET)/release/hpcap-bench all --dir '$(TARGET)'
	scripts/bench-driver.sh

fuzz: ## the fuzz targets, FUZZ_SECONDS each
	@scripts/deps.sh need build test
	fuzz/run.sh $(FUZZ_SECONDS)

model: ## the ring's protocol, exhaustively, with spin
	@scripts/deps.sh need build test
	scripts/model.sh

kmod: ## the kernel modules for kernel KVER, in target/kmod
	@scripts/deps.sh need kmod
	scripts/kmod.sh '$(KVER)' $(if $(UNTESTED),--untested)

try-driver: ## the kernel modules in a virtual machine with a software 82599: a million frames, proven
	@scripts/deps.sh need build kmod vm
	@KERNEL='$(KERNEL)' scripts/try-driver.sh

test-sanitized: ## the tests of the kernel modules, in a kernel with KASAN, lockdep and more (long)
	@scripts/deps.sh need build kmod vm sanitizer
	scripts/test-sanitized.sh

# Installing must not need cargo: `sudo make install` has none. It builds only what is missing.
$(BINARIES:%=$(TARGET)/release/%):
	$(MAKE) build

install: $(BINARIES:%=$(TARGET)/release/%) ## into DESTDIR/PREFIX: tools, header, service, documents, licences
	install -d '$(BINDIR)' '$(INCLUDEDIR)' '$(DOCDIR)/docs' '$(DOCDIR)/LICENSES'
	install -m 755 $(BINARIES:%='$(TARGET)/release/%') '$(BINDIR)'
	install -m 644 kmod/include/uapi/hpcap.h '$(INCLUDEDIR)'
	install -d '$(DESTDIR)/etc/udev/rules.d'
	install -m 644 kmod/udev/70-hpcap.rules '$(DESTDIR)/etc/udev/rules.d'
	install -d '$(UNITDIR)' '$(SYSUSERSDIR)'
	sed 's|/usr/local/|$(PREFIX)/|' 'packaging/systemd/hpcapdd@.service' >'$(UNITDIR)/hpcapdd@.service'
	install -m 644 packaging/systemd/hpcap.sysusers '$(SYSUSERSDIR)/hpcap.conf'
	install -m 644 $(DOCUMENTS) '$(DOCDIR)'
	install -m 644 docs/*.md '$(DOCDIR)/docs'
	install -m 644 LICENSES/* '$(DOCDIR)/LICENSES'

# Into the running system: the user of the services, and the services.
ifeq ($(DESTDIR),)
	@! command -v systemd-sysusers >/dev/null || systemd-sysusers '$(SYSUSERSDIR)/hpcap.conf'
	@! [ -d /run/systemd/system ] || systemctl daemon-reload
endif

uninstall: ## what install installed, with the same DESTDIR and PREFIX
	rm -f $(BINARIES:%='$(BINDIR)/%') '$(INCLUDEDIR)/hpcap.h' '$(DESTDIR)/etc/udev/rules.d/70-hpcap.rules'
	rm -f '$(UNITDIR)/hpcapdd@.service' '$(SYSUSERSDIR)/hpcap.conf'
	rm -rf '$(DOCDIR)'

clean: ## everything that was built
	rm -rf '$(TARGET)' fuzz/target
