# hybridge: the only build file.  `make help` lists the targets.

PREFIX        ?= /usr/local
BINDIR        ?= $(PREFIX)/bin
SBINDIR       ?= $(PREFIX)/sbin
LIBDIR        ?= $(PREFIX)/lib
MANDIR        ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR        ?= $(PREFIX)/share/zsh/site-functions
EXAMPLEDIR    ?= $(PREFIX)/share/doc/hybridge/examples
UNITDIR       ?= $(EXAMPLEDIR)/systemd
SYSUSERSDIR   ?= $(EXAMPLEDIR)/systemd
B             ?= build
CC            ?= cc
VERSION       := 0.1.0

comma := ,
Q     := $(if $(V),,@)
say    = @$(if $(V),:,echo "  $(1)")

WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wcast-qual \
	-Wwrite-strings -Wswitch-enum \
	$(if $(CI),-Werror)
ifneq ($(findstring clang,$(CC)),clang)
# clang does not take uthash's comments for what they are.
WARN += -Wduplicated-cond -Wlogical-op -Wimplicit-fallthrough
ZERO := -ftrivial-auto-var-init=zero
endif
# Jumps and returns only where they belong; each machine has a flag of its own for that.
MACHINE := $(shell $(CC) -dumpmachine)
JUMPS   := $(if $(filter x86_64-%,$(MACHINE)),-fcf-protection=full) \
	$(if $(filter aarch64-%,$(MACHINE)),-mbranch-protection=standard)
HARDEN  := -O2 -g -fstack-protector-strong -fstack-clash-protection $(JUMPS) $(ZERO) -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed

BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -DHYBRIDGE_VERSION='"$(VERSION)"' -Iinclude -MMD -MP
ifneq ($(SAN),)
B          := build-$(subst $(comma),-,$(SAN))
SAN_FLAGS  := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else
FORTIFY    := -D_FORTIFY_SOURCE=3
endif
PROG_CFLAGS = $(BASE_CFLAGS) $(WARN) -Wpedantic $(HARDEN) $(FORTIFY) $(SAN_FLAGS) $(CPPFLAGS) $(CFLAGS)
# The shim is a guest that must load under any libc: nothing that refers to one by name, nor to
# the compiler's own library, as atomics on ARM would.
SHIM_ATOMICS := $(if $(filter aarch64-%,$(MACHINE)),-mno-outline-atomics)
SHIM_CFLAGS = $(BASE_CFLAGS) $(WARN) -O2 -g -fPIC -fvisibility=hidden -U_FORTIFY_SOURCE \
	-fno-stack-protector $(JUMPS) $(SHIM_ATOMICS) -fno-builtin-printf $(CPPFLAGS) $(CFLAGS)

# hybridge.1 is installed as $(MANDIR)/man1/hybridge.1, and so on.
MAN_SECTIONS := 1 5 7 8
MAN_PAGES    := $(foreach n,$(MAN_SECTIONS),$(patsubst man/%,man$(n)/%,$(wildcard man/*.$(n))))
# Units have a place of their own, and the demo needs the source beside it.
EXAMPLES     := $(filter-out examples/systemd/% examples/demo/%,$(wildcard examples/*.env examples/*/*))
EXAMPLE_DIRS := $(sort $(patsubst %/,%,$(dir $(EXAMPLES:examples/%=%))))
UNITS        := $(notdir $(wildcard examples/systemd/*.service))

PROGRAMS := hybridge hybridge-sender hybridge-agent hybridge-relay
SHIM     := $(B)/libhybridge.so
# The dependency-free part of common/ that the shim shares.
SHIM_COMMON := envfile hostmap address local

objects   = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c))
COMMON   := $(call objects,common)
LIBS     := -lwebsockets -lssl -lcrypto -ljansson -lexpat -lnghttp2 -lpthread

UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
SHIM_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/shim/*.c))
E2E_TOOLS  := $(patsubst %.c,$(B)/%,$(wildcard tests/e2e/*.c))
PRELOADS   := $(patsubst %.c,$(B)/%.so,$(wildcard tests/preload/*.c))
FUZZERS    := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES    := $(B)/bench/load $(B)/bench/service $(B)/bench/floor $(B)/bench/aead $(B)/tests/e2e/slow_wire

SOURCES := $(wildcard common/*.c shim/*.c sender/*.c agent/*.c relay/*.c cli/*.c \
	tests/unit/*.c tests/shim/*.c tests/e2e/*.c tests/preload/*.c tests/fuzz/*.c \
	bench/*.c)
HEADERS := $(wildcard include/hybridge/*.h common/*.h shim/*.h sender/*.h agent/*.h \
	relay/*.h cli/*.h tests/*/*.h)

.PHONY: help deps all programs demo test test-tools bench bench-guard lint format fuzz deb install uninstall clean
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12
	@echo
	@echo "Variables: V=1 shows commands; SAN=address,undefined or SAN=thread builds apart;"
	@echo "PREFIX=$(PREFIX) DESTDIR= for install; CI=1 makes warnings errors."

deps: ## install the Debian packages that build, demo and tests need
	$(Q)./tests/deps

all: deps ## install packages, build everything
	$(Q)$(MAKE) --no-print-directory programs

programs: $(SHIM) $(addprefix $(B)/,$(PROGRAMS)) ## build the library and the four programs, install no packages

$(B)/%.o: %.c Makefile
	$(call say,CC    $@)
	$(Q)mkdir -p $(@D) && $(CC) $(PROG_CFLAGS) -c -o $@ $<

# The scripts are in it.
$(B)/cli/completion.o: completion/hybridge.bash completion/_hybridge

$(B)/pic/%.o: %.c Makefile
	$(call say,CC    $@)
	$(Q)mkdir -p $(@D) && $(CC) $(SHIM_CFLAGS) -c -o $@ $<

$(SHIM): $(patsubst %.c,$(B)/pic/%.o,$(wildcard shim/*.c)) $(SHIM_COMMON:%=$(B)/pic/common/%.o) shim/shim.map
	$(call say,LD    $@)
	$(Q)$(CC) -shared -nostdlib -Wl,-soname,libhybridge.so,--version-script=shim/shim.map \
		-Wl,-z,relro,-z,now,-z,noexecstack -o $@ $(filter %.o,$^)

$(B)/libcommon.a: $(COMMON)
	$(call say,AR    $@)
	$(Q)rm -f $@ && ar rcs $@ $^

define program
$(B)/$(1): $(call objects,$(2)) $(B)/libcommon.a
	$$(call say,LD    $$@)
	$$(Q)$$(CC) $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS) -o $$@ $$^ $(LIBS)
endef
$(eval $(call program,hybridge,cli))
$(eval $(call program,hybridge-sender,sender))
$(eval $(call program,hybridge-agent,agent))
$(eval $(call program,hybridge-relay,relay))

# A unit test may also need the parts of one program: tests/unit/test_relay_x.c links relay/ without its main.
parts_of = $(filter-out %/main.o,$(foreach p,sender agent relay cli,$(if $(findstring $(1)$(p)_,$(2)),$(call objects,$(p)))))
unit_extra = $(call parts_of,/test_,$(1))
.SECONDEXPANSION:
$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $$(call unit_extra,/test_%) $(B)/libcommon.a
	$(call say,LD    $@)
	$(Q)$(CC) $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(B)/tests/shim/%: tests/shim/%.c Makefile
	$(call say,CC    $@)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) $(WARN) -O2 -g $(CFLAGS) -o $@ $< -lpthread

$(B)/tests/e2e/%: tests/e2e/%.c Makefile
	$(call say,CC    $@)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) $(WARN) -O2 -g $(CFLAGS) -o $@ $< -lpthread

$(B)/tests/preload/%.so: tests/preload/%.c Makefile
	$(call say,CC    $@)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) $(WARN) -O2 -g -fPIC -shared $(CFLAGS) -o $@ $<

$(B)/bench/load: $(patsubst %.c,$(B)/%.o,$(wildcard bench/load*.c)) $(B)/bench/sockets.o
	$(call say,LD    $@)
	$(Q)$(CC) $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^

$(B)/bench/service: $(B)/bench/service.o $(B)/bench/sockets.o
	$(call say,LD    $@)
	$(Q)$(CC) $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^

$(B)/bench/floor: $(B)/bench/floor.o $(B)/bench/records.o $(B)/bench/records_tls.o $(B)/bench/sockets.o $(B)/libcommon.a
	$(call say,LD    $@)
	$(Q)$(CC) $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/bench/guard: $(B)/bench/guard.o $(B)/bench/sockets.o $(filter-out %/main.o,$(call objects,relay)) $(B)/libcommon.a
	$(call say,LD    $@)
	$(Q)$(CC) $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/bench/%: $(B)/bench/%.o $(B)/libcommon.a
	$(call say,LD    $@)
	$(Q)$(CC) $(HARDEN_LD) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

FUZZ_CC     := clang-14
FUZZ_CFLAGS := $(BASE_CFLAGS) -g -O1 -fno-sanitize-recover=undefined
$(B)/fuzzed/%.o: %.c Makefile
	$(call say,CC    $@)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

# As with the unit tests: tests/fuzz/fuzz_agent_x.c links agent/ without its main.
fuzz_extra = $(patsubst $(B)/%,$(B)/fuzzed/%,$(call parts_of,/fuzz_,$(1)))
$(B)/tests/fuzz/fuzz_%: $(B)/fuzzed/tests/fuzz/fuzz_%.o $$(call fuzz_extra,/fuzz_%) $(COMMON:$(B)/%=$(B)/fuzzed/%)
	$(call say,LD    $@)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

test-tools: programs $(UNIT_TESTS) $(SHIM_TESTS) $(E2E_TOOLS) $(PRELOADS)

test: deps ## install packages, build, run every test
	$(Q)$(MAKE) --no-print-directory test-tools
	$(Q)B=$(B) SAN=$(SAN) ./tests/run

demo: deps ## install packages, build, show a program reaching a private database
	$(Q)$(MAKE) --no-print-directory programs
	$(Q)B=$(B) ./examples/demo/run

bench: ## measure, beside raw loopback and other tunnels in the same run
	$(Q)./tests/deps bench
	$(Q)$(MAKE) --no-print-directory programs $(BENCHES)
	$(Q)B=$(B) ./bench/run

bench-guard: deps ## count the engine's instructions, and hold them against the baseline
	$(Q)$(MAKE) --no-print-directory programs $(B)/bench/guard $(B)/bench/load $(B)/bench/service
	$(Q)B=$(B) ./bench/guard

lint: deps ## clang-format, clang-tidy, cppcheck, shellcheck, mandoc, headers alone: silent when good
	$(Q)B=$(B) ./tests/lint

format: ## clang-format the sources in place
	$(Q)clang-format -i $(SOURCES) $(HEADERS)

fuzz: deps ## run each fuzzer for SECONDS_EACH (20) seconds
	$(Q)$(MAKE) --no-print-directory $(FUZZERS)
	$(Q)B=$(B) ./tests/fuzz/run

# From a copy: the tree stays as it is, and nothing that was built before gets in.
DEB      := $(B)/deb
DEB_COPY := $(DEB)/hybridge-$(VERSION)
deb: ## build the Debian packages into build/deb; `apt-get build-dep .` installs what that needs
	$(Q)rm -rf $(DEB) && mkdir -p $(DEB_COPY)
	$(Q)tar -c --exclude=./.git --exclude=./build --exclude='./build-*' --exclude=./$(B) \
		--exclude=__pycache__ . | tar -x -C $(DEB_COPY)
	$(Q)trap 'rm -rf $(DEB_COPY)' EXIT; trap 'exit 1' HUP INT TERM; (cd $(DEB_COPY) && \
		env -u MAKEFLAGS -u MAKEOVERRIDES -u MFLAGS -u SAN -u CI -u B dpkg-buildpackage -b -us -uc)
	$(Q)ls $(DEB)/*.deb

install: programs ## install below $(DESTDIR)$(PREFIX)
	$(Q)install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBDIR)/hybridge \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR)
	$(Q)install -m 0755 $(B)/hybridge $(DESTDIR)$(BINDIR)/
	$(Q)install -m 0755 $(B)/hybridge-sender $(B)/hybridge-agent $(B)/hybridge-relay $(DESTDIR)$(SBINDIR)/
	$(Q)install -m 0644 $(SHIM) $(DESTDIR)$(LIBDIR)/hybridge/
	$(Q)for file in $(EXAMPLES); do \
		mode=0644; [ ! -x $$file ] || mode=0755; \
		install -D -m $$mode $$file $(DESTDIR)$(EXAMPLEDIR)/$${file#examples/} || exit 1; \
	done
	$(Q)sed -i 's|/usr/local/lib|$(LIBDIR)|' $(DESTDIR)$(EXAMPLEDIR)/apps/README.md
	$(Q)install -m 0644 $(addprefix examples/systemd/,$(UNITS)) $(DESTDIR)$(UNITDIR)/
	$(Q)install -m 0644 examples/systemd/hybridge.conf $(DESTDIR)$(SYSUSERSDIR)/
	$(Q)sed -i 's|/usr/local/sbin|$(SBINDIR)|; s|/usr/local/lib|$(LIBDIR)|' \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS))
	$(Q)install -d $(addprefix $(DESTDIR)$(MANDIR)/man,$(MAN_SECTIONS)) $(DESTDIR)$(COMPLETIONDIR) \
		$(DESTDIR)$(ZSHDIR)
	$(Q)for page in $(MAN_PAGES); do \
		install -m 0644 man/$${page#*/} $(DESTDIR)$(MANDIR)/$$page || exit 1; \
	done
	$(Q)sed -i 's|/usr/local/lib|$(LIBDIR)|' $(addprefix $(DESTDIR)$(MANDIR)/,$(MAN_PAGES))
	$(Q)install -m 0644 completion/hybridge.bash $(DESTDIR)$(COMPLETIONDIR)/hybridge
	$(Q)install -m 0644 completion/_hybridge $(DESTDIR)$(ZSHDIR)/

uninstall: ## remove what install put there
	$(Q)rm -f $(DESTDIR)$(BINDIR)/hybridge $(DESTDIR)$(LIBDIR)/hybridge/libhybridge.so
	$(Q)rm -f $(addprefix $(DESTDIR)$(SBINDIR)/,hybridge-sender hybridge-agent hybridge-relay)
	$(Q)rm -f $(EXAMPLES:examples/%=$(DESTDIR)$(EXAMPLEDIR)/%)
	$(Q)rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) $(DESTDIR)$(SYSUSERSDIR)/hybridge.conf
	-$(Q)rmdir $(addprefix $(DESTDIR)$(EXAMPLEDIR)/,$(filter-out .,$(EXAMPLE_DIRS))) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR) 2>/dev/null || true
	-$(Q)rmdir -p $(DESTDIR)$(LIBDIR)/hybridge $(DESTDIR)$(EXAMPLEDIR) 2>/dev/null || true
	$(Q)rm -f $(addprefix $(DESTDIR)$(MANDIR)/,$(MAN_PAGES)) $(DESTDIR)$(COMPLETIONDIR)/hybridge $(DESTDIR)$(ZSHDIR)/_hybridge
	-$(Q)rmdir -p $(addprefix $(DESTDIR)$(MANDIR)/man,$(MAN_SECTIONS)) $(DESTDIR)$(COMPLETIONDIR) $(DESTDIR)$(ZSHDIR) 2>/dev/null || true

clean: ## remove everything that was built
	$(Q)rm -rf build build-*

-include $(shell find $(B) -name '*.d' 2>/dev/null)
