/*
 * noahv diff, apply and discard. Paths are a hostile program's: what is no plain character of theirs is printed as an
 * escape, so that no terminal and no reader of lines takes it for something else.
 */
#include "cli/overlay.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "noahv.h"

#define say(...) log_line(LOG_ERROR, __VA_ARGS__)

enum { EXIT_NOAHV = 125 };

static const char *const words[] = { "diff", "apply", "discard" };

bool overlay_command(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool plain(char c)
{
    return c >= ' ' && c <= '~' && c != '\\' && c != '"';
}

static void print_text(void *opaque, char change, const char *path, const char *refused)
{
    (void)opaque;
    if (refused) {
        say("%s: %s", path, refused);
        return;
    }
    printf("%c ", change);
    for (; *path; path++)
        if (plain(*path) || *path == '"')
            putchar(*path);
        else
            printf("\\%03o", (unsigned char)*path);
    putchar('\n');
}

static void print_json(void *opaque, char change, const char *path, const char *refused)
{
    (void)opaque;
    if (refused) {
        say("%s: %s", path, refused);
        return;
    }
    printf("{\"change\":\"%s\",\"path\":\"", change == 'A'   ? "added"
                                             : change == 'M' ? "modified"
                                                             : "deleted");
    for (; *path; path++)
        if (plain(*path))
            putchar(*path);
        else
            printf("\\u%04x", (unsigned char)*path);
    puts("\"}");
}

int overlay_main(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "to", required_argument, NULL, 't' },
        { NULL, 0, NULL, 0 },
    };
    const char *word = argv[0], *to = NULL, *dir;
    noahv_change_visit_fn visit = print_text;
    char why[NOAHV_WHY_MAX] = "";
    bool usage = false;
    int c, r;

    argv[0] = (char *)"noahv"; /* getopt's messages begin with it */
    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
        if (c == 'j' && *word != 'd')
            usage = true;
        else if (c == 't' && *word != 'a')
            usage = true;
        else if (c == 'j')
            visit = print_json;
        else if (c == 't')
            to = optarg;
        else
            usage = true;
    if (usage || argc != optind + 1) {
        say("usage: noahv diff [--json] DIR, noahv apply [--to ROOT] DIR, noahv discard DIR");
        return EXIT_NOAHV;
    }
    dir = argv[optind];
    if (*word == 'a')
        r = noahv_overlay_apply(dir, to, visit, NULL, why);
    else if (strcmp(word, "diff") == 0)
        r = noahv_overlay_diff(dir, visit, NULL, why);
    else
        r = noahv_overlay_discard(dir, why);
    if (r < 0)
        say("%s", why);
    return r < 0 ? EXIT_NOAHV : 0;
}
