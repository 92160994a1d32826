#include "workload/documents.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Beyond every byte. */
#define END (-1)
#define BROKEN (-2) /* the source failed, and the error says why */

struct input {
    const struct rsw_document_source *source;
    struct rsw_walk *walk;
    struct rsw_page *page;
    struct rsw_error *err;
    bool broken;
    size_t left;     /* bytes of a value that jansson may still have */
    bool ended;      /* it wanted more than there was */
    uint64_t offset; /* of bytes[0] */
    size_t at, len;
    char bytes[65536];
};

static int refuse(struct input *in, const char *why) {
    return rsw_error_set(in->err, RSW_EREFUSED, 0, "%s, near byte %" PRIu64, why, in->offset + in->at);
}

/* ---- bytes ---- */

/* The next byte, left where it is. */
static int peek(struct input *in) {
    if (in->at == in->len && !in->broken) {
        ssize_t got = in->source->read(in->source->arg, in->bytes, sizeof in->bytes, in->err);
        in->broken = got < 0;
        in->offset += in->len;
        in->at = 0;
        in->len = got > 0 ? (size_t)got : 0;
    }
    return in->broken ? BROKEN : in->at < in->len ? (unsigned char)in->bytes[in->at] : END;
}

static int peek_past_blanks(struct input *in) {
    int c = peek(in);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        in->at++;
        c = peek(in);
    }
    return c;
}

/* 0, or -1: something else stands there. */
static int expect(struct input *in, char wanted) {
    int c = peek_past_blanks(in);
    if (c != wanted) {
        return c == END ? refuse(in, "it ends too early") : refuse(in, "it is not JSON");
    }
    in->at++;
    return 0;
}

/* jansson asks for more than it needs, so it gets one byte at a time: what is behind a value stays ours. */
static size_t give_byte(void *buffer, size_t size, void *arg) {
    struct input *in = arg;
    (void)size;
    in->ended = in->left == 0 || peek(in) < 0;
    if (in->ended) {
        return 0;
    }
    in->left--;
    *(char *)buffer = in->bytes[in->at++];
    return 1;
}

/* One value, the caller's; NULL: there is none that can be read. */
static json_t *read_value(struct input *in) {
    int first = peek_past_blanks(in);
    bool takes_next = first != '{' && first != '[' && first != '"'; /* what ends a number or word */
    json_error_t why;
    in->left = RSW_OBJECT_BYTES_MAX;
    json_t *value = json_load_callback(give_byte, in,
                                       JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY |
                                           JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
                                       &why);
    if (value != NULL) {
        in->at -= takes_next && !in->ended ? 1 : 0;
        return value;
    }
    if (in->left == 0) {
        refuse(in, "one object is longer than any that a cluster has");
    } else if (peek(in) == END) {
        refuse(in, "it ends too early");
    } else {
        char text[RSW_MESSAGE_MAX];
        snprintf(text, sizeof text, "it is not JSON: %s", why.text);
        refuse(in, text);
    }
    return NULL;
}

/* ---- lists ---- */

static void cleanup_json(json_t **json) {
    json_decref(*json);
}
#define AUTO_JSON __attribute__((cleanup(cleanup_json))) json_t

/* From behind '[' or '{' on: true if another element follows, which is then next; *failed if nobody knows. */
static bool goes_on(struct input *in, bool *first, char close, bool *failed) {
    int c = peek_past_blanks(in);
    if (c == close) {
        in->at++;
        return false;
    }
    *failed = !*first && expect(in, ',') != 0;
    *first = false;
    return !*failed;
}

/* `root` is what was read of the list before. */
static int walk_items(struct input *in, const json_t *root) {
    bool first = true;
    bool failed = false;
    in->at++;
    while (goes_on(in, &first, ']', &failed)) {
        AUTO_JSON *object = read_value(in);
        if (object == NULL || rsw_walk_object(in->walk, object, rsw_walk_text(root, "kind"),
                                              rsw_walk_text(root, "apiVersion"), in->err) != 0) {
            return -1;
        }
    }
    return failed ? -1 : 0;
}

static int add_member(struct input *in, json_t *root, const char *key) {
    json_t *value = read_value(in);
    if (value == NULL) {
        return -1;
    }
    if (json_object_get(root, key) != NULL) {
        json_decref(value);
        return refuse(in, "a key stands twice in one object");
    }
    return json_object_set_new(root, key, value) == 0
               ? 0
               : rsw_error_set(in->err, RSW_ENOMEM, 0, "out of memory");
}

/* A key of the root, and what belongs to it. */
static int read_member(struct input *in, json_t *root, bool *has_items) {
    AUTO_JSON *key = peek_past_blanks(in) == '"' ? read_value(in) : NULL;
    const char *name = json_string_value(key);
    if (name == NULL) {
        return in->err->code != RSW_OK ? -1
                                       : refuse(in, peek(in) == END ? "it ends too early" : "it is not JSON");
    }
    if (expect(in, ':') != 0) {
        return -1;
    }
    if (strcmp(name, "items") == 0 && peek_past_blanks(in) == '[') {
        if (*has_items) {
            return refuse(in, "a key stands twice in one object");
        }
        *has_items = true;
        return walk_items(in, root);
    }
    return add_member(in, root, name);
}

/* ---- documents ---- */

static bool is_list_kind(const char *kind) {
    size_t len = strlen(kind);
    return len >= strlen("List") && strcmp(kind + len - strlen("List"), "List") == 0;
}

static int end_page(struct input *in, const char *kind, const char *next) {
    struct rsw_page *page = in->page;
    if (strcmp(kind, page->kind) != 0) {
        return rsw_error_set(in->err, RSW_EREFUSED, 0, "a %s was asked for, the answer has \"%.64s\"",
                             page->kind, kind);
    }
    if (strlen(next) >= sizeof page->next) {
        return refuse(in, "the token of the next page is too long");
    }
    memcpy(page->next, next, strlen(next) + 1);
    return 0;
}

/* A list without anything in it may be written as null. */
static int end_list(struct input *in, const json_t *root) {
    const char *next = rsw_walk_text(root, "metadata.continue");
    if (in->page != NULL) {
        return end_page(in, rsw_walk_text(root, "kind"), next);
    }
    return next[0] == 0
               ? 0
               : rsw_error_set(in->err, RSW_EREFUSED, 0,
                               "a %.64s is not whole: it is one page of several; get it without a limit",
                               rsw_walk_text(root, "kind"));
}

static int read_object(struct input *in) {
    AUTO_JSON *root = json_object();
    bool first = true;
    bool failed = root == NULL;
    bool has_items = false;
    in->at++;
    while (!failed && goes_on(in, &first, '}', &failed)) {
        failed = read_member(in, root, &has_items) != 0;
    }
    if (failed) {
        return rsw_error_set(in->err, RSW_ENOMEM, 0, "out of memory"); /* where nothing else is told */
    }
    bool empty = is_list_kind(rsw_walk_text(root, "kind")) && json_is_null(json_object_get(root, "items"));
    if (has_items || empty) {
        return end_list(in, root);
    }
    if (is_list_kind(rsw_walk_text(root, "kind")) && rsw_walk_text(root, "metadata.name")[0] == 0) {
        return refuse(in, "a list has no items");
    }
    if (rsw_walk_object(in->walk, root, NULL, NULL, in->err) != 0) {
        return -1;
    }
    return in->page == NULL ? 0 : end_page(in, rsw_walk_text(root, "kind"), "");
}

static int read_documents(struct input *in) {
    unsigned count = 0;
    for (;;) {
        int c = peek_past_blanks(in);
        if (c == BROKEN) {
            return -1;
        }
        if (c == END) {
            return count > 0
                       ? 0
                       : rsw_error_set(in->err, RSW_EREFUSED, 0,
                                       "there is nothing in it: a cluster without objects answers with an "
                                       "empty list");
        }
        if (in->page != NULL && count > 0) {
            return refuse(in, "something stands behind the list");
        }
        int rc = c == '{' ? read_object(in)
                 : c == '[' && in->page == NULL
                     ? walk_items(in, NULL)
                     : refuse(in, "it is not JSON as kubectl get -o json writes it");
        if (rc != 0) {
            return -1;
        }
        count++;
    }
}

int rsw_documents_read(struct rsw_walk *walk, const struct rsw_document_source *source, struct rsw_page *page,
                       struct rsw_error *err) {
    struct rsw_error mine = RSW_ERROR_INIT; /* the reader looks at it, so there must be one */
    struct input *in = calloc(1, sizeof *in);
    if (in == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    in->source = source;
    in->walk = walk;
    in->page = page;
    in->err = &mine;
    int rc = read_documents(in);
    free(in);
    return rc == 0 ? 0 : rsw_error_set(err, mine.code, mine.errnum, "%s", mine.message);
}
