#include "feed/json_stream.h"

#include <string.h>

/* What is expected next. */
enum state {
    VALUE,          /* a value */
    VALUE_OR_CLOSE, /* a value or ']': an array just began */
    KEY_OR_CLOSE,   /* a key or '}': an object just began */
    KEY,
    COLON,
    COMMA_OR_CLOSE,
    BLANK, /* nothing but blanks: the document is complete */
    STRING,
    ESCAPE,
    HEX,
    LITERAL,
    NUMBER_MINUS, /* a digit behind '-' */
    NUMBER_ZERO,  /* a leading zero stands alone */
    NUMBER_INT,
    NUMBER_POINT, /* a digit behind '.' */
    NUMBER_FRACTION,
    NUMBER_E, /* a sign or digit behind 'e' */
    NUMBER_E_SIGN,
    NUMBER_EXPONENT,
};

void rsw_json_init(struct rsw_json *json,
                   enum rsw_json_next (*item)(void *arg, const struct rsw_json_item *item), void *arg) {
    /* The text is left as it is: only what was written into it is ever read. */
    memset(json, 0, offsetof(struct rsw_json, text));
    json->item = item;
    json->arg = arg;
    json->state = VALUE;
}

static bool broken(struct rsw_json *json, const char *problem) {
    json->problem = problem;
    return false;
}

static bool in_object(const struct rsw_json *json) {
    unsigned level = json->depth - 1;
    return (json->is_object[level / 64] >> (level % 64) & 1) != 0;
}

/* ---- reporting ---- */

static void report(struct rsw_json *json, enum rsw_json_kind kind) {
    bool has_text = kind == RSW_JSON_KEY || kind == RSW_JSON_STRING || kind == RSW_JSON_NUMBER;
    bool opens = kind == RSW_JSON_OBJECT || kind == RSW_JSON_ARRAY;
    if (json->skip != 0) {
        return;
    }
    if (json->skip_value) {
        json->skip_value = false;
        json->skip = opens ? json->depth + 1 : 0;
        return;
    }
    struct rsw_json_item item = {.kind = kind, .depth = json->depth, .at = json->at};
    if (has_text) {
        json->text[json->text_len] = 0;
        item.text = json->text;
        item.len = json->text_len;
        item.cut = json->text_cut;
    }
    enum rsw_json_next next = json->item(json->arg, &item);
    json->pause = next == RSW_JSON_PAUSE || next == RSW_JSON_SKIP_AND_PAUSE;
    if (next == RSW_JSON_SKIP || next == RSW_JSON_SKIP_AND_PAUSE) {
        json->skip = opens ? json->depth + 1 : 0;
        json->skip_value = kind == RSW_JSON_KEY;
    }
}

static void value_ended(struct rsw_json *json) {
    json->state = json->depth == 0 ? BLANK : COMMA_OR_CLOSE;
}

static bool open_level(struct rsw_json *json, bool object) {
    if (json->depth == RSW_JSON_DEPTH_MAX) {
        return broken(json, "nested too deep");
    }
    report(json, object ? RSW_JSON_OBJECT : RSW_JSON_ARRAY);
    uint64_t bit = (uint64_t)1 << (json->depth % 64);
    uint64_t *word = &json->is_object[json->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    json->depth++;
    json->state = object ? KEY_OR_CLOSE : VALUE_OR_CLOSE;
    return true;
}

static bool close_level(struct rsw_json *json, bool object) {
    if (json->depth == 0 || in_object(json) != object) {
        return broken(json, "a bracket closes what is not open");
    }
    bool skipped = json->skip == json->depth; /* the end of what was passed over is not reported */
    json->depth--;
    if (skipped) {
        json->skip = 0;
    } else {
        report(json, object ? RSW_JSON_OBJECT_END : RSW_JSON_ARRAY_END);
    }
    value_ended(json);
    return true;
}

/* ---- strings ---- */

static void keep(struct rsw_json *json, const char *bytes, size_t len) {
    size_t room = RSW_JSON_TEXT_MAX - json->text_len;
    if (json->skip != 0) {
        return;
    }
    json->text_cut = json->text_cut || len > room;
    len = len < room ? len : room;
    memcpy(json->text + json->text_len, bytes, len);
    json->text_len += len;
}

static void keep_code(struct rsw_json *json, unsigned code) {
    char utf8[4];
    size_t len;
    if (code < 0x80) {
        utf8[0] = (char)code;
        len = 1;
    } else if (code < 0x800) {
        utf8[0] = (char)(0xc0 | code >> 6);
        utf8[1] = (char)(0x80 | (code & 0x3f));
        len = 2;
    } else if (code < 0x10000) {
        utf8[0] = (char)(0xe0 | code >> 12);
        utf8[1] = (char)(0x80 | (code >> 6 & 0x3f));
        utf8[2] = (char)(0x80 | (code & 0x3f));
        len = 3;
    } else {
        utf8[0] = (char)(0xf0 | code >> 18);
        utf8[1] = (char)(0x80 | (code >> 12 & 0x3f));
        utf8[2] = (char)(0x80 | (code >> 6 & 0x3f));
        utf8[3] = (char)(0x80 | (code & 0x3f));
        len = 4;
    }
    keep(json, utf8, len);
}

/* A first half of a pair that got no second one. */
static void drop_surrogate(struct rsw_json *json) {
    if (json->surrogate != 0) {
        json->surrogate = 0;
        keep_code(json, 0xfffd);
    }
}

static void begin_text(struct rsw_json *json, bool is_key) {
    json->is_key = is_key;
    json->text_len = 0;
    json->text_cut = false;
    json->surrogate = 0;
    json->state = STRING;
}

static void end_string(struct rsw_json *json) {
    drop_surrogate(json);
    json->state = COLON;
    if (!json->is_key) {
        value_ended(json);
    }
    report(json, json->is_key ? RSW_JSON_KEY : RSW_JSON_STRING);
}

/* Takes plain bytes up to a quote, backslash or control byte; answers how many. */
static size_t take_plain(struct rsw_json *json, const char *bytes, size_t len) {
    size_t n = 0;
    while (n < len && bytes[n] != '"' && bytes[n] != '\\' && (unsigned char)bytes[n] >= 0x20) {
        n++;
    }
    if (n > 0) {
        drop_surrogate(json);
        keep(json, bytes, n);
    }
    return n;
}

static bool in_string(struct rsw_json *json, char c) {
    if (c == '"') {
        end_string(json);
    } else if (c == '\\') {
        json->state = ESCAPE;
    } else {
        return broken(json, "a control character in a string");
    }
    return true;
}

static bool in_escape(struct rsw_json *json, char c) {
    static const char names[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    if (c == 'u') {
        json->hex_left = 4;
        json->code = 0;
        json->state = HEX;
        return true;
    }
    const char *name = c == 0 ? NULL : strchr(names, c);
    if (name == NULL) {
        return broken(json, "an unknown escape in a string");
    }
    drop_surrogate(json);
    keep(json, &means[name - names], 1);
    json->state = STRING;
    return true;
}

static bool in_hex(struct rsw_json *json, char c) {
    unsigned digit;
    if (c >= '0' && c <= '9') {
        digit = (unsigned)(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        digit = (unsigned)((c | 0x20) - 'a' + 10);
    } else {
        return broken(json, "an unknown escape in a string");
    }
    json->code = json->code << 4 | digit;
    if (--json->hex_left > 0) {
        return true;
    }
    json->state = STRING;
    bool second = json->code >= 0xdc00 && json->code <= 0xdfff;
    if (second && json->surrogate != 0) {
        unsigned first = json->surrogate;
        json->surrogate = 0;
        keep_code(json, 0x10000 + ((first - 0xd800) << 10) + (json->code - 0xdc00));
        return true;
    }
    drop_surrogate(json);
    if (json->code >= 0xd800 && json->code <= 0xdbff) {
        json->surrogate = json->code;
    } else {
        keep_code(json, second ? 0xfffd : json->code);
    }
    return true;
}

/* ---- numbers and literals ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The state behind `c` in a number; BLANK if it does not belong to it. */
static enum state number_next(enum state state, char c) {
    bool digit = is_digit(c);
    bool e = c == 'e' || c == 'E';
    switch (state) {
    case NUMBER_MINUS:
        return c == '0' ? NUMBER_ZERO : digit ? NUMBER_INT : BLANK;
    case NUMBER_ZERO:
        return c == '.' ? NUMBER_POINT : e ? NUMBER_E : BLANK;
    case NUMBER_INT:
        return digit ? NUMBER_INT : c == '.' ? NUMBER_POINT : e ? NUMBER_E : BLANK;
    case NUMBER_POINT:
        return digit ? NUMBER_FRACTION : BLANK;
    case NUMBER_FRACTION:
        return digit ? NUMBER_FRACTION : e ? NUMBER_E : BLANK;
    case NUMBER_E:
        return c == '+' || c == '-' ? NUMBER_E_SIGN : digit ? NUMBER_EXPONENT : BLANK;
    case NUMBER_E_SIGN:
    case NUMBER_EXPONENT:
        return digit ? NUMBER_EXPONENT : BLANK;
    default:
        return BLANK;
    }
}

static bool end_number(struct rsw_json *json) {
    enum state state = json->state;
    if (state != NUMBER_ZERO && state != NUMBER_INT && state != NUMBER_FRACTION && state != NUMBER_EXPONENT) {
        return broken(json, "a number that is none");
    }
    value_ended(json);
    report(json, RSW_JSON_NUMBER);
    return true;
}

/* *taken: whether the byte belonged to the number. */
static bool in_number(struct rsw_json *json, char c, bool *taken) {
    enum state next = number_next(json->state, c);
    *taken = next != BLANK;
    if (!*taken) {
        json->at--;
        return end_number(json);
    }
    keep(json, &c, 1);
    json->state = next;
    return true;
}

static bool in_literal(struct rsw_json *json, char c) {
    if (c != *json->literal) {
        return broken(json, "an unknown word");
    }
    if (*++json->literal == 0) {
        enum rsw_json_kind kind = (enum rsw_json_kind)json->code;
        value_ended(json);
        report(json, kind);
    }
    return true;
}

static bool begin_literal(struct rsw_json *json, const char *rest, enum rsw_json_kind kind) {
    json->literal = rest;
    json->code = kind;
    json->state = LITERAL;
    return true;
}

/* ---- structure ---- */

static bool begin_value(struct rsw_json *json, char c) {
    switch (c) {
    case '{':
        return open_level(json, true);
    case '[':
        return open_level(json, false);
    case '"':
        begin_text(json, false);
        return true;
    case 't':
        return begin_literal(json, "rue", RSW_JSON_TRUE);
    case 'f':
        return begin_literal(json, "alse", RSW_JSON_FALSE);
    case 'n':
        return begin_literal(json, "ull", RSW_JSON_NULL);
    default:
        break;
    }
    if (c != '-' && !is_digit(c)) {
        return broken(json, "no value where one is expected");
    }
    begin_text(json, false);
    keep(json, &c, 1);
    json->state = c == '-' ? NUMBER_MINUS : c == '0' ? NUMBER_ZERO : NUMBER_INT;
    return true;
}

static bool between(struct rsw_json *json, char c) {
    switch ((enum state)json->state) {
    case VALUE_OR_CLOSE:
        return c == ']' ? close_level(json, false) : begin_value(json, c);
    case VALUE:
        return begin_value(json, c);
    case KEY_OR_CLOSE:
    case KEY:
        if (c == '"') {
            begin_text(json, true);
            return true;
        }
        return c == '}' && json->state == KEY_OR_CLOSE ? close_level(json, true)
                                                       : broken(json, "no key where one is expected");
    case COLON:
        json->state = VALUE;
        return c == ':' ? true : broken(json, "no colon behind a key");
    case COMMA_OR_CLOSE:
        if (c == ',') {
            json->state = in_object(json) ? KEY : VALUE;
            return true;
        }
        return c == '}' || c == ']' ? close_level(json, c == '}')
                                    : broken(json, "no comma where one is expected");
    default:
        return broken(json, "something stands behind the end");
    }
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One byte in any state but STRING's plain bytes. *taken false: the same byte again, in the new state. */
static bool step(struct rsw_json *json, char c, bool *taken) {
    *taken = true;
    switch ((enum state)json->state) {
    case STRING:
        return in_string(json, c);
    case ESCAPE:
        return in_escape(json, c);
    case HEX:
        return in_hex(json, c);
    case LITERAL:
        return in_literal(json, c);
    case NUMBER_MINUS:
    case NUMBER_ZERO:
    case NUMBER_INT:
    case NUMBER_POINT:
    case NUMBER_FRACTION:
    case NUMBER_E:
    case NUMBER_E_SIGN:
    case NUMBER_EXPONENT:
        return in_number(json, c, taken);
    default:
        return is_blank(c) ? true : between(json, c);
    }
}

size_t rsw_json_feed(struct rsw_json *json, const void *bytes, size_t len) {
    const char *text = bytes;
    size_t at = 0;
    json->pause = false;
    while (at < len && json->problem == NULL && !json->pause) {
        bool taken;
        if (json->state == STRING) {
            at += take_plain(json, text + at, len - at);
            if (at == len) {
                break;
            }
        }
        json->at = at + 1;
        if (!step(json, text[at], &taken)) {
            break;
        }
        at += taken ? 1 : 0;
    }
    return at;
}

bool rsw_json_end(struct rsw_json *json) {
    json->at = 0;
    if (json->problem == NULL && json->state >= NUMBER_MINUS) {
        end_number(json);
    }
    if (json->problem == NULL && json->state != BLANK) {
        broken(json, json->state == VALUE && json->depth == 0 ? "nothing at all" : "it ends too early");
    }
    return json->problem == NULL;
}
