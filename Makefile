# noahv: build, test, install. Output goes to build/ only (build/$(MODE) for what we compile), but for ./noahv.
# Adding a source file, a test, a guest or a benchmark needs no edit here. `make help` lists the targets.
VERSION := $(shell sed -n 's/^    return "\([0-9.]*\)";$$/\1/p' src/core/api.c)
MODE    ?= release
B       := build/$(MODE)
G       := build/guest
# Every guest test runs once under each.
ENGINES ?= $(if $(findstring qemu,$(NOAHV)),,--engine=jit --engine=interp --engine=lockstep --harden=spectre --eager)
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
CXX     := g++
RVCC    := riscv64-linux-gnu-gcc
RVCXX   := riscv64-linux-gnu-g++
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

WARN   := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Werror
CFLAGS_release := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS_debug   := -O0 -g3
CFLAGS_asan    := -O1 -g -fsanitize=address -fno-omit-frame-pointer
CFLAGS_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined
CFLAGS_tsan    := -O1 -g -fsanitize=thread
CFLAGS_fuzz    := -O1 -g -w -fsanitize=fuzzer-no-link,address -fno-omit-frame-pointer
DEFS_release := -Wl,-z,defs
# Without a dynamic linker a run starts a third of a millisecond sooner. Sanitizers need one.
LINK_release := -static-pie
$(if $(CFLAGS_$(MODE)),,$(error MODE is one of release debug asan ubsan tsan, not $(MODE)))
CC         := $(if $(filter fuzz,$(MODE)),clang,$(if $(filter default,$(origin CC)),gcc,$(CC)))
CFLAGS     ?= $(CFLAGS_$(MODE))
CPPFLAGS   := -Iinclude -Isrc -I. -I$(B) -D_GNU_SOURCE
ALL_CFLAGS  = -std=gnu11 $(WARN) -fPIC -fvisibility=hidden -pthread $(CFLAGS)
ALL_LDFLAGS = $(CFLAGS) -Wl,-z,relro,-z,now -pthread $(LDFLAGS)
DEPFLAGS    = -MMD -MP -MF $@.d -MT $@
COMPILE     = $(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(DEPFLAGS)

MAIN   := $(wildcard src/*.c src/cli/*.c)
SRC    := $(filter-out $(MAIN),$(wildcard src/*/*.c syscalls/*.c loader/*.c policy/*.c))
ASM    := $(wildcard src/*/*.S syscalls/*.S loader/*.S)
OBJ    := $(SRC:%.c=$(B)/%.o) $(ASM:%.S=$(B)/%.o)
UNITS  := $(patsubst %.c,$(B)/%,$(wildcard tests/check_*.c))
FUZZ   := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
GUEST  := $(patsubst tests/guest/%,%,$(basename $(wildcard tests/guest/*.[cS] tests/guest/*.cc)))
ORACLE := $(shell grep -Ls 'skip-native' tests/guest/*.c tests/guest/*.cc)
NATIVE := $(patsubst tests/guest/%,$(G)/native/%,$(basename $(ORACLE)))
HOSTILE := $(patsubst tests/hostile/%.c,$(G)/hostile/%,$(wildcard tests/hostile/*.c))
RISCV  := $(GUEST:%=$(G)/riscv64/%)
LOADS  := $(patsubst bench/guest/%.c,%,$(wildcard bench/guest/*.c))

# For --log=jit. Of the machines that capstone knows only ours is wanted: with the tables of all, which hold pointers, a
# static-pie starts a millisecond later. So the others' entry points are given here (null) and not looked for.
CAPSTONE_NOT := ARM AArch64 BPF EVM M680X M68K MOS65XX Mips PPC RISCV SH Sparc SystemZ TMS320C64x TRICORE WASM XCore
CAPSTONE     := $(foreach arch,$(CAPSTONE_NOT),-Wl,--defsym=$(arch)_global_init=0,--defsym=$(arch)_option=0) -l:libcapstone.a
LIBS         := -lelf -lseccomp -linih -ljansson $(CAPSTONE)

# Goals that may install what they miss; a plain `make` only compiles.
NEED := $(if $(filter run,$(MAKECMDGOALS)),build/deps.run) \
        $(if $(filter check% soak lint bench fuzz deps,$(MAKECMDGOALS)),build/deps.all)

ifeq ($(MAKELEVEL)$(findstring -j,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
.DELETE_ON_ERROR:
.PHONY: all run check check-unit check-unchecked check-guest check-cli check-hostile check-malformed check-real check-install soak lint bench fuzz docs install clean help deps noahv

all: noahv $(B)/libnoahv.so

noahv: $(B)/noahv
	@cmp -s $< $@ || cp -f $< $@

$(B)/noahv: $(MAIN:%.c=$(B)/%.o) $(B)/libnoahv.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(or $(LINK_$(MODE)),-pie) -o $@ $^ $(LIBS) -lz

$(B)/libnoahv.a: $(OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/libnoahv.so: $(OBJ) src/noahv.map
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared $(DEFS_$(MODE)) -Wl,--version-script=src/noahv.map,-soname,libnoahv.so.0 -o $@ $(filter-out %.map,$^) $(LIBS)

$(B)/%.o: %.c Makefile | $(NEED)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(COMPILE) -c -o $@ $<

$(B)/%.o: %.S Makefile | $(NEED)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(COMPILE) -c -o $@ $<

# The vDSO is guest code; loader/vdso_image.S carries it.
$(B)/loader/vdso_image.o: $(B)/loader/vdso.so

VDSO_LDFLAGS := -Wl,-T,loader/vdso/vdso.lds,-soname,linux-vdso.so.1,--hash-style=both,--eh-frame-hdr,--build-id=none \
                -Wl,-z,max-page-size=4096,-s,--fatal-warnings
$(B)/loader/vdso.so: loader/vdso/vdso.S loader/vdso/vdso.lds Makefile | $(NEED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D) && $(RVCC) -march=rv64g -mabi=lp64d -nostdlib -shared $(VDSO_LDFLAGS) -o $@ $<

# The filters of a box, made by all of noahv but themselves; syscalls/filter_image.S carries them.
$(B)/syscalls/filter_image.o: $(B)/syscalls/filter_none.bpf $(B)/syscalls/filter_net.bpf

$(B)/syscalls/filter/make: $(B)/syscalls/filter/make.o $(filter-out %/filter_image.o,$(OBJ))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/syscalls/filter_%.bpf: $(B)/syscalls/filter/make
	$(call say,MAKE,$@)
	$(Q)$< $* > $@

# --- Running ------------------------------------------------------------------------------------------

# make run: Debian's riscv64 busybox, a tour of it; make run PROG=./prog ARGS='a b': that program.
run: noahv $(G)/riscv64/hello $(NEED)
	@NOAHV=./noahv scripts/run.sh $(PROG) $(ARGS)

deps: $(NEED)

build/deps.%: scripts/deps.sh
	@mkdir -p build && scripts/deps.sh $* && touch $@

# --- Tests --------------------------------------------------------------------------------------------

# The last line printed is "N passed, N failed" over all of them; a stage that breaks counts as failed.
check: $(NEED)
	@scripts/total.sh "$(MAKE) -k --no-print-directory check-unit check-unchecked check-guest check-cli check-hostile check-malformed check-install lint"

check-unit: $(UNITS)
	@tests/run-units.sh $^

$(B)/tests/check_%: tests/check_%.c $(B)/libnoahv.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(COMPILE) -o $@ $< $(B)/libnoahv.a $(LDFLAGS) -lcheck -lsubunit -lrt -lm $(LIBS)

# The proof that check_confined tests what it says: linked with an unchecked JIT, it fails.
check-unchecked: $(B)/unchecked/check_confined
	@tests/run-unchecked.sh $<

$(B)/unchecked/check_confined: tests/check_confined.c $(B)/unchecked/gen.o $(B)/libnoahv.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(COMPILE) -o $@ $< $(B)/unchecked/gen.o $(B)/libnoahv.a $(LDFLAGS) -lcheck -lsubunit -lrt -lm $(LIBS)

$(B)/unchecked/gen.o: src/jit/gen.c Makefile | $(NEED)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(COMPILE) -DUNCHECKED=true -c -o $@ $<

# NOAHV=qemu-riscv64 tests the tests.
check-guest: $(NATIVE) $(RISCV) $(if $(NOAHV),,$(B)/noahv)
	@ENGINES="$(ENGINES)" tests/run-guests.sh $(or $(NOAHV),$(B)/noahv) $(GUEST)

# Programs that try to get out of a box; as an unprivileged user.
check-hostile: $(B)/noahv $(HOSTILE)
	@tests/run-hostile.sh $<

# Damaged programs, dynamic loaders, policies and records, from outside.
check-malformed: $(B)/noahv
	@tests/run-malformed.py $<

check-install: all $(G)/riscv64/hello
	@CC=$(CC) tests/run-install.sh "$(MAKE)" $(G)/riscv64/hello

check-cli: $(B)/noahv $(G)/cli/ends $(G)/cli/pie $(G)/cli/layers $(G)/cli/looks $(G)/cli/names
	@ENGINES="$(filter --engine=jit --engine=interp,$(ENGINES))" tests/run-cli.sh $<

# Debian's programs; REAL=all: the large ones too. Downloads them once.
check-real: $(B)/noahv $(NEED)
	@tests/run-real.sh $<

# Mixed programs side by side for a while; nothing may be left over, nor grow.
soak: $(B)/noahv $(RISCV) $(NATIVE) $(G)/soak/worker
	@tests/soak.sh $< $(G)/soak/worker $(or $(SECONDS),60) $(GUEST)

# Guests are compiled twice from one source, here and for riscv64. $(call guest,output,source,compiler,flags)
# They pass bad pointers on purpose.
GUEST_FLAGS = -g -Wall -Wextra -Werror -Wno-stringop-overflow -Wno-stringop-overread -pthread -D_GNU_SOURCE $(DEPFLAGS)
# Guests say if they are to be linked dynamically; then tests/run-guests.sh gives them a root.
DYNAMIC := $(shell grep -ls '^/\* dynamic \*/$$' tests/guest/*.[cS] tests/guest/*.cc)
LINKED   = $(if $(filter $<,$(DYNAMIC)),,-static)
comma := ,
define guest
$(1)/%: $(2) | $$(NEED)
	$$(call say,GUEST,$$@)
	$$(Q)mkdir -p $$(@D) && $(3) $$(GUEST_FLAGS) $(4) -o $$@ $$< -lm

endef
$(eval $(call guest,$(G)/native,tests/guest/%.c,gcc,-O1 -std=gnu11))
$(eval $(call guest,$(G)/riscv64,tests/guest/%.c,$(RVCC),-O1 -std=gnu11 $$(LINKED)))
$(eval $(call guest,$(G)/native,tests/guest/%.cc,$(CXX),-O1 -std=gnu++17 -fnon-call-exceptions))
$(eval $(call guest,$(G)/riscv64,tests/guest/%.cc,$(RVCXX),-O1 -std=gnu++17 -fnon-call-exceptions $$(LINKED)))
$(eval $(call guest,$(G)/hostile,tests/hostile/%.c,$(RVCC),-O1 -std=gnu11 -static))
$(eval $(call guest,$(G)/soak,tests/soak/%.c,$(RVCC),-O1 -std=gnu11 -static))
$(eval $(call guest,$(G)/cli,tests/cli/%.c,$(RVCC),-O1 -std=gnu11 -static))
$(eval $(call guest,$(G)/cli,tests/cli/%.S,$(RVCC),-nostdlib -static-pie -Wl$(comma)--no-dynamic-linker))
$(eval $(call guest,$(G)/riscv64,tests/guest/%.S,$(RVCC),-nostdlib -static))
$(eval $(call guest,build/bench/native,bench/guest/%.c,gcc,-O2 -ffp-contract=off -std=gnu11 -static))
$(eval $(call guest,build/bench/riscv64,bench/guest/%.c,$(RVCC),-O2 -ffp-contract=off -std=gnu11 -static))

lint: $(NEED)
	@CC=$(CC) CPPFLAGS="$(CPPFLAGS)" scripts/lint.sh

fuzz: $(if $(filter fuzz,$(MODE)),$(FUZZ),$(NEED))
ifeq ($(MODE),fuzz)
	@tests/run-fuzz.sh $(or $(FUZZ_SECONDS),30) $^
else
	@$(MAKE) --no-print-directory MODE=fuzz fuzz
endif

$(B)/tests/fuzz/%: tests/fuzz/%.c $(B)/libnoahv.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(COMPILE) -Wno-missing-prototypes -fsanitize=fuzzer -o $@ $< $(B)/libnoahv.a $(LIBS)

# --- Measuring, documents, installing -----------------------------------------------------------------

# Writes build/bench.csv, build/bench.svg, the table in README.md and, of boxes, build/bench-box.md. SCALE=1: the kernels take a tenth of the time. TREE=DIR: a box of the files of that git repository.
bench: $(B)/bench/bench $(LOADS:%=build/bench/native/%) $(LOADS:%=build/bench/riscv64/%) $(if $(NOAHV),,noahv)
	@scripts/bench-programs.sh || echo "noahv: bench: programs could not be fetched or built, their rows are left out;" \
	    "see build/bench/apt/log, build/bench/*/*.log"
	@$< $(or $(ROUNDS),5) $(or $(NOAHV),./noahv) $(SCALE)
	@scripts/bench-box.py $(or $(ROUNDS),5) $(or $(NOAHV),./noahv) $(or $(SCALE),10) $(TREE)

$(B)/bench/%: bench/%.c | $(NEED)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(COMPILE) -o $@ $< -lm

# The support table comes from the rows of syscalls/table.def, by way of the binary.
docs: noahv
	@printf '# System calls\n\nGenerated from `syscalls/table.def` by `make docs`. "full": but for the limits below the table;' > docs/syscalls.md
	@printf ' "none": ENOSYS, and a note under `--verbose`.\n\n' >> docs/syscalls.md
	./noahv compat >> docs/syscalls.md

install: $(B)/noahv $(B)/libnoahv.a $(B)/libnoahv.so
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m755 $(B)/noahv $(DESTDIR)$(PREFIX)/bin/noahv
	install -m644 include/noahv.h $(DESTDIR)$(PREFIX)/include/noahv.h
	install -m644 $(B)/libnoahv.a $(DESTDIR)$(LIBDIR)/libnoahv.a
	install -m755 $(B)/libnoahv.so $(DESTDIR)$(LIBDIR)/libnoahv.so.$(VERSION)
	ln -sf libnoahv.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libnoahv.so.0
	ln -sf libnoahv.so.0 $(DESTDIR)$(LIBDIR)/libnoahv.so
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$${prefix}/include' '' 'Name: noahv' \
	    'Description: run RISC-V 64-bit Linux programs inside a process' 'Version: $(VERSION)' \
	    'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lnoahv' 'Libs.private: -lelf -lseccomp -linih -ljansson -lcapstone -pthread' \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/noahv.pc

clean:
	rm -rf build noahv

help:
	@printf '%s\n' \
	    'make                build ./noahv and libnoahv (MODE=release|debug|asan|ubsan|tsan, V=1: show commands)' \
	    'make run            install what is missing, build, fetch Debian riscv64 busybox, run it' \
	    "make run PROG=./p ARGS='a b'   the same with a program of yours" \
	    'make check          unit tests, guest programs, lint; also check-unit, check-guest, check-cli, check-hostile, ... alone' \
	    'make check-real     Debian riscv64 programs in a root of their own (REAL=all: compilers, servers, VMs too)' \
    'make soak           mixed programs side by side, then a look for leaks (SECONDS=60)' \
    'make fuzz           libFuzzer on the parsers (FUZZ_SECONDS=30 each)' \
	    'make bench          native, qemu-riscv64 and noahv side by side (ROUNDS=5 SCALE=10)' \
	    'make docs           regenerate docs/syscalls.md' \
	    'make install        PREFIX=/usr/local DESTDIR=' \
	    'make deps clean help'

-include $(shell find $(B) build/guest build/bench -type f -name '*.d' 2>/dev/null)
