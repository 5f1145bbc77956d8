# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Every target first installs the distribution's packages that it needs (scripts/deps.sh), so that `make run`
# works in a fresh clone. `make help` lists the targets.

# The folder that cargo builds into, and the folder in which rustup installs cargo.
TARGET := $(or $(CARGO_TARGET_DIR),target)
export PATH := $(PATH):$(HOME)/.cargo/bin

# For `make install`: the folder with the programs that are installed, and where to.
PROGRAMS ?= $(TARGET)/release
PREFIX ?= /usr/local
BINDIR = $(DESTDIR)$(PREFIX)/bin
INCLUDEDIR = $(DESTDIR)$(PREFIX)/include
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/hpcap
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
SYSUSERSDIR = $(DESTDIR)$(PREFIX)/lib/sysusers.d
TMPFILESDIR = $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
MODPROBEDIR = $(DESTDIR)$(PREFIX)/lib/modprobe.d
NETWORKDIR = $(DESTDIR)$(PREFIX)/lib/systemd/network
TUNEDDIR = $(DESTDIR)$(PREFIX)/lib/tuned/hpcap
SHAREDIR = $(DESTDIR)$(PREFIX)/share/hpcap
MANDIR = $(DESTDIR)$(PREFIX)/share/man/man1
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
BINARIES := hpcapd hpcapdd hpcapctl raw2pcap checkraw hpcap-bench hpcap-diag hpcap-monitor hpcap-sniff hpcap-status hpcap-tap rxtxcpu
# Other names of rxtxcpu, which decide what it captures.
NAMES := rxcpu txcpu rxtxnuma rxnuma txnuma rxtxqueue rxqueue txqueue
UNITS := hpcap.target hpcap.service hpcapd@.service hpcapdd@.service hpcapdd-queue@.service hpcap-monitor.service hpcap-port@.service
DOCUMENTS := README.md ARCHITECTURE.md CHANGELOG.md

# For `make run`.
IFACE ?=
SECONDS ?= 10
DIR ?=

# KVER is the kernel that `make kmod` builds for, KERNEL the one that `make try-driver` boots.
KVER ?= $(shell uname -r)
UNTESTED ?=
KERNEL ?= 6.1
NIC ?= 82599

# Seconds for each fuzz target in `make fuzz`.
FUZZ_SECONDS ?= 20

# Seconds that `make attack` goes on.
ATTACK_SECONDS ?= 3600

.DEFAULT_GOAL := build
.PHONY: help deps build run check test attack lint bench bench-report bench-instructions fuzz model kmod try-driver test-kernels test-sanitized test-install install uninstall deb rpm clean

help: ## print this list
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo "make run: IFACE=eth0 captures that interface; SECONDS=10 is how long; DIR=FOLDER is where the files go"
	@echo "make kmod: KVER is a kernel's release (uname -r), or 6.1, 6.12 or newest for Debian's in the virtual machine;"
	@echo "  UNTESTED=1 also builds for kernels and devices that no test has run on"
	@echo "make try-driver: KERNEL is 6.1 or 6.12, NIC is 82599 or igb (which QEMU emulates)"
	@echo "make install: PREFIX=/usr/local; DESTDIR=FOLDER installs below that folder"

deps: ## install every package that building, running, testing and benchmarking need
	@scripts/deps.sh install

build: ## build the tools, optimised, into target/release
	@scripts/deps.sh need build
	cargo build --workspace --release --locked

run: build ## demonstrate: capture ten seconds of traffic, check and convert the files, compare the ledger
	@scripts/deps.sh want run
	@'$(TARGET)/release/xtask' demo --seconds='$(SECONDS)' $(if $(IFACE),--interface='$(IFACE)') $(if $(DIR),--dir='$(DIR)')

check: ## check quickly (two minutes): formatting, clippy, unit tests, one capture over a virtual cable
	@scripts/deps.sh need build test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo test --workspace --lib --quiet
	cargo build --workspace --bins --test veth --quiet
	cargo test --workspace --test veth --quiet

test: ## run every test: unit, property, end to end, virtual machines, model, a short time of fuzzing
	@scripts/deps.sh need build test deb kmod vm
	@scripts/deps.sh want igb rpm browser
	@scripts/test.sh

attack: ## repeat the attacking tests with new random numbers for ATTACK_SECONDS (an hour)
	@scripts/deps.sh need build test
	scripts/attack.sh $(ATTACK_SECONDS)

lint: ## check formatting, warnings of compiler and clippy, documentation, the C, the scripts
	@scripts/deps.sh need build lint kmod
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --package hpcap --lib --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --document-private-items
	scripts/lint-c.sh
	scripts/kmod.sh 6.1 --check
	scripts/lint-text.sh

bench: build ## measure hpcap beside the tools that it is compared with
	@scripts/deps.sh need bench kmod vm
	$(TARGET)/release/hpcap-bench all --dir '$(TARGET)'
	scripts/bench-driver.sh

bench-report: build ## measure what docs/performance.md shows, and write its tables; QUICK=1 for a first look
	@scripts/deps.sh need bench
	$(TARGET)/release/xtask bench-report $(if $(QUICK),--quick) $(if $(ONLY),--only '$(ONLY)')

bench-instructions: build ## compare the instructions per frame with the stored ones
	@scripts/deps.sh need bench
	$(TARGET)/release/hpcap-bench instructions --compare hpcap-bench/instructions.json

fuzz: ## run each fuzz target for FUZZ_SECONDS
	@scripts/deps.sh need build test
	fuzz/run.sh $(FUZZ_SECONDS)

model: ## check the ring's protocol exhaustively with spin
	@scripts/deps.sh need build test
	scripts/model.sh

kmod: ## build the kernel modules for kernel KVER into target/kmod
	@scripts/deps.sh need kmod
	scripts/kmod.sh '$(KVER)' $(if $(UNTESTED),--untested)

try-driver: ## send a million frames through the modules in a virtual machine, and compare every byte
	@scripts/deps.sh need build kmod vm $(filter igb,$(NIC))
	@KERNEL='$(KERNEL)' NIC='$(NIC)' scripts/try-driver.sh

test-kernels: ## test the modules on the newest kernel that Debian packages, and their patches on all series (an hour)
	@scripts/deps.sh need build test kmod vm
	scripts/test-kernels.sh

test-sanitized: ## test the modules in a kernel with KASAN, lockdep and more (takes hours)
	@scripts/deps.sh need build kmod vm sanitizer
	scripts/test-sanitized.sh

test-install: ## test the packages on an installed Debian in a virtual machine (takes half an hour)
	@scripts/deps.sh need build deb kmod vm image
	scripts/debian-image.sh
	cargo build --workspace --bins
	@rm -rf '$(TARGET)/test-install'
	packaging/package.sh deb '$(TARGET)/test-install/packages' '$(TARGET)/debug'
	HPCAP_PACKAGES='$(abspath $(TARGET))/test-install/packages' cargo test -p vmlab --test install -- --ignored --nocapture

# Root often has no cargo, so `sudo make install` builds only what is missing.
$(BINARIES:%=$(PROGRAMS)/%) $(PROGRAMS)/xtask:
	$(MAKE) build

install: $(BINARIES:%=$(PROGRAMS)/%) $(PROGRAMS)/xtask ## install tools, man pages, completions, header, service, documents into DESTDIR/PREFIX
	install -d '$(BINDIR)' '$(INCLUDEDIR)' '$(DOCDIR)/docs' '$(DOCDIR)/LICENSES'
	install -m 755 $(BINARIES:%='$(PROGRAMS)/%') '$(BINDIR)'
	for name in $(NAMES); do ln -sf rxtxcpu '$(BINDIR)'/$$name; done
	install -m 644 kmod/include/uapi/hpcap.h '$(INCLUDEDIR)'
	install -d '$(DESTDIR)/etc/udev/rules.d'
	install -m 644 kmod/udev/70-hpcap.rules '$(DESTDIR)/etc/udev/rules.d'
	install -d '$(UNITDIR)' '$(SYSUSERSDIR)' '$(TMPFILESDIR)'
	install -m 644 $(UNITS:%='packaging/systemd/%') '$(UNITDIR)'
	sed -i 's|/usr/local/|$(PREFIX)/|g' $(UNITS:%='$(UNITDIR)/%')
	install -m 644 packaging/systemd/hpcap.sysusers '$(SYSUSERSDIR)/hpcap.conf'
	install -m 644 packaging/systemd/hpcap.tmpfiles '$(TMPFILESDIR)/hpcap.conf'
	install -d '$(MODPROBEDIR)' '$(NETWORKDIR)' '$(TUNEDDIR)'
	install -m 644 packaging/modprobe/hpcap.conf '$(MODPROBEDIR)'
	install -m 644 packaging/network/10-hpcap.link '$(NETWORKDIR)'
	install -m 644 packaging/tuned/tuned.conf '$(TUNEDDIR)'
	install -d '$(SHAREDIR)/prometheus' '$(SHAREDIR)/grafana' '$(SHAREDIR)/sos'
	install -m 644 packaging/prometheus/hpcap.rules.yml '$(SHAREDIR)/prometheus'
	install -m 644 packaging/grafana/hpcap.json '$(SHAREDIR)/grafana'
	install -m 644 packaging/sos/hpcap.py '$(SHAREDIR)/sos'
	install -m 644 $(DOCUMENTS) '$(DOCDIR)'
	install -m 644 docs/*.md '$(DOCDIR)/docs'
	install -m 644 LICENSES/* '$(DOCDIR)/LICENSES'
	'$(PROGRAMS)/xtask' man '$(MANDIR)'
	@rm -rf '$(TARGET)/completions'
	'$(PROGRAMS)/xtask' completions '$(TARGET)/completions'
	install -d '$(BASHDIR)' '$(ZSHDIR)' '$(FISHDIR)'
	install -m 644 '$(TARGET)'/completions/bash/* '$(BASHDIR)'
	install -m 644 '$(TARGET)'/completions/zsh/* '$(ZSHDIR)'
	install -m 644 '$(TARGET)'/completions/fish/* '$(FISHDIR)'

# The running system learns the user of the services, their folders, and the services.
ifeq ($(DESTDIR),)
	@! command -v systemd-sysusers >/dev/null || systemd-sysusers '$(SYSUSERSDIR)/hpcap.conf'
	@! [ -d /run/systemd/system ] || systemd-tmpfiles --create '$(TMPFILESDIR)/hpcap.conf'
	@! [ -d /run/systemd/system ] || systemctl daemon-reload
endif

uninstall: ## remove what `make install` installed with the same DESTDIR and PREFIX
	rm -f $(BINARIES:%='$(BINDIR)/%') $(NAMES:%='$(BINDIR)/%') '$(INCLUDEDIR)/hpcap.h' '$(DESTDIR)/etc/udev/rules.d/70-hpcap.rules'
	rm -f $(UNITS:%='$(UNITDIR)/%') '$(SYSUSERSDIR)/hpcap.conf' '$(TMPFILESDIR)/hpcap.conf'
	rm -rf '$(TUNEDDIR)' '$(SHAREDIR)'
	rm -f '$(MODPROBEDIR)/hpcap.conf' '$(NETWORKDIR)/10-hpcap.link'
	rm -f $(BINARIES:%='$(MANDIR)/%.1') $(NAMES:%='$(MANDIR)/%.1') '$(MANDIR)'/hpcapctl-*.1 '$(MANDIR)'/hpcap-bench-*.1 \
		'$(MANDIR)'/hpcap-diag-*.1 '$(MANDIR)'/hpcap-monitor-*.1 '$(MANDIR)'/rxtxcpu-*.1
	rm -f $(BINARIES:%='$(BASHDIR)/%') $(BINARIES:%='$(ZSHDIR)/_%') $(BINARIES:%='$(FISHDIR)/%.fish')
	rm -f $(NAMES:%='$(BASHDIR)/%') $(NAMES:%='$(ZSHDIR)/_%') $(NAMES:%='$(FISHDIR)/%.fish')
	rm -rf '$(DOCDIR)'

deb: build ## make Debian packages in target/packages
	@scripts/deps.sh need deb kmod
	@packaging/package.sh deb '$(TARGET)/packages'

rpm: build ## make RPM packages in target/packages
	@scripts/deps.sh need rpm kmod
	@packaging/package.sh rpm '$(TARGET)/packages'

clean: ## remove everything that was built
	rm -rf '$(TARGET)' fuzz/target
