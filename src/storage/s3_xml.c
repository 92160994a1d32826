#include "storage/s3_xml.h"

#include "util/buf.h"
#include "util/library.h"
#include "util/text.h"

#include <expat.h>
#include <string.h>

/* Each as expat.h has it. */
struct expat {
    __typeof__(&XML_ParserCreate) XML_ParserCreate;
    __typeof__(&XML_ParserFree) XML_ParserFree;
    __typeof__(&XML_SetUserData) XML_SetUserData;
    __typeof__(&XML_SetElementHandler) XML_SetElementHandler;
    __typeof__(&XML_SetCharacterDataHandler) XML_SetCharacterDataHandler;
    __typeof__(&XML_SetDoctypeDeclHandler) XML_SetDoctypeDeclHandler;
    __typeof__(&XML_StopParser) XML_StopParser;
    __typeof__(&XML_Parse) XML_Parse;
    __typeof__(&XML_GetErrorCode) XML_GetErrorCode;
};

static const struct rsw_function functions[] = {
    RSW_FUNCTION(struct expat, XML_ParserCreate),
    RSW_FUNCTION(struct expat, XML_ParserFree),
    RSW_FUNCTION(struct expat, XML_SetUserData),
    RSW_FUNCTION(struct expat, XML_SetElementHandler),
    RSW_FUNCTION(struct expat, XML_SetCharacterDataHandler),
    RSW_FUNCTION(struct expat, XML_SetDoctypeDeclHandler),
    RSW_FUNCTION(struct expat, XML_StopParser),
    RSW_FUNCTION(struct expat, XML_Parse),
    RSW_FUNCTION(struct expat, XML_GetErrorCode),
};

static struct expat expat;
static struct rsw_library library = RSW_LIBRARY(REGSWEEP_LIBEXPAT, expat, functions);

/* The longest text that we want: a key in which every byte is %XX. */
#define TEXT_MAX ((size_t)3 * RSW_S3_KEY_MAX)
#define DEPTH_MAX 16

enum seen {
    SEEN_KEY = 1,
    SEEN_SIZE = 2,
    SEEN_TIME = 4,
    SEEN_CODE = 8,
    SEEN_TRUNCATED = 16,
    SEEN_VERSION = 32,
    SEEN_LATEST = 64,
};

struct reader {
    XML_Parser parser;
    struct rsw_s3_answer *out;
    rsw_s3_object_fn *object;
    void *arg;
    struct rsw_error *err;
    int failed;  /* the reading ends with -1 */
    bool broken; /* it is none of our documents */
    unsigned depth;
    bool in_object; /* below <Contents>, <Version>, <DeleteMarker>, <Deleted>, or <Error> of a DeleteResult */
    unsigned seen;  /* of the object */
    unsigned root;  /* of the document: SEEN_TRUNCATED */
    size_t key_count;
    uint64_t count_said; /* <KeyCount>; UINT64_MAX: not said */
    struct rsw_s3_object found;
    char key[TEXT_MAX + 1];
    char code[64];
    char version[RSW_S3_KEY_MAX + 1];
    char text[TEXT_MAX + 1]; /* of the element at hand */
    size_t text_len;
};

static void break_off(struct reader *reader) {
    reader->broken = true;
    expat.XML_StopParser(reader->parser, XML_FALSE);
}

static enum rsw_s3_document kind_of(const char *root) {
    static const struct {
        const char *name;
        enum rsw_s3_document kind;
    } kinds[] = {{"Error", RSW_S3_ERROR},
                 {"ListBucketResult", RSW_S3_LIST},
                 {"ListVersionsResult", RSW_S3_VERSIONS},
                 {"DeleteResult", RSW_S3_DELETED},
                 {"CopyObjectResult", RSW_S3_COPIED},
                 {"InitiateMultipartUploadResult", RSW_S3_BEGUN},
                 {"CopyPartResult", RSW_S3_PART},
                 {"CompleteMultipartUploadResult", RSW_S3_JOINED}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(root, kinds[i].name) == 0) {
            return kinds[i].kind;
        }
    }
    return RSW_S3_NONE;
}

static bool is_object(const struct reader *reader, const char *name) {
    if (reader->depth != 2) {
        return false;
    }
    switch (reader->out->kind) {
    case RSW_S3_LIST:
        return strcmp(name, "Contents") == 0;
    case RSW_S3_VERSIONS:
        return strcmp(name, "Version") == 0 || strcmp(name, "DeleteMarker") == 0;
    case RSW_S3_DELETED:
        return strcmp(name, "Deleted") == 0 || strcmp(name, "Error") == 0;
    default:
        return false;
    }
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes) {
    struct reader *reader = arg;
    (void)attributes;
    reader->depth++;
    reader->text_len = 0;
    if (reader->depth == 1) {
        reader->out->kind = kind_of(name);
    }
    if (reader->depth > DEPTH_MAX || reader->out->kind == RSW_S3_NONE) {
        break_off(reader);
    } else if (is_object(reader, name)) {
        reader->in_object = true;
        reader->seen = 0;
        reader->version[0] = 0;
        reader->found = (struct rsw_s3_object){.key = reader->key, .version = reader->version};
    }
}

static void on_text(void *arg, const XML_Char *text, int len) {
    struct reader *reader = arg;
    if ((size_t)len > TEXT_MAX - reader->text_len) {
        break_off(reader);
        return;
    }
    memcpy(reader->text + reader->text_len, text, (size_t)len);
    reader->text_len += (size_t)len;
}

bool rsw_s3_decode(char *text) {
    for (char *at = text; *at != 0; at++) {
        *at = *at == '+' ? ' ' : *at;
    }
    return rsw_text_unescape(text);
}

/* What every element of this name has. */
static unsigned needed_of(const struct reader *reader, const char *name) {
    switch (reader->out->kind) {
    case RSW_S3_LIST:
        return SEEN_KEY | SEEN_SIZE | SEEN_TIME;
    case RSW_S3_VERSIONS:
        return SEEN_KEY | SEEN_TIME | SEEN_VERSION | SEEN_LATEST |
               (strcmp(name, "Version") == 0 ? SEEN_SIZE : 0U);
    default:
        return strcmp(name, "Error") == 0 ? SEEN_KEY | SEEN_CODE : SEEN_KEY;
    }
}

/* One object is whole. */
static void end_object(struct reader *reader, const char *name) {
    bool refused = reader->out->kind == RSW_S3_DELETED && strcmp(name, "Error") == 0;
    unsigned needed = needed_of(reader, name);
    reader->in_object = false;
    if ((reader->seen & needed) != needed) {
        break_off(reader);
        return;
    }
    reader->found.marker = reader->out->kind == RSW_S3_VERSIONS && strcmp(name, "DeleteMarker") == 0;
    reader->found.code = refused ? reader->code : NULL;
    reader->key_count++;
    if (reader->object != NULL && reader->object(reader->arg, &reader->found, reader->err) != 0) {
        reader->failed = -1;
        expat.XML_StopParser(reader->parser, XML_FALSE);
    }
}

/* Its beginning, for messages. */
static void keep(char *to, size_t room, const char *text) {
    size_t len = strnlen(text, room - 1);
    memcpy(to, text, len);
    to[len] = 0;
    rsw_text_clean(to);
}

/* The text at hand, whole. False: it is too long. */
static bool copy(char *to, size_t room, const struct reader *reader) {
    bool fits = reader->text_len < room;
    memcpy(to, reader->text, fits ? reader->text_len + 1 : 0);
    return fits;
}

/* In quotes, as HTTP has it, or as some stores do without. */
static void take_etag(struct reader *reader) {
    struct rsw_md5 *md5 = &reader->found.md5;
    const char *text = reader->text;
    size_t len = reader->text_len;
    bool quoted = len >= 2 && text[0] == '"' && text[len - 1] == '"';
    md5->known = rsw_hex_parse(md5->bytes, sizeof md5->bytes, text + quoted, quoted ? len - 2 : len);
}

static void end_part_of_object(struct reader *reader, const char *name) {
    const char *text = reader->text;
    bool good = true;
    if (strcmp(name, "Key") == 0) {
        memcpy(reader->key, text, reader->text_len + 1);
        reader->seen |= SEEN_KEY;
    } else if (strcmp(name, "Size") == 0) {
        good = rsw_number_parse(&reader->found.size, text, INT64_MAX);
        reader->seen |= SEEN_SIZE;
    } else if (strcmp(name, "LastModified") == 0) {
        good = rsw_time_parse(&reader->found.mtime_ms, text, reader->text_len);
        reader->seen |= SEEN_TIME;
    } else if (strcmp(name, "ETag") == 0) {
        take_etag(reader);
    } else if (strcmp(name, "VersionId") == 0) {
        good = copy(reader->version, sizeof reader->version, reader) && reader->text_len > 0;
        reader->seen |= SEEN_VERSION;
    } else if (strcmp(name, "IsLatest") == 0) {
        reader->found.latest = strcmp(text, "true") == 0;
        reader->seen |= SEEN_LATEST;
    } else if (strcmp(name, "Code") == 0) {
        keep(reader->code, sizeof reader->code, text);
        reader->seen |= SEEN_CODE;
    }
    if (!good) {
        break_off(reader);
    }
}

/* The element that becomes the token. */
static const char *token_of(enum rsw_s3_document kind) {
    return kind == RSW_S3_BEGUN      ? "UploadId"
           : kind == RSW_S3_PART     ? "ETag"
           : kind == RSW_S3_VERSIONS ? "NextKeyMarker"
                                     : "NextContinuationToken";
}

/* What a list says of the question. False: it is something else. */
static bool take_question(struct reader *reader, const char *name) {
    struct rsw_s3_answer *out = reader->out;
    const char *after = out->kind == RSW_S3_LIST ? "StartAfter" : "KeyMarker";
    bool list = out->kind == RSW_S3_LIST || out->kind == RSW_S3_VERSIONS;
    bool prefix = strcmp(name, "Prefix") == 0;
    if (!list || (!prefix && strcmp(name, after) != 0)) {
        return false;
    }
    copy(prefix ? out->prefix : out->after, RSW_S3_KEY_MAX + 1, reader);
    return true;
}

static void end_part_of_root(struct reader *reader, const char *name) {
    struct rsw_s3_answer *out = reader->out;
    const char *text = reader->text;
    bool good = true;
    if (out->kind == RSW_S3_ERROR && strcmp(name, "Code") == 0) {
        keep(out->code, sizeof out->code, text);
    } else if (out->kind == RSW_S3_ERROR && strcmp(name, "Message") == 0) {
        keep(out->message, sizeof out->message, text);
    } else if (strcmp(name, "IsTruncated") == 0) {
        out->truncated = strcmp(text, "true") == 0;
        good = out->truncated || strcmp(text, "false") == 0;
        reader->root |= SEEN_TRUNCATED;
    } else if (take_question(reader, name)) {
        return;
    } else if (strcmp(name, token_of(out->kind)) == 0) {
        good = copy(out->token, sizeof out->token, reader);
    } else if (out->kind == RSW_S3_VERSIONS && strcmp(name, "NextVersionIdMarker") == 0) {
        good = copy(out->next_id, sizeof out->next_id, reader);
    } else if (strcmp(name, "EncodingType") == 0) {
        out->encoded = strcmp(text, "url") == 0;
    } else if (strcmp(name, "KeyCount") == 0) {
        good = rsw_number_parse(&reader->count_said, text, INT64_MAX);
    }
    if (!good) {
        break_off(reader);
    }
}

static void on_end(void *arg, const XML_Char *name) {
    struct reader *reader = arg;
    reader->text[reader->text_len] = 0;
    if (reader->depth == 2 && reader->in_object) {
        end_object(reader, name);
    } else if (reader->depth == 3 && reader->in_object) {
        end_part_of_object(reader, name);
    } else if (reader->depth == 2) {
        end_part_of_root(reader, name);
    }
    reader->text_len = 0;
    reader->depth--;
}

/* No answer of S3 has one, and entities that grow are defined in it. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
                       int has_internal) {
    (void)name, (void)sysid, (void)pubid, (void)has_internal;
    break_off(arg);
}

/* Nothing is missing from it that its kind always has. */
static bool is_whole(const struct reader *reader) {
    switch (reader->out->kind) {
    case RSW_S3_ERROR:
        return reader->out->code[0] != 0;
    case RSW_S3_LIST:
        return (reader->root & SEEN_TRUNCATED) != 0 &&
               (reader->count_said == UINT64_MAX || reader->count_said == reader->key_count);
    case RSW_S3_VERSIONS:
        return (reader->root & SEEN_TRUNCATED) != 0;
    case RSW_S3_BEGUN:
    case RSW_S3_PART:
        return reader->out->token[0] != 0;
    default:
        return true;
    }
}

static int parse(struct reader *reader, const void *bytes, size_t len) {
    XML_Parser parser = reader->parser;
    expat.XML_SetUserData(parser, reader);
    expat.XML_SetElementHandler(parser, on_start, on_end);
    expat.XML_SetCharacterDataHandler(parser, on_text);
    expat.XML_SetDoctypeDeclHandler(parser, on_doctype, NULL);
    bool good = expat.XML_Parse(parser, bytes, (int)len, 1) == XML_STATUS_OK;
    if (reader->failed != 0) {
        return -1;
    }
    if (!good && !reader->broken && expat.XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY) {
        return rsw_error_set(reader->err, RSW_ENOMEM, 0, "out of memory");
    }
    if (!good || reader->broken || !is_whole(reader)) {
        *reader->out = (struct rsw_s3_answer){.kind = RSW_S3_NONE};
    }
    return 0;
}

int rsw_s3_xml_load(struct rsw_error *err) {
    return rsw_library_load(&library, err);
}

int rsw_s3_xml_read(struct rsw_s3_answer *out, const void *bytes, size_t len, rsw_s3_object_fn *object,
                    void *arg, struct rsw_error *err) {
    *out = (struct rsw_s3_answer){.kind = RSW_S3_NONE};
    if (rsw_s3_xml_load(err) != 0 || (object != NULL && object(arg, NULL, err) != 0)) {
        return -1;
    }
    if (len == 0 || len > RSW_BUF_MAX_DEFAULT) {
        return 0;
    }
    struct reader reader = {.out = out, .object = object, .arg = arg, .err = err, .count_said = UINT64_MAX};
    reader.parser = expat.XML_ParserCreate(NULL);
    if (reader.parser == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    int rc = parse(&reader, bytes, len);
    expat.XML_ParserFree(reader.parser);
    return rc;
}

/* ---- all elements ---- */

struct walker {
    XML_Parser parser;
    rsw_s3_element_fn *element;
    void *arg;
    bool broken;
    char text[TEXT_MAX + 1]; /* of the element at hand */
    size_t text_len;
};

static void walk_start(void *arg, const XML_Char *name, const XML_Char **attributes) {
    struct walker *walker = arg;
    (void)attributes;
    walker->text_len = 0;
    walker->element(walker->arg, name, NULL);
}

static void walk_text(void *arg, const XML_Char *text, int len) {
    struct walker *walker = arg;
    if ((size_t)len > TEXT_MAX - walker->text_len) {
        walker->broken = true;
        expat.XML_StopParser(walker->parser, XML_FALSE);
        return;
    }
    memcpy(walker->text + walker->text_len, text, (size_t)len);
    walker->text_len += (size_t)len;
}

static void walk_end(void *arg, const XML_Char *name) {
    struct walker *walker = arg;
    walker->text[walker->text_len] = 0;
    walker->element(walker->arg, name, walker->text);
    walker->text_len = 0;
}

static void walk_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
                         int has_internal) {
    struct walker *walker = arg;
    (void)name, (void)sysid, (void)pubid, (void)has_internal;
    walker->broken = true;
    expat.XML_StopParser(walker->parser, XML_FALSE);
}

int rsw_s3_xml_walk(const void *bytes, size_t len, rsw_s3_element_fn *element, void *arg,
                    struct rsw_error *err) {
    struct walker walker = {.element = element, .arg = arg};
    if (rsw_s3_xml_load(err) != 0) {
        return RSW_FAILED;
    }
    if (len == 0 || len > RSW_BUF_MAX_DEFAULT) {
        return RSW_ABSENT;
    }
    walker.parser = expat.XML_ParserCreate(NULL);
    if (walker.parser == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return RSW_FAILED;
    }
    expat.XML_SetUserData(walker.parser, &walker);
    expat.XML_SetElementHandler(walker.parser, walk_start, walk_end);
    expat.XML_SetCharacterDataHandler(walker.parser, walk_text);
    expat.XML_SetDoctypeDeclHandler(walker.parser, walk_doctype, NULL);
    bool whole = expat.XML_Parse(walker.parser, bytes, (int)len, 1) == XML_STATUS_OK && !walker.broken;
    expat.XML_ParserFree(walker.parser);
    return whole ? RSW_FOUND : RSW_ABSENT;
}

struct finder {
    const char *name;
    struct rsw_buf *out;
    bool found;
    bool failed;
};

static void find_element(void *arg, const char *name, const char *text) {
    struct finder *finder = arg;
    if (text != NULL && !finder->found && strcmp(name, finder->name) == 0) {
        finder->found = true;
        finder->failed = rsw_buf_add(finder->out, text, strlen(text), NULL) != 0;
    }
}

int rsw_s3_xml_find(struct rsw_buf *out, const void *bytes, size_t len, const char *name,
                    struct rsw_error *err) {
    struct finder finder = {.name = name, .out = out};
    int walked = rsw_s3_xml_walk(bytes, len, find_element, &finder, err);
    return walked != RSW_FOUND                              ? walked
           : finder.found && !finder.failed && out->len > 0 ? RSW_FOUND
                                                            : RSW_ABSENT;
}
