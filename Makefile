# noahv: build, test, install. Output goes to build/$(MODE) only, but for ./noahv.
MODE   ?= release
B      := build/$(MODE)
CC     ?= gcc
RVCC   := riscv64-linux-gnu-gcc

WARN   := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Werror
CFLAGS_release := -O2 -g
CFLAGS_debug   := -O0 -g3
CFLAGS_asan    := -O1 -g -fsanitize=address -fno-omit-frame-pointer
CFLAGS_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined
CFLAGS_tsan    := -O1 -g -fsanitize=thread
CFLAGS ?= $(CFLAGS_$(MODE))
CPPFLAGS := -Iinclude -Isrc -I. -I$(B) -D_GNU_SOURCE -MMD -MP
ALL_CFLAGS = -std=gnu11 $(WARN) -fPIC -fvisibility=hidden $(CFLAGS)

SRC   := $(wildcard src/*/*.c syscalls/*.c loader/*.c)
ASM   := $(wildcard src/*/*.S syscalls/*.S loader/*.S)
OBJ   := $(SRC:%.c=$(B)/%.o) $(ASM:%.S=$(B)/%.o)
CHECK := $(wildcard tests/check_*.c)

all: noahv

noahv: $(B)/noahv
	cp -f $< $@

$(B)/noahv: $(B)/src/main.o $(B)/libnoahv.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -pie -o $@ $^ -lelf -pthread

$(B)/libnoahv.a: $(OBJ)
	rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(B)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(B)/tests/check_%: tests/check_%.c $(B)/libnoahv.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -o $@ $< $(B)/libnoahv.a -lcheck -lsubunit -lrt -lm -lelf -pthread

$(B)/tests/check_%.ok: $(B)/tests/check_%
	$<
	@touch $@

check: $(CHECK:%.c=$(B)/%.ok)

clean:
	rm -rf build noahv

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all check clean
