/* Credentials that are lent for a while, to whoever runs in the right place: to a pod or a job with a token
 * of web identity, to a container, to an instance. As the tools of AWS ask for them. */
#include "storage/s3_credentials.h"

#include "storage/s3_xml.h"
#include "util/cleanup.h"
#include "util/curl.h"
#include "util/text.h"

#include <jansson.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MAX ((size_t)64 * 1024)
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define INSTANCE_VARIABLE "AWS_EC2_METADATA_SERVICE_ENDPOINT"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"
#define NEAR_MS 1000L /* who lends to containers and instances is on this machine, or nowhere */
#define FAR_MS 10000L

struct ask {
    const char *method;
    const char *url;
    const char *variable; /* that says it */
    bool guarded;         /* over plain HTTP to nobody but who is on this machine */
    char who[300];        /* "scheme://host": the rest may be a secret */
    const char *header;   /* "name: value"; NULL: none */
    const char *form;     /* body of a POST; NULL: none */
    long timeout_ms;
    struct rsw_buf answer; /* secret */
};

static void ask_release(struct ask *ask) {
    rsw_s3_secret_release(&ask->answer);
}
#define AUTO_ASK __attribute__((cleanup(ask_release))) struct ask

static size_t on_body(char *bytes, size_t size, size_t count, void *arg) {
    struct rsw_buf *answer = arg;
    return rsw_buf_add(answer, bytes, size * count, NULL) == 0 ? size * count : 0;
}

static bool set_up(const struct rsw_curl *l, CURL *curl, struct ask *ask, struct curl_slist *headers) {
    bool ok = l->curl_easy_setopt(curl, CURLOPT_URL, ask->url) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK; /* a secret is for nobody else */
    ok &= l->curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ask->timeout_ms) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_USERAGENT, "regsweep/" REGSWEEP_VERSION) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_WRITEDATA, &ask->answer) == CURLE_OK;
    if (strcmp(ask->method, "GET") != 0) {
        ok &= l->curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask->form != NULL ? ask->form : "") == CURLE_OK;
        ok &= l->curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method) == CURLE_OK;
    }
    return ok;
}

static int no_answer(const struct ask *ask, long status, const char *said, struct rsw_error *err) {
    return status == 0
               ? rsw_error_set(err, RSW_EIO, 0, "credentials for S3: no answer from %s: %s", ask->who, said)
               : rsw_error_set(err, RSW_EACCESS, 0,
                               "credentials for S3: %s answered %ld: has this machine, pod or job a "
                               "role?",
                               ask->who, status);
}

/* RSW_FOUND and the answer of a 200; RSW_ABSENT: nobody is there; RSW_FAILED. */
static int perform(const struct rsw_curl *l, CURL *curl, struct ask *ask, struct rsw_error *err) {
    struct curl_slist *headers = ask->header == NULL ? NULL : l->curl_slist_append(NULL, ask->header);
    long status = 0;
    ask->answer.max = ANSWER_MAX;
    if ((ask->header != NULL && headers == NULL) || !set_up(l, curl, ask, headers)) {
        l->curl_slist_free_all(headers);
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    CURLcode rc = l->curl_easy_perform(curl);
    l->curl_slist_free_all(headers);
    if (rc == CURLE_OK) {
        l->curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (status == 200) {
        return RSW_FOUND;
    }
    no_answer(ask, status, l->curl_easy_strerror(rc), err);
    return rc == CURLE_COULDNT_CONNECT || rc == CURLE_OPERATION_TIMEDOUT ? RSW_ABSENT : RSW_FAILED;
}

/* Loopback, and where containers are lent to. As the AWS CLI has them. */
static bool is_near(const char *host) {
    static const char *const names[] = {"localhost", "169.254.170.2", "169.254.170.23"};
    struct in_addr four;
    struct in6_addr six;
    struct in6_addr lender;
    char bare[INET6_ADDRSTRLEN];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(host + (host[0] == '['), "]"), host + (host[0] == '['));
    if (inet_pton(AF_INET6, bare, &six) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&six) ||
               (inet_pton(AF_INET6, "fd00:ec2::23", &lender) == 1 && memcmp(&six, &lender, sizeof six) == 0);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(host, names[i]) == 0) {
            return true;
        }
    }
    return inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
}

static int judge(struct ask *ask, const char *scheme, const char *host, struct rsw_error *err) {
    bool plain = strcasecmp(scheme, "http") == 0;
    if ((!plain && strcasecmp(scheme, "https") != 0) || host[0] == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s must be http://HOST or https://HOST", ask->variable);
    }
    snprintf(ask->who, sizeof ask->who, "%s://%s", plain ? "http" : "https", host);
    if (ask->guarded && plain && !is_near(host)) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "%s is %s: credentials go over plain HTTP to loopback, 169.254.170.2, "
                             "169.254.170.23 and fd00:ec2::23 alone; give it as https",
                             ask->variable, ask->who);
    }
    return 0;
}

/* Whom it goes to, as libcurl reads it. */
static int look_at(const struct rsw_curl *l, struct ask *ask, struct rsw_error *err) {
    char *scheme = NULL;
    char *host = NULL;
    CURLU *url = l->curl_url();
    bool is_url = url != NULL &&
                  l->curl_url_set(url, CURLUPART_URL, ask->url, CURLU_DISALLOW_USER) == CURLUE_OK &&
                  l->curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                  l->curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    int rc = is_url ? judge(ask, scheme, host, err)
                    : rsw_error_set(err, RSW_EINVAL, 0,
                                    "%s must be http://HOST or https://HOST, without a user", ask->variable);
    l->curl_free(scheme);
    l->curl_free(host);
    l->curl_url_cleanup(url);
    return rc;
}

/* As above; with RSW_ABSENT too the error says who is not there. */
static int ask_for(struct ask *ask, struct rsw_error *err) {
    const struct rsw_curl *l = rsw_curl(err);
    if (l != NULL && look_at(l, ask, err) != 0) {
        return RSW_FAILED;
    }
    CURL *curl = l == NULL ? NULL : l->curl_easy_init();
    if (curl == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "libcurl cannot start");
    }
    int answer = perform(l, curl, ask, err);
    l->curl_easy_cleanup(curl);
    return answer;
}

/* ---- what they answer ---- */

static int senseless(const struct ask *ask, struct rsw_error *err) {
    return rsw_error_set(err, RSW_EIO, 0, "credentials for S3: %s answered something else", ask->who);
}

enum { ACCESS, SECRET, TOKEN, UNTIL, FIELDS };

static int lend(struct rsw_s3_credentials *out, const struct ask *ask, const char *const names[FIELDS],
                const char *const fields[FIELDS], struct rsw_error *err) {
    int64_t until_ms;
    for (size_t i = 0; i < FIELDS; i++) {
        if (fields[i] == NULL) {
            return senseless(ask, err);
        }
        if (i != UNTIL && rsw_s3_secret_check(names[i], fields[i], err) != 0) {
            return rsw_error_prefix(err, "credentials for S3: what %s answered", ask->who);
        }
    }
    if (!rsw_time_parse(&until_ms, fields[UNTIL], strlen(fields[UNTIL]))) {
        return senseless(ask, err);
    }
    if (rsw_s3_credentials_set(out, fields[ACCESS], fields[SECRET], fields[TOKEN], err) != 0) {
        return RSW_FAILED;
    }
    out->until_ms = until_ms;
    return RSW_FOUND;
}

static int take_json(struct rsw_s3_credentials *out, const struct ask *ask, struct rsw_error *err) {
    static const char *const names[FIELDS] = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"};
    json_t *root = json_loadb((const char *)ask->answer.data, ask->answer.len, 0, NULL);
    const char *fields[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        fields[i] = json_string_value(json_object_get(root, names[i]));
    }
    int answer = lend(out, ask, names, fields, err);
    json_decref(root);
    return answer;
}

static int take_xml(struct rsw_s3_credentials *out, const struct ask *ask, struct rsw_error *err) {
    static const char *const names[FIELDS] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
    struct rsw_buf texts[FIELDS] = {RSW_BUF_INIT, RSW_BUF_INIT, RSW_BUF_INIT, RSW_BUF_INIT};
    const char *fields[FIELDS] = {NULL};
    int answer = RSW_FOUND;
    for (int i = 0; i < FIELDS && answer == RSW_FOUND; i++) {
        answer = rsw_s3_xml_find(&texts[i], ask->answer.data, ask->answer.len, names[i], err);
        fields[i] = answer == RSW_FOUND ? (const char *)texts[i].data : NULL;
    }
    answer = answer == RSW_FAILED ? answer : lend(out, ask, names, fields, err);
    for (int i = 0; i < FIELDS; i++) {
        rsw_s3_secret_release(&texts[i]);
    }
    return answer;
}

/* ---- who lends ---- */

/* A token stands in a file, with or without a newline. */
static int read_token(struct rsw_buf *out, const char *path, struct rsw_error *err) {
    int answer = rsw_s3_secret_read(out, path, err);
    while (answer == RSW_FOUND && out->len > 0 && strchr("\r\n \t", out->data[out->len - 1]) != NULL) {
        out->data[--out->len] = 0;
    }
    return answer == RSW_FOUND && out->len > 0
               ? RSW_FOUND
               : rsw_error_set(err, RSW_EINVAL, 0, "credentials for S3: there is no token in '%s'", path);
}

static int add_field(struct rsw_buf *form, const char *name, const char *value, struct rsw_error *err) {
    return rsw_buf_addf(form, err, "&%s=", name) == 0 ? rsw_s3_encode(form, value, true, err) : -1;
}

int rsw_s3_web_identity_ask(struct rsw_s3_credentials *out, const struct rsw_s3_web_identity *who,
                            rsw_environment_fn *get, const char *region, struct rsw_error *err) {
    const char *said = get("AWS_ENDPOINT_URL_STS");
    RSW_AUTO_FREE char *url = NULL;
    RSW_AUTO_S3_SECRET token = RSW_BUF_INIT;
    RSW_AUTO_S3_SECRET form = RSW_BUF_INIT;
    if (asprintf(&url, "%s%s%s", rsw_s3_is_set(said) ? said : "https://sts.",
                 rsw_s3_is_set(said) ? "" : region,
                 rsw_s3_is_set(said)              ? ""
                 : strncmp(region, "cn-", 3) == 0 ? ".amazonaws.com.cn"
                                                  : ".amazonaws.com") < 0) {
        url = NULL;
        return rsw_s3_no_memory(err);
    }
    if (read_token(&token, who->token_file, err) != RSW_FOUND ||
        rsw_buf_addf(&form, err, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15") != 0 ||
        add_field(&form, "RoleArn", who->role, err) != 0 ||
        add_field(&form, "RoleSessionName", rsw_s3_is_set(who->session) ? who->session : "regsweep", err) !=
            0 ||
        add_field(&form, "WebIdentityToken", (const char *)token.data, err) != 0) {
        return RSW_FAILED;
    }
    AUTO_ASK ask = {.method = "POST",
                    .url = url,
                    .variable = "AWS_ENDPOINT_URL_STS",
                    .form = (const char *)form.data,
                    .timeout_ms = FAR_MS};
    return ask_for(&ask, err) == RSW_FOUND ? take_xml(out, &ask, err) : RSW_FAILED;
}

static bool has_control(const char *text) {
    while (*text != 0 && !iscntrl((unsigned char)*text)) {
        text++;
    }
    return *text != 0;
}

/* "Authorization: TOKEN". RSW_FOUND; RSW_ABSENT: there is no token; RSW_FAILED. */
static int add_container_token(struct rsw_buf *header, rsw_environment_fn *get, struct rsw_error *err) {
    static const char *const names[] = {"AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"};
    const char *path = get(names[1]);
    bool in_file = rsw_s3_is_set(path);
    RSW_AUTO_S3_SECRET token = RSW_BUF_INIT;
    if (in_file && read_token(&token, path, err) != RSW_FOUND) {
        return RSW_FAILED;
    }
    const char *text = in_file ? (const char *)token.data : get(names[0]);
    if (!rsw_s3_is_set(text)) {
        return RSW_ABSENT;
    }
    if (has_control(text)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the token of %s has a control character in it",
                             names[in_file]);
    }
    return rsw_buf_addf(header, err, "Authorization: %s", text) == 0 ? RSW_FOUND : RSW_FAILED;
}

int rsw_s3_container_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err) {
    static const char *const names[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"};
    bool relative = rsw_s3_is_set(get(names[1]));
    const char *said = get(names[relative]);
    RSW_AUTO_FREE char *url = NULL;
    RSW_AUTO_S3_SECRET header = RSW_BUF_INIT;
    if (!rsw_s3_is_set(said)) {
        return RSW_ABSENT;
    }
    if (relative && said[0] != '/') { /* else it could go on with the name of the host */
        return rsw_error_set(err, RSW_EINVAL, 0, "%s must begin with '/'", names[1]);
    }
    if (asprintf(&url, "%s%s", relative ? CONTAINER_HOST : "", said) < 0) {
        url = NULL;
        return rsw_s3_no_memory(err);
    }
    int answer = add_container_token(&header, get, err);
    if (answer == RSW_FAILED) {
        return RSW_FAILED;
    }
    AUTO_ASK ask = {.method = "GET",
                    .url = url,
                    .variable = names[relative],
                    .guarded = true,
                    .header = answer == RSW_FOUND ? (const char *)header.data : NULL,
                    .timeout_ms = NEAR_MS};
    return ask_for(&ask, err) == RSW_FOUND ? take_json(out, &ask, err) : RSW_FAILED;
}

/* Version 2 of the service: a token first, which no stray forwarded request can get; then the role's name;
 * then what it lends. */
static int ask_instance(struct rsw_s3_credentials *out, const char *host, struct rsw_error *err) {
    RSW_AUTO_FREE char *url = NULL;
    RSW_AUTO_FREE char *role_url = NULL;
    RSW_AUTO_S3_SECRET header = RSW_BUF_INIT;
    struct rsw_error nobody = RSW_ERROR_INIT;
    if (asprintf(&url, "%s/latest/api/token", host) < 0) {
        url = NULL;
        return rsw_s3_no_memory(err);
    }
    AUTO_ASK token = {.method = "PUT",
                      .url = url,
                      .variable = INSTANCE_VARIABLE,
                      .header = "x-aws-ec2-metadata-token-ttl-seconds: 300",
                      .timeout_ms = NEAR_MS};
    if (ask_for(&token, &nobody) != RSW_FOUND) {
        return nobody.code == RSW_ENOMEM || nobody.code == RSW_EINVAL
                   ? rsw_error_set(err, nobody.code, 0, "%s", nobody.message)
                   : RSW_ABSENT; /* other clouds have something there too */
    }
    if (token.answer.len == 0 || has_control((const char *)token.answer.data)) {
        return RSW_ABSENT;
    }
    if (rsw_buf_addf(&header, err, "x-aws-ec2-metadata-token: %s", (const char *)token.answer.data) != 0) {
        return RSW_FAILED;
    }
    if (asprintf(&role_url, "%s" ROLE_PATH, host) < 0) {
        role_url = NULL;
        return rsw_s3_no_memory(err);
    }
    AUTO_ASK name = {.method = "GET",
                     .url = role_url,
                     .variable = INSTANCE_VARIABLE,
                     .header = (const char *)header.data,
                     .timeout_ms = NEAR_MS};
    if (ask_for(&name, err) != RSW_FOUND || name.answer.len == 0) {
        return rsw_error_set(err, RSW_EACCESS, 0, "credentials for S3: this instance has no role");
    }
    RSW_AUTO_FREE char *lender = NULL;
    if (asprintf(&lender, "%s%.*s", role_url, (int)strcspn((const char *)name.answer.data, "\r\n"),
                 (const char *)name.answer.data) < 0) {
        lender = NULL;
        return rsw_s3_no_memory(err);
    }
    AUTO_ASK ask = {.method = "GET",
                    .url = lender,
                    .variable = INSTANCE_VARIABLE,
                    .header = (const char *)header.data,
                    .timeout_ms = NEAR_MS};
    return ask_for(&ask, err) == RSW_FOUND ? take_json(out, &ask, err) : RSW_FAILED;
}

int rsw_s3_instance_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err) {
    const char *disabled = get("AWS_EC2_METADATA_DISABLED");
    const char *host = get(INSTANCE_VARIABLE);
    if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
        return RSW_ABSENT;
    }
    return ask_instance(out, rsw_s3_is_set(host) ? host : INSTANCE_HOST, err);
}
