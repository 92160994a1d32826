/* Manifests that contradict themselves, that nobody knows, that are damaged or made to hurt. */
#include "oci_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void unknown_json_names_every_string_that_is_a_digest(void **state) {
    (void)state;
    expect_refs("{'mediaType':'application/vnd.acme.v1+json','x':'" A "','y':[[['" B "']]],'z':{'" C
                "':{'w':'" D "'}},'n':'" A " ','s':'x" A "'}",
                false, "unknown a, unknown b, unknown c, unknown d");
    expect_refs("{}", false, "");
    expect_refs("{'schemaVersion':2}", false, "");
    expect_refs("{'schemaVersion':2,'digest':'" E "'}", false, "unknown e");
}

static void unknown_json_with_the_parts_of_a_manifest_is_read_as_both(void **state) {
    (void)state;
    expect_refs(
        "{'mediaType':'application/vnd.acme.v1+json','config':'" A "','layers':[{'digest':'" B
        "'},{'digest':5},'" C "'],'manifests':[" DESC(OCI_MANIFEST, D, "4") "],'subject':{'digest':'" E "'}}",
        false,
        "layer b (layer), child d (manifest) 4, unknown a, unknown b, unknown c, unknown d, unknown e");
}

static void json_that_is_no_manifest_does_not_pass_for_a_damaged_one(void **state) {
    (void)state;
    /* An image's configuration, and what BuildKit says of its cache. */
    expect_refs("{'architecture':'amd64','config':{'Env':['A=B']},'rootfs':{'type':'layers','diff_ids':['" A
                "']}}",
                false, "unknown a");
    expect_refs("{'layers':[{'blob':'" A "','parent':-1}],'records':[{'digest':'" B "'}]}", false,
                "unknown a, unknown b");
    expect_refs("{'schemaVersion':1,'fsLayers':'none'}", false, "");
    expect_refs("{'manifests':{'a':'" A "'}}", false, "unknown a");
}

static void a_type_that_contradicts_the_shape_costs_no_reference(void **state) {
    (void)state;
    /* The type says index, the fields say image, and the other way round. */
    expect_refs("{'mediaType':'" OCI_INDEX "','config':" PLAIN_CONFIG
                ",'layers':[" DESC(OCI_LAYER, B, "2") "]}",
                true, "config a (config) 1, layer b (layer) 2");
    expect_refs(IMAGE_OF(PLAIN_CONFIG, "",
                         ",'manifests':[" DESC(OCI_MANIFEST, B, "2") ",'junk'],'blobs':[{'digest':'" C
                                                                     "'}],'fsLayers':[{'blobSum':'" D "'}]"),
                true, "config a (config) 1, child b (manifest) 2, layer c (layer), layer d (layer)");
    expect_refs("{'schemaVersion':2,'config':" PLAIN_CONFIG ",'layers':[],'manifests':[{'digest':'" B "'}]}",
                true, "config a (config) 1, child b");
    expect_refs("{'mediaType':'" OCI_ARTIFACT "','config':" PLAIN_CONFIG ",'layers':[{'digest':'" B "'}]}",
                true, "config a (config) 1, layer b (layer)");
}

static void a_manifest_that_names_children_is_an_index_too(void **state) {
    (void)state;
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    assert_int_equal(
        parse_quoted(&manifest, IMAGE_OF(PLAIN_CONFIG, "", ",'manifests':[{'digest':'" B "'}]"), NULL), 0);
    assert_string_equal(types_text(manifest.types), "manifest,index");
}

static void fields_are_found_in_any_case_as_the_registry_finds_them(void **state) {
    (void)state;
    expect_refs("{'MEDIATYPE':'" OCI_MANIFEST "','Config':{'DIGEST':'" A "','Size':3},'LAYERS':[{'diGest':'" B
                "','MediaType':'application/vnd.in-toto+json','uRLs':['x']}]}",
                true, "config a (config) 3, foreign b (layer,attestation)");
    expect_refs("{'fslayers':[{'BlobSum':'" A "'}]}", true, "layer a (layer)");
    expect_refs("{'mediaType':'" OCI_INDEX "','MANIFESTS':[{'digest':'" A "'}]}", true, "child a");
    /* Go folds by Unicode: U+017F is an s. */
    expect_refs("{'mediaType':'" OCI_INDEX "','manifest\u017f':[{'dige\u017ft':'" A "'}]}", true, "child a");
    expect_refs("{'f\u017fLayer\u017f':[{'blob\u017fum':'" A "'}]}", true, "layer a (layer)");
    expect_refs("{'mediaType':'" OCI_INDEX "','manifests ':[{'digest':'" A "'}],'manifest':[{'digest':'" A
                "'}]}",
                true, "");
}

static void a_field_in_several_cases_is_taken_in_all_of_them(void **state) {
    (void)state;
    expect_refs(
        IMAGE_OF(PLAIN_CONFIG, "{'digest':'" B "','Digest':'" C "'}", ",'Layers':[{'digest':'" D "'}]"), true,
        "config a (config) 1, layer b (layer), layer c (layer), layer d (layer)");
    expect_refs(IMAGE_OF(PLAIN_CONFIG, "{'digest':'" B "'}", ",'Layers':null,'CONFIG':{'digest':'" E "'}"),
                true, "config a (config) 1, layer b (layer), config e (config)");
    expect_refs("{'MediaType':'application/vnd.acme','mediaType':'" OCI_INDEX "','manifests':[{'digest':'" A
                "'}]}",
                true, "child a");
    expect_refs("{'mediaType':'" OCI_INDEX "','MediaType':'application/vnd.acme','manifests':[{'digest':'" A
                "'}]}",
                true, "child a");
    expect_unreadable(
        IMAGE_OF(PLAIN_CONFIG, "", ",'subject':{'digest':'" A "'},'SUBJECT':{'digest':'" B "'}"),
        "more than one subject");
}

static void a_key_that_stands_twice_is_unreadable(void **state) {
    (void)state;
    expect_unreadable(IMAGE_OF(PLAIN_CONFIG, "", ",'layers':[{'digest':'" B "'}]"), "duplicate");
    expect_unreadable(IMAGE_OF("{'digest':'" A "','digest':'" B "'}", "", ""), "duplicate");
    /* The same key in another spelling. */
    expect_unreadable(IMAGE_OF(PLAIN_CONFIG, "", ",'l\\u0061yers':[{'digest':'" B "'}]"), "duplicate");
}

static void a_known_type_with_a_part_of_the_wrong_shape_is_unreadable(void **state) {
    (void)state;
    static const struct {
        const char *json;
        const char *why;
    } bad[] = {
        {"{'mediaType':5,'layers':[]}", "'mediaType' is no string"},
        {"{'mediaType':'" OCI_MANIFEST "','layers':[]}", "without 'config'"},
        {"{'mediaType':'" DOCKER_MANIFEST "','config':null,'layers':[]}", "without 'config'"},
        {IMAGE_OF("'" A "'", "", ""), "'config' has something other than objects"},
        {IMAGE_OF("{}", "", ""), "'config' has a descriptor without a valid 'digest'"},
        {IMAGE_OF("{'digest':null}", "", ""), "without a valid 'digest'"},
        {IMAGE_OF("{'digest':7}", "", ""), "without a valid 'digest'"},
        {IMAGE_OF("{'digest':'sha256:abc'}", "", ""), "without a valid 'digest'"},
        {IMAGE_OF("{'digest':'" SHA256("F") "'}", "", ""), "without a valid 'digest'"},
        {IMAGE_OF("{'digest':'md5:d41d8cd98f00b204e9800998ecf8427e'}", "", ""), "without a valid 'digest'"},
        {IMAGE_OF("{'digest':'" A "','Digest':'junk'}", "", ""), "without a valid 'digest'"},
        {IMAGE_OF(PLAIN_CONFIG, "null", ""), "'layers' has something other than objects"},
        {IMAGE_OF(PLAIN_CONFIG, "[]", ""), "'layers' has something other than objects"},
        {IMAGE_OF(PLAIN_CONFIG, "{'digest':'" A "'},{}", ""), "'layers' has a descriptor"},
        {IMAGE_OF(PLAIN_CONFIG, "", ",'subject':{}"), "'subject' has a descriptor"},
        {IMAGE_OF(PLAIN_CONFIG, "", ",'subject':'" A "'"), "'subject' has something"},
        {"{'mediaType':'" OCI_MANIFEST "','config':" PLAIN_CONFIG ",'layers':{}}", "'layers' is no array"},
        {"{'mediaType':'" OCI_INDEX "','manifests':'" A "'}", "'manifests' is no array"},
        {"{'mediaType':'" OCI_INDEX "','manifests':[{'platform':{}}]}", "'manifests' has a descriptor"},
        {"{'manifests':[{}]}", "'manifests' has a descriptor"},
        {"{'mediaType':'" ORAS_ARTIFACT "','blobs':[1]}", "'blobs' has something"},
        {"{'schemaVersion':1,'fsLayers':[{'blobSum':'tarsum.v1+sha256:aa'}]}", "valid 'blobSum'"},
        {"{'schemaVersion':1,'fsLayers':[{'digest':'" A "'}]}", "valid 'blobSum'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_unreadable(bad[i].json, bad[i].why);
    }
}

static void what_is_no_json_object_is_unreadable(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[]",
        "null",
        "'" A "'",
        "5",
        "{}{}",
        "{},",
        "{'a':}",
        "{'a':1,}",
        "\x1f\x8b\x08",
        "\xef\xbb\xbf{}",
        "{'a':01}",
        "{'a':1e999}",
        "{'a':99999999999999999999}",
        "<html>",
        "{'a':'b\n'}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_unreadable(bad[i], "");
    }
}

/* Go replaces these and reads on: what it then finds is kept, because all is. */
static void text_that_go_would_mend_is_unreadable(void **state) {
    (void)state;
    expect_unreadable(IMAGE_OF(PLAIN_CONFIG, "", ",'annotations':{'a':'\xff'}"), "unable to decode");
    expect_unreadable(IMAGE_OF(PLAIN_CONFIG, "", ",'annotations':{'a':'\xc0\xaf'}"), "unable to decode");
    expect_unreadable(IMAGE_OF(PLAIN_CONFIG, "", ",'annotations':{'a':'\\ud800'}"), "not JSON");
    expect_unreadable(IMAGE_OF(PLAIN_CONFIG, "", ",'annotations':{'a':'\\u0000'}"), "not JSON");
    expect_unreadable(IMAGE_OF(PLAIN_CONFIG, "", ",'annotations':{'\\u0000':'a'}"), "not JSON");
    struct rsw_manifest manifest;
    assert_int_equal(rsw_manifest_parse(&manifest, "{\"a\":\"\0\"}", 9, NULL), -1);
    assert_int_equal(rsw_manifest_parse(&manifest, "{}\0", 3, NULL), -1);
}

static void every_truncation_of_a_manifest_is_unreadable(void **state) {
    (void)state;
    static const char whole[] =
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"" A "\",\"size\":1},\"layers\":[]}";
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_manifest manifest;
        char *cut = malloc(len + 1);
        assert_non_null(cut);
        memcpy(cut, whole, len);
        assert_int_equal(rsw_manifest_parse(&manifest, cut, len, &err), -1);
        assert_int_equal(err.code, RSW_EINVAL);
        free(cut);
    }
}

static void odd_sizes_are_no_reason_to_lose_a_reference(void **state) {
    (void)state;
    expect_refs(IMAGE_OF("{'digest':'" A "','size':-5}",
                         "{'digest':'" B "','size':'7'},{'digest':'" C "','size':1.5},{'digest':'" D
                         "','size':9223372036854775807},{'digest':'" E "','size':null}",
                         ""),
                true,
                "config a (config), layer b (layer), layer c (layer), layer d (layer) 9223372036854775807, "
                "layer e (layer)");
}

static char *repeated(const char *text, size_t count, size_t *len) {
    size_t one = strlen(text);
    char *all = malloc(one * count + 1);
    assert_non_null(all);
    for (size_t i = 0; i < count; i++) {
        memcpy(all + i * one, text, one);
    }
    *len = one * count;
    all[*len] = 0;
    return all;
}

static void expect_refused(const char *unit, size_t count, const char *why) {
    size_t len;
    char *bytes = repeated(unit, count, &len);
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_manifest manifest;
    assert_int_equal(rsw_manifest_parse(&manifest, bytes, len, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    if (strstr(err.message, why) == NULL) {
        fail_msg("%zu times '%s': %s", count, unit, err.message);
    }
    free(bytes);
}

static void deep_nesting_is_an_error_and_no_crash(void **state) {
    (void)state;
    expect_refused("[", 100000, "depth");
    expect_refused("{\"a\":", 100000, "depth");
    expect_refused("{\"a\":[", 50000, "depth");
    expect_refused("[", RSW_MANIFEST_MAX, "values");
    expect_refused("[", RSW_MANIFEST_MAX + 1, "larger than any manifest");
}

static void the_deepest_document_that_can_be_read_is_read_to_its_bottom(void **state) {
    (void)state;
    const size_t depth = 2046;
    size_t len;
    char *open = repeated("[", depth, &len);
    char *close = repeated("]", depth, &len);
    open[depth] = 0;
    close[depth] = 0;
    char *bytes = malloc(2 * depth + 200);
    assert_non_null(bytes);
    int size = snprintf(bytes, 2 * depth + 200, "{\"x\":%s\"" A "\"%s}", open, close);
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    assert_int_equal(rsw_manifest_parse(&manifest, bytes, (size_t)size, NULL), 0);
    assert_string_equal(refs_text(&manifest), "unknown a");
    free(open);
    free(close);
    free(bytes);
}

static void a_bomb_of_empty_values_is_refused_before_it_takes_memory(void **state) {
    (void)state;
    expect_refused("{},", 1000000, "values");
    expect_refused("\"\\\"\",", 500000, "values");
}

/* Fills `size` bytes with a manifest of as many layers as fit. */
static size_t many_layers(char *bytes, size_t size, const char *format, size_t *layers) {
    size_t len = (size_t)snprintf(
        bytes, size, "{\"mediaType\":\"" OCI_MANIFEST "\",\"config\":{\"digest\":\"" A "\"},\"layers\":[");
    for (*layers = 0; len + 300 < size; (*layers)++) {
        len += (size_t)snprintf(bytes + len, size - len, format, *layers > 0 ? "," : "", *layers);
    }
    len += (size_t)snprintf(bytes + len, size - len, "]}");
    return len;
}

static void the_longest_honest_manifest_is_read_whole(void **state) {
    (void)state;
    static const char *const formats[] = {
        "%s{\"mediaType\":\"" OCI_LAYER "\",\"digest\":\"sha256:%064zx\",\"size\":1}",
        "%s{\"digest\":\"sha256:%064zx\"}",
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char *bytes = malloc(RSW_MANIFEST_MAX);
        assert_non_null(bytes);
        size_t layers;
        size_t len = many_layers(bytes, RSW_MANIFEST_MAX, formats[i], &layers);
        clock_t start = clock();
        RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
        assert_int_equal(rsw_manifest_parse(&manifest, bytes, len, NULL), 0);
        double ms = (double)(clock() - start) * 1000 / CLOCKS_PER_SEC;
        print_message("%zu layers in %zu bytes: %.1f ms\n", layers, len, ms);
        assert_int_equal(manifest.ref_count, layers + 1);
        free(bytes);
    }
}

static void repeated_layers_are_folded_without_quadratic_work(void **state) {
    (void)state;
    char *bytes = malloc(RSW_MANIFEST_MAX);
    assert_non_null(bytes);
    size_t layers;
    size_t len = many_layers(bytes, RSW_MANIFEST_MAX, "%s{\"digest\":\"" B "\",\"size\":%zu}", &layers);
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    assert_int_equal(rsw_manifest_parse(&manifest, bytes, len, NULL), 0);
    assert_string_equal(refs_text(&manifest), "config a (config), layer b (layer) 1");
    free(bytes);
}

static void an_error_object_is_not_needed(void **state) {
    (void)state;
    struct rsw_manifest manifest;
    assert_int_equal(parse_quoted(&manifest, "[]", NULL), -1);
    rsw_manifest_release(&manifest);
    rsw_manifest_release(&manifest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_json_names_every_string_that_is_a_digest),
        cmocka_unit_test(unknown_json_with_the_parts_of_a_manifest_is_read_as_both),
        cmocka_unit_test(json_that_is_no_manifest_does_not_pass_for_a_damaged_one),
        cmocka_unit_test(a_type_that_contradicts_the_shape_costs_no_reference),
        cmocka_unit_test(a_manifest_that_names_children_is_an_index_too),
        cmocka_unit_test(fields_are_found_in_any_case_as_the_registry_finds_them),
        cmocka_unit_test(a_field_in_several_cases_is_taken_in_all_of_them),
        cmocka_unit_test(a_key_that_stands_twice_is_unreadable),
        cmocka_unit_test(a_known_type_with_a_part_of_the_wrong_shape_is_unreadable),
        cmocka_unit_test(what_is_no_json_object_is_unreadable),
        cmocka_unit_test(text_that_go_would_mend_is_unreadable),
        cmocka_unit_test(every_truncation_of_a_manifest_is_unreadable),
        cmocka_unit_test(odd_sizes_are_no_reason_to_lose_a_reference),
        cmocka_unit_test(deep_nesting_is_an_error_and_no_crash),
        cmocka_unit_test(the_deepest_document_that_can_be_read_is_read_to_its_bottom),
        cmocka_unit_test(a_bomb_of_empty_values_is_refused_before_it_takes_memory),
        cmocka_unit_test(the_longest_honest_manifest_is_read_whole),
        cmocka_unit_test(repeated_layers_are_folded_without_quadratic_work),
        cmocka_unit_test(an_error_object_is_not_needed),
    };
    return cmocka_run_group_tests_name("odd manifests", tests, NULL, NULL);
}
