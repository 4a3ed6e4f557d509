/*
 * What a box may reach: limits, files, network. Filled by name from a command line or a file, then only read.
 * Pure decisions: nothing here makes a system call for the guest or knows one by number.
 */
#ifndef NOAHV_POLICY_POLICY_H
#define NOAHV_POLICY_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "noahv.h"
#include "policy/net.h"

enum policy_limit {
    LIMIT_MEMORY,  /* bytes */
    LIMIT_TIMEOUT, /* milliseconds */
    LIMIT_CPU_TIME,
    LIMIT_PIDS,
    LIMIT_FDS,
    LIMIT_FSIZE,
    LIMIT_OUTPUT,
    NR_LIMITS
};

enum on_deny { DENY_ERRNO, DENY_KILL, DENY_LOG };
enum policy_report { REPORT_TEXT, REPORT_JSON, REPORT_NONE };

/* What is at a place in the box. The last four are in every box, unasked (places.h). */
enum place_kind {
    PLACE_BIND,   /* something of the host's */
    PLACE_TMPFS,  /* a new, empty folder */
    PLACE_DIR,    /* the same, read-only: there to be stood in */
    PLACE_LINK,   /* a symbolic link */
    PLACE_ABSENT, /* nothing, and no refusal is told of it */
    PLACE_EMPTY,  /* the root, with nothing but the other places */
    PLACE_PROC,
    PLACE_DEVICE,
    PLACE_PROGRAM /* the program's own file */
};

struct policy_place {
    enum place_kind kind;
    bool ro;
    unsigned line; /* of the policy file; 0: of none */
    char *src;     /* BIND, DEVICE, PROGRAM: host path; LINK: what it says; else NULL */
    char *dst;     /* absolute, no "//", "." or "..", no slash at the end; "" is the root */
};

#define POLICY_PLACES_MAX 256
#define POLICY_BINDS_MAX 64 /* of these, BIND and TMPFS, which take descriptors */
#define POLICY_RULES_MAX 64
#define POLICY_HOSTS_MAX 16
#define POLICY_MEMBERS_MAX 1024
#define POLICY_TOLD_MAX 32
#define POLICY_LEARNED_MAX 4096

/* A host that may be connected to, whose addresses are not known yet. */
struct policy_host {
    uint16_t port;
    unsigned line; /* of the policy file; 0: of none */
    char *name;
};

/* A process of the box. The slot belongs to whoever changes pid from 0. */
struct policy_member {
    atomic_int pid;        /* 0: free; -1: being filled */
    atomic_uint tasks;     /* its threads */
    atomic_ullong started; /* as in /proc/PID/stat, for a number may be used again; 0: not known yet */
    atomic_ullong bytes;   /* its memory as LIMIT_MEMORY counts it */
    atomic_ullong code;    /* noahv's own, for translations */
};

/* What the processes of a box, and the one that started it, have in common. */
struct policy_shared {
    atomic_int ended; /* enum noahv_end: why the box had to end, or may have; the first one counts */
    char line[1024];  /* then: the text for people */
    char temp[256];   /* folder on the host that goes away with the box; "" */
    struct policy_member member[POLICY_MEMBERS_MAX];
    atomic_uint told[POLICY_TOLD_MAX]; /* hashes of the refusals that were printed */
    atomic_uint nr_told;
    atomic_ullong most_bytes; /* of memory at a time, as LIMIT_MEMORY counts it */
    atomic_uint most_tasks;   /* processes and threads at a time */
    atomic_uint names;        /* how often a name was made, moved or removed */
    atomic_int listener;      /* an audited box's descriptor of its calls; -1: not known yet */
    atomic_ullong learned[POLICY_LEARNED_MAX]; /* hashes of the accesses that were written down last */
};

struct noahv_policy {
    uint64_t limit[NR_LIMITS]; /* 0: none */
    struct policy_place place[POLICY_PLACES_MAX];
    size_t nr_places;
    char *workdir; /* where the program starts; NULL: in the root */
    enum net_mode net;
    struct net_rule rule[POLICY_RULES_MAX];
    size_t nr_rules;
    struct policy_host host[POLICY_HOSTS_MAX];
    size_t nr_hosts;
    enum on_deny on_deny;
    enum policy_report report;
    unsigned require; /* bits of enum policy_layer */
    char *overlay;    /* folder of the host that keeps what the box writes; NULL: the host's files change */
    int leash;        /* the pipe that the box dies with; -1: none */
    bool audit;       /* what the filter lets through waits for whoever started the box */
    int record;       /* where what the box uses is written down; -1: nowhere */
    unsigned line;    /* of the file that is being read; 0: none is */
    struct policy_shared *shared;
    char error[512];
};

/* Protections that a host may lack (noahv doctor, --require). */
enum policy_layer {
#define LAYER(id, name, what) LAYER_##id,
#include "policy/layers.def"
#undef LAYER
    NR_LAYERS
};

const char *policy_layer_name(enum policy_layer l);
const char *policy_layer_what(enum policy_layer l);

/* Remembers a failure's text and returns err. */
int policy_fail(struct noahv_policy *p, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Records why the box ends, once: false when a cause is there already. */
bool policy_end(const struct noahv_policy *p, enum noahv_end end, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* hosts.c: "NAME:PORT", for noahv_policy_resolve(). -EINVAL: it is none; others have told. */
int policy_add_host(struct noahv_policy *p, const char *value);

/* "--memory 512M", or what it says in a file: how to have more of a limit. */
const char *policy_limit_name(enum policy_limit l);

/* Removes a folder with all that is in it: 0 or -errno. Works from the folder itself: the process's own changes meanwhile. */
int policy_remove(int dir, const char *name);

/* The word of a list that `name` was probably meant to be, or NULL. */
const char *policy_nearest(const char *name, const char *const *words, size_t n);

#endif
