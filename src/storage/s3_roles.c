/* Credentials that are lent for a while, to whoever runs in the right place: to a pod or a job with a token
 * of web identity, to a container, to an instance. As the tools of AWS ask for them. */
#include "storage/s3_credentials.h"

#include "storage/s3_xml.h"
#include "util/cleanup.h"
#include "util/curl.h"
#include "util/text.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX ((size_t)64 * 1024)
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"
#define NEAR_MS 1000L /* who lends to containers and instances is on this machine, or nowhere */
#define FAR_MS 10000L

struct ask {
    const char *method;
    const char *url;
    const char *header; /* "name: value"; NULL: none */
    const char *form;   /* body of a POST; NULL: none */
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
               ? rsw_error_set(err, RSW_EIO, 0, "credentials for S3: no answer from %s: %s", ask->url, said)
               : rsw_error_set(err, RSW_EACCESS, 0,
                               "credentials for S3: %s answered %ld: has this machine, pod or job a "
                               "role?",
                               ask->url, status);
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

/* As above; with RSW_ABSENT too the error says who is not there. */
static int ask_for(struct ask *ask, struct rsw_error *err) {
    const struct rsw_curl *l = rsw_curl(err);
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
    return rsw_error_set(err, RSW_EIO, 0, "credentials for S3: %s answered something else", ask->url);
}

static int lend(struct rsw_s3_credentials *out, const struct ask *ask, const char *const fields[4],
                struct rsw_error *err) {
    int64_t until_ms;
    if (fields[0] == NULL || fields[1] == NULL || fields[2] == NULL || fields[3] == NULL ||
        !rsw_time_parse(&until_ms, fields[3], strlen(fields[3]))) {
        return senseless(ask, err);
    }
    if (rsw_s3_credentials_set(out, fields[0], fields[1], fields[2], err) != 0) {
        return RSW_FAILED;
    }
    out->until_ms = until_ms;
    return RSW_FOUND;
}

static int take_json(struct rsw_s3_credentials *out, const struct ask *ask, struct rsw_error *err) {
    json_t *root = json_loadb((const char *)ask->answer.data, ask->answer.len, 0, NULL);
    const char *const fields[4] = {json_string_value(json_object_get(root, "AccessKeyId")),
                                   json_string_value(json_object_get(root, "SecretAccessKey")),
                                   json_string_value(json_object_get(root, "Token")),
                                   json_string_value(json_object_get(root, "Expiration"))};
    int answer = lend(out, ask, fields, err);
    json_decref(root);
    return answer;
}

static int take_xml(struct rsw_s3_credentials *out, const struct ask *ask, struct rsw_error *err) {
    static const char *const names[4] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
    struct rsw_buf texts[4] = {RSW_BUF_INIT, RSW_BUF_INIT, RSW_BUF_INIT, RSW_BUF_INIT};
    const char *fields[4] = {NULL};
    int answer = RSW_FOUND;
    for (int i = 0; i < 4 && answer == RSW_FOUND; i++) {
        answer = rsw_s3_xml_find(&texts[i], ask->answer.data, ask->answer.len, names[i], err);
        fields[i] = answer == RSW_FOUND ? (const char *)texts[i].data : NULL;
    }
    answer = answer == RSW_FAILED ? answer : lend(out, ask, fields, err);
    for (int i = 0; i < 4; i++) {
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
    AUTO_ASK ask = {.method = "POST", .url = url, .form = (const char *)form.data, .timeout_ms = FAR_MS};
    return ask_for(&ask, err) == RSW_FOUND ? take_xml(out, &ask, err) : RSW_FAILED;
}

int rsw_s3_container_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err) {
    const char *relative = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *path = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *said = get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    RSW_AUTO_FREE char *url = NULL;
    RSW_AUTO_S3_SECRET token = RSW_BUF_INIT;
    RSW_AUTO_S3_SECRET header = RSW_BUF_INIT;
    if (!rsw_s3_is_set(relative) && !rsw_s3_is_set(full)) {
        return RSW_ABSENT;
    }
    if (asprintf(&url, "%s%s", rsw_s3_is_set(relative) ? CONTAINER_HOST : "",
                 rsw_s3_is_set(relative) ? relative : full) < 0) {
        url = NULL;
        return rsw_s3_no_memory(err);
    }
    if (rsw_s3_is_set(path) && read_token(&token, path, err) != RSW_FOUND) {
        return RSW_FAILED;
    }
    const char *text = rsw_s3_is_set(path) ? (const char *)token.data : said;
    if (rsw_s3_is_set(text) && rsw_buf_addf(&header, err, "Authorization: %s", text) != 0) {
        return RSW_FAILED;
    }
    AUTO_ASK ask = {.method = "GET",
                    .url = url,
                    .header = rsw_s3_is_set(text) ? (const char *)header.data : NULL,
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
                      .header = "x-aws-ec2-metadata-token-ttl-seconds: 300",
                      .timeout_ms = NEAR_MS};
    if (ask_for(&token, &nobody) != RSW_FOUND) {
        return nobody.code == RSW_ENOMEM ? rsw_s3_no_memory(err)
                                         : RSW_ABSENT; /* other clouds have something there too */
    }
    if (rsw_buf_addf(&header, err, "x-aws-ec2-metadata-token: %s", (const char *)token.answer.data) != 0) {
        return RSW_FAILED;
    }
    if (asprintf(&role_url, "%s" ROLE_PATH, host) < 0) {
        role_url = NULL;
        return rsw_s3_no_memory(err);
    }
    AUTO_ASK name = {
        .method = "GET", .url = role_url, .header = (const char *)header.data, .timeout_ms = NEAR_MS};
    if (ask_for(&name, err) != RSW_FOUND || name.answer.len == 0) {
        return rsw_error_set(err, RSW_EACCESS, 0, "credentials for S3: this instance has no role");
    }
    RSW_AUTO_FREE char *lender = NULL;
    if (asprintf(&lender, "%s%.*s", role_url, (int)strcspn((const char *)name.answer.data, "\r\n"),
                 (const char *)name.answer.data) < 0) {
        lender = NULL;
        return rsw_s3_no_memory(err);
    }
    AUTO_ASK ask = {
        .method = "GET", .url = lender, .header = (const char *)header.data, .timeout_ms = NEAR_MS};
    return ask_for(&ask, err) == RSW_FOUND ? take_json(out, &ask, err) : RSW_FAILED;
}

int rsw_s3_instance_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err) {
    const char *disabled = get("AWS_EC2_METADATA_DISABLED");
    const char *host = get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
        return RSW_ABSENT;
    }
    return ask_instance(out, rsw_s3_is_set(host) ? host : INSTANCE_HOST, err);
}
