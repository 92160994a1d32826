/* Every kind of object: which images does it use? */
#include "workload_help.h"

#include "util/buf.h"
#include "util/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define D4 "sha256:4444444444444444444444444444444444444444444444444444444444444444"
/* '…' stands for "…" in the tables, OUR for our registry. */
#define POD(status, spec)                                                                                    \
    "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p','namespace':'n','creationTimestamp':"            \
    "'2026-11-28T07:00:00Z'},'status':" status ",'spec':" spec "}"
#define IMAGE(name) "{'containers':[{'name':'c','image':'OUR/" name "'}]}"
#define OF(version, kind, rest)                                                                              \
    "{'apiVersion':'" version "','kind':'" kind "','metadata':{'name':'o','namespace':'n'}," rest "}"
#define TEMPLATE(name) "'spec':{'template':{'spec':" IMAGE(name) "}}"

/* The text with its quotes and our registry put in; the caller's. */
static char *written(const char *text) {
    struct rsw_buf buf = RSW_BUF_INIT;
    for (; *text != 0; text++) {
        bool ours = strncmp(text, "OUR/", 4) == 0;
        const char *add = *text == '\'' ? "\"" : ours ? OURS "/" : text;
        size_t len = *text == '\'' ? 1 : ours ? strlen(add) : 1;
        assert_int_equal(rsw_buf_add(&buf, add, len, NULL), 0);
        text += ours ? 3 : 0;
    }
    return (char *)buf.data;
}

static void walk(struct walked *walked, const char *text) {
    RSW_AUTO_FREE char *json = written(text);
    if (read_words(walked, json) != 0) {
        fail_msg("%s: %s", text, walked->err.message);
    }
}

struct expected {
    const char *text, *pins;
};

static void check_all(const struct expected *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        void *state;
        walked_setup(&state);
        struct walked *walked = state;
        walk(walked, cases[i].text);
        if (strcmp(found_pins(walked), cases[i].pins) != 0 || walked->uses.bad_count != 0) {
            fail_msg("%s\nfound %s\nbad %s", cases[i].text, walked->lines,
                     walked->uses.bad_count > 0 ? walked->uses.bad[0] : "none");
        }
        walked_teardown(&state);
    }
}
#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof *(cases))

static void pods_use_what_all_their_containers_name_and_run(void **state) {
    static const struct expected cases[] = {
        {POD("{}", IMAGE("a:1")), "a:1\n"},
        {POD("null", IMAGE("a")), "a:latest\n"},
        {POD("{'phase':'Running'}", "{'containers':[{'image':'OUR/a:1'},{'image':'b'}],'initContainers':[{"
                                    "'image':'OUR/i:1'}],'ephemeralContainers':[{'image':'OUR/e:1'}]}"),
         "a:1\ne:1\ni:1\n"},
        {POD("{}",
             "{'containers':[{'image':'OUR/a:1'}],'initContainers':null,'volumes':[{'name':'v','image':{"
             "'reference':'OUR/v:1'}},{'name':'t','emptyDir':{}},{'image':{}}]}"),
         "a:1\nv:1\n"},
        {POD("{'containerStatuses':[{'image':'OUR/a:1','imageID':'docker-pullable://OUR/a@" D1
             "'}],'initContainerStatuses':[{'image':'x','imageID':'OUR/i@" D2
             "'}],'ephemeralContainerStatuses':[{'image':'x','imageID':'" D3 "'}]}",
             IMAGE("a:1")),
         D3 "\na@" D1 "\na:1\ni@" D2 "\n"},
        {POD("{'containerStatuses':[{'image':'OUR/b:moved','imageID':''}]}", IMAGE("a:1")), "a:1\nb:moved\n"},
        {POD("{}", IMAGE("a:1@" D1)), "a@" D1 "\na:1\n"},
    };
    (void)state;
    CHECK_ALL(cases);
}

static void finished_pods_use_nothing_unless_they_are_young(void **state) {
    static const struct expected cases[] = {
        {POD("{'phase':'Succeeded'}", IMAGE("a:1")), ""},
        {POD("{'phase':'Failed'}", IMAGE("a:1")), ""},
        {POD("{'phase':'Failed'}", "{}"), ""}, /* whatever else is wrong with it */
        {POD("{'phase':'Running'}", IMAGE("a:1")), "a:1\n"},
        {POD("{'phase':'Pending'}", IMAGE("a:1")), "a:1\n"},
        {POD("{'phase':'Unknown'}", IMAGE("a:1")), "a:1\n"},
        {POD("{'phase':'Evicted'}", IMAGE("a:1")), "a:1\n"},
        /* At nine o'clock. */
        {"{'apiVersion':'v1','kind':'Pod','metadata':{'creationTimestamp':'2026-11-28T08:00:01Z'},'status':{"
         "'phase':'Succeeded'},'spec':" IMAGE("a:1") "}",
         "a:1\n"},
        {"{'apiVersion':'v1','kind':'Pod','metadata':{'creationTimestamp':'2026-11-28T08:00:00Z'},'status':{"
         "'phase':'Succeeded'},'spec':" IMAGE("a:1") "}",
         ""},
        {"{'apiVersion':'v1','kind':'Pod','metadata':{'creationTimestamp':'2036-11-28T08:00:00Z'},'status':{"
         "'phase':'Succeeded'},'spec':" IMAGE("a:1") "}",
         "a:1\n"},
        {"{'apiVersion':'v1','kind':'Pod','metadata':{'creationTimestamp':'yesterday'},'status':{"
         "'phase':'Succeeded'},'spec':" IMAGE("a:1") "}",
         "a:1\n"},
        {"{'apiVersion':'v1','kind':'Pod','metadata':{},'status':{'phase':'Succeeded'},'spec':" IMAGE(
             "a:1") "}",
         "a:1\n"},
    };
    (void)state;
    CHECK_ALL(cases);
}

static void templates_use_what_pods_made_of_them_would(void **state) {
    static const struct expected cases[] = {
        {OF("v1", "ReplicationController", TEMPLATE("a:1")), "a:1\n"},
        {OF("apps/v1", "ReplicaSet", "'spec':{'replicas':0,'template':{'spec':" IMAGE("a:1") "}}"), "a:1\n"},
        {OF("apps/v1", "Deployment", TEMPLATE("a:1")), "a:1\n"},
        {OF("extensions/v1beta1", "Deployment", TEMPLATE("a:1")), "a:1\n"},
        {OF("apps/v1", "DaemonSet", TEMPLATE("a:1")), "a:1\n"},
        {OF("apps/v1", "StatefulSet", TEMPLATE("a:1")), "a:1\n"},
        {OF("apps/v1", "ControllerRevision", "'data':{" TEMPLATE("a:1") "}"), "a:1\n"},
        {OF("apps/v1", "ControllerRevision", "'data':{'anything':1}"), ""},
        {OF("batch/v1", "Job", TEMPLATE("a:1")), "a:1\n"},
        {OF("batch/v1", "CronJob", "'spec':{'jobTemplate':{" TEMPLATE("a:1") "}}"), "a:1\n"},
        {OF("v1", "PodTemplate", "'template':{'spec':" IMAGE("a:1") "}"), "a:1\n"},
        {OF("apps.openshift.io/v1", "DeploymentConfig", TEMPLATE("a:1")), "a:1\n"},
        {OF("v1", "DeploymentConfig", TEMPLATE("a:1")), "a:1\n"},
        {OF("apps.openshift.io/v1", "DeploymentConfig",
            "'spec':{'strategy':{'customParams':{'image':'OUR/s:1'}},'template':{'spec':" IMAGE("a:1") "}}"),
         "a:1\ns:1\n"},
        /* The image is to be filled in by a trigger. */
        {OF("apps/v1", "Deployment", "'spec':{'template':{'spec':{'containers':[{'image':' '},{}]}}}"), ""},
        /* Kinds of somebody else. */
        {OF("argoproj.io/v1alpha1", "Rollout", TEMPLATE("a:1")), "a:1\n"},
        {OF("apps.kruise.io/v1", "CronJob", "'spec':{'jobTemplate':{" TEMPLATE("a:1") "}}"), "a:1\n"},
        {OF("bitnami.com/v1", "SealedSecret", "'spec':{'template':{'metadata':{}}}"), ""},
        {OF("v1", "ConfigMap", "'data':{'image':'OUR/a:1'}"), ""},
        {OF("config.openshift.io/v1", "Image", "'spec':{}"), ""},
        {OF("shipwright.io/v1beta1", "Build", "'spec':{'strategy':{'name':'x'}}"), ""},
    };
    (void)state;
    CHECK_ALL(cases);
}

#define BUILD(strategy) OF("build.openshift.io/v1", "BuildConfig", "'spec':{'strategy':{" strategy "}}")

static void builds_use_what_they_are_made_from_and_make(void **state) {
    static const struct expected cases[] = {
        {BUILD("'sourceStrategy':{'from':{'kind':'DockerImage','name':'OUR/a:1'}}"), "a:1\n"},
        {BUILD("'sourceStrategy':{'from':{'kind':'DockerImage','name':'a:1'}}"), ""},
        {BUILD("'customStrategy':{'from':{'kind':'ImageStreamTag','name':'s:1'}}"), "n/s:1\n"},
        {BUILD("'dockerStrategy':{'from':{'kind':'ImageStreamTag','namespace':'o','name':'s:1'}}"),
         "o/s:1\n"},
        {BUILD("'dockerStrategy':{'from':{'kind':'ImageStreamImage','name':'s@" D1 "'}}"), "n/s@" D1 "\n"},
        {BUILD("'dockerStrategy':{}"), ""},
        {BUILD("'jenkinsPipelineStrategy':{'jenkinsfile':'node{}'}"), ""},
        {OF("build.openshift.io/v1", "Build",
            "'spec':{'strategy':{'dockerStrategy':{}},'source':{'images':[{'from':{'kind':'DockerImage','"
            "name':"
            "'OUR/a:1'}}]},'output':{'to':{'kind':'ImageStreamTag','name':'s:2'}}},'status':{"
            "'outputDockerImageReference':'OUR/n/s:3'}"),
         "a:1\nn/s:2\nn/s:3\n"},
    };
    (void)state;
    CHECK_ALL(cases);
}

#define ITEM(digest) "{'image':'" digest "','dockerImageReference':'OUR/n/s@" digest "'}"
#define STREAM(tags) OF("image.openshift.io/v1", "ImageStream", "'status':{'tags':" tags "}")

static void streams_use_the_last_images_of_each_tag(void **state) {
    static const struct expected cases[] = {
        {STREAM("[{'tag':'t','items':[" ITEM(D1) "]}]"), D1 "\nn/s@" D1 "\n"},
        {STREAM("[{'tag':'t','items':[" ITEM(D1) "," ITEM(D2) "," ITEM(D3) "," ITEM(D4) "]}]"),
         D1 "\n" D2 "\n" D3 "\nn/s@" D1 "\nn/s@" D2 "\nn/s@" D3 "\n"},
        {STREAM("[{'tag':'t','items':[{'image':'" D1 "','dockerImageReference':'quay.io/a@" D1 "'}]}]"),
         D1 "\n"},
        {STREAM("[{'tag':'t','items':null}]"), ""},
        {STREAM("null"), ""},
        {OF("v1", "ImageStream",
            "'spec':{'tags':[{'name':'t','from':{'kind':'DockerImage','name':'OUR/a:1'}},{"
            "'name':'u','from':{'kind':'ImageStreamTag','name':'t'}}]}"),
         "a:1\n"},
    };
    (void)state;
    CHECK_ALL(cases);
    void *other;
    walked_setup(&other);
    struct walked *walked = other;
    walked->walk.revisions = 0;
    walk(walked, cases[1].text);
    found_pins(walked);
    assert_int_equal(walked->uses.count, 8);
    walked_teardown(&other);
}

#define IMAGE_OBJECT(rest)                                                                                   \
    "{'apiVersion':'image.openshift.io/v1','kind':'Image','metadata':{'name':'" D1 "'}," rest "}"

static void images_need_all_that_they_are_made_of(void **state) {
    static const struct expected cases[] = {
        {IMAGE_OBJECT("'dockerImageReference':'OUR/a@" D1 "','dockerImageLayers':[{'name':'" D2 "'}]"),
         D1 "\n" D2 "\na@" D1 "\n"},
        {IMAGE_OBJECT("'dockerImageLayers':null,'dockerImageMetadata':{'Id':'" D2 "'}"), D1 "\n" D2 "\n"},
        {IMAGE_OBJECT("'dockerImageMetadata':{'Id':'0123'}"), D1 "\n"}, /* of schema 1 */
        {IMAGE_OBJECT("'dockerImageManifests':[{'digest':'" D2 "'},{'digest':'" D3 "'}]"),
         D1 "\n" D2 "\n" D3 "\n"},
        {IMAGE_OBJECT("'dockerImageManifest':'{\\\"schemaVersion\\\":2,\\\"mediaType\\\":\\\"application/"
                      "vnd.docker.distribution.manifest.v2+json\\\",\\\"config\\\":{\\\"digest\\\":\\\"" D2
                      "\\\"},\\\"layers\\\":[{\\\"digest\\\":\\\"" D3 "\\\"}]}'"),
         D1 "\n" D2 "\n" D3 "\n"},
        /* The digests of "{}", and of "a", "ab" and "abc" in base64. */
        {IMAGE_OBJECT("'dockerImageConfig':'{}'"),
         D1 "\nsha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n"},
        {IMAGE_OBJECT("'dockerImageSignatures':['YQ==']"),
         D1 "\nsha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\n"},
        {IMAGE_OBJECT("'dockerImageSignatures':['YWI=']"),
         D1 "\nsha256:fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603\n"},
        {IMAGE_OBJECT("'dockerImageSignatures':['YWJj']"),
         D1 "\nsha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"},
    };
    (void)state;
    CHECK_ALL(cases);
}

/* Whatever cannot be read is told with where it stands; what can be read beside it still counts. */
static void what_cannot_be_read_is_told_with_its_place(void **state) {
    static const struct {
        const char *text, *bad;
    } cases[] = {
        {POD("{}", "{'containers':[{'name':'c','image':'App'}]}"),
         "Pod n/p container c: image \"App\": repository"},
        {POD("{}", "{'containers':[{'name':'c'}]}"), "Pod n/p container c: image is missing"},
        {POD("{}", "{'containers':[{'name':'c','image':' '}]}"), "Pod n/p container c: image is missing"},
        {POD("{}", "{'containers':[{'name':'c','image':7}]}"), "Pod n/p container c: image is no text"},
        {POD("{}", "{'containers':[{'name':'c','image':'OUR/a\\u0000:1'}]}"),
         "container c: image is no text"},
        {POD("{}", "{'containers':[]}"), "Pod n/p: it has no containers"},
        {POD("{}", "{'containers':{}}"), "Pod n/p: containers is no list"},
        {POD("{}", "{'containers':['a']}"), "Pod n/p: containers has something that is no object"},
        {POD("{}", "null"), "Pod n/p: it has no containers"},
        {POD("{'containerStatuses':[{'name':'c','imageID':'docker-pullable://x@'}]}", IMAGE("a:1")),
         "Pod n/p container c: image \"docker-pullable://x@\": digest"},
        {POD("{'containerStatuses':7}", IMAGE("a:1")), "Pod n/p: containerStatuses is no list"},
        {OF("apps/v1", "Deployment", "'spec':{}"), "Deployment n/o: it has no spec.template.spec"},
        {OF("apps/v1", "Deployment", "'spec':{'template':{'spec':{}}}"),
         "Deployment n/o: it has no containers"},
        {OF("batch/v1", "CronJob", "'spec':{}"),
         "CronJob n/o: it has no spec.jobTemplate.spec.template.spec"},
        {OF("x.io/v1", "Thing", "'spec':{'template':{'spec':{'containers':'x'}}}"),
         "Thing n/o: containers is no list"},
        {BUILD("'dockerStrategy':{'from':{'kind':'ImageStreamTag','name':'s'}}"),
         "BuildConfig n/o strategy: ImageStreamTag \"s\" names no image"},
        {BUILD("'dockerStrategy':{'from':{'name':'s:1'}}"),
         "a reference without kind \"s:1\" names no image"},
        {BUILD("'dockerStrategy':{'from':{'kind':'ImageStreamTag','name':'S:1'}}"), "\"n/S:1\": repository"},
        {BUILD("'newStrategy':{}"), "BuildConfig n/o: it has no spec.strategy that we know"},
        {STREAM("[{'tag':'t','items':[{'image':'x'}]}]"), "ImageStream n/o tag t: image \"x\" is no digest"},
        {STREAM("[{'tag':'t','items':[7]}]"), "ImageStream n/o tag t: image \"\" is no digest"},
        {STREAM("[{'tag':'t','items':{}}]"), "ImageStream n/o: the items of a tag are no list"},
        {STREAM("{}"), "ImageStream n/o: tags is no list"},
        {"{'apiVersion':'v1','kind':'Image','metadata':{'name':'x'}}",
         "Image x manifest: \"x\" is no digest"},
        {IMAGE_OBJECT("'dockerImageLayers':[{}]"), "layer: \"\" is no digest"},
        {IMAGE_OBJECT("'dockerImageManifest':'{'"), "manifest: dockerImageManifest: "},
        {IMAGE_OBJECT("'dockerImageConfig':{}"), "it is not as image.openshift.io/v1 has it"},
        {IMAGE_OBJECT("'dockerImageSignatures':['a']"), "signature: it is no base64"},
        {IMAGE_OBJECT("'dockerImageSignatures':['YQ=']"), "signature: it is no base64"},
        {IMAGE_OBJECT("'dockerImageSignatures':['Y-==']"), "signature: it is no base64"},
        {IMAGE_OBJECT("'dockerImageSignatures':[7]"), "signature: it is no base64"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *other;
        walked_setup(&other);
        struct walked *walked = other;
        walk(walked, cases[i].text);
        if (walked->uses.bad_count != 1 || strstr(walked->uses.bad[0], cases[i].bad) == NULL) {
            fail_msg("%s\nsaid %s", cases[i].text,
                     walked->uses.bad_count > 0 ? walked->uses.bad[0] : "nothing");
        }
        walked_teardown(&other);
    }
}

static void read_file(struct walked *walked, const char *name) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    char path[256];
    char part[4096];
    size_t got;
    snprintf(path, sizeof path, "%s/workload/%s.json", REGSWEEP_TEST_DATA, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((got = fread(part, 1, sizeof part, file)) > 0) {
        assert_int_equal(rsw_buf_add(&bytes, part, got, NULL), 0);
    }
    fclose(file);
    if (read_text(walked, (const char *)bytes.data, bytes.len, 1000, NULL) != 0) {
        fail_msg("%s: %s", name, walked->err.message);
    }
    assert_int_equal(walked->uses.bad_count, 0);
}

static bool has(struct walked *walked, const char *pin) {
    const char *at = strstr(found_pins(walked), pin);
    return at != NULL && (at == walked->lines || at[-1] == '\n') && at[strlen(pin)] == '\n';
}

static void lists_as_kubectl_prints_them_are_read(void **state) {
    struct walked *walked = *state;
    static const char *const used[] = {"shop/web:1.4.2",     "shop/web:1.4.1",      "shop/cart:2.0",
                                       "shop/search:latest", "shop/report:nightly", "shop/asleep:1",
                                       "tools/debug:latest", "models/ranking:3",    "infra/legacy:0.9",
                                       "infra/agent:5",      "shop/import:7"};
    read_file(walked, "pods");
    assert_false(has(walked, "shop/report:nightly")); /* finished */
    assert_int_equal(walked->uses.finished, 1);
    read_file(walked, "controllers");
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        if (!has(walked, used[i])) {
            fail_msg("%s is not among %s", used[i], walked->lines);
        }
    }
    assert_int_equal(walked->uses.objects, 16);
    assert_int_equal(walked->uses.passed_over, 0);
}

static void lists_as_oc_prints_them_are_read(void **state) {
    struct walked *walked = *state;
    read_file(walked, "openshift");
    found_pins(walked);
    assert_int_equal(walked->uses.objects, 11);
    assert_int_equal(walked->uses.count, 25);
    assert_true(has(walked, "store/assets:2"));
    assert_true(has(walked, "openshift/nodejs:18"));
    read_file(walked, "others");
    assert_int_equal(walked->uses.passed_over, 3);
    assert_true(has(walked, "shop/pay:3"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, walked_setup, walked_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_use_what_all_their_containers_name_and_run),
        cmocka_unit_test(finished_pods_use_nothing_unless_they_are_young),
        cmocka_unit_test(templates_use_what_pods_made_of_them_would),
        cmocka_unit_test(builds_use_what_they_are_made_from_and_make),
        cmocka_unit_test(streams_use_the_last_images_of_each_tag),
        cmocka_unit_test(images_need_all_that_they_are_made_of),
        cmocka_unit_test(what_cannot_be_read_is_told_with_its_place),
        TEST(lists_as_kubectl_prints_them_are_read),
        TEST(lists_as_oc_prints_them_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
