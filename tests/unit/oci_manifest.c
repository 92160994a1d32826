/* Every kind of manifest, as their writers make them. */
#include "oci_help.h"

#include <stdio.h>
#include <string.h>

struct sample {
    const char *json;
    const char *media_type;
    const char *artifact_type;
    const char *types;
    const char *refs;
};

static void expect_sample(const struct sample *sample) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    if (parse_quoted(&manifest, sample->json, &err) != 0) {
        fail_msg("%s\nis unreadable: %s", sample->json, err.message);
    }
    assert_string_equal(refs_text(&manifest), sample->refs);
    assert_string_equal(manifest.media_type, sample->media_type);
    assert_string_equal(manifest.artifact_type, sample->artifact_type);
    assert_string_equal(types_text(manifest.types), sample->types);
    assert_true(manifest.known);
}

static void expect_samples(const struct sample *samples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        expect_sample(&samples[i]);
    }
}

#define EXPECT_SAMPLES(samples) expect_samples(samples, sizeof(samples) / sizeof *(samples))

#define SCHEMA1(more)                                                                                        \
    "{'schemaVersion':1,'name':'a/b','tag':'v','architecture':'amd64','fsLayers':[{'blobSum':'" A            \
    "'},{'blobSum':'" B "'},{'blobSum':'" A "'}],'history':[{'v1Compatibility':'{\\'id\\':\\'" C             \
    "\\'}'},{'v1Compatibility':'" C "'}]" more "}"

static void docker_schema_1_names_its_layers_once_and_not_its_history(void **state) {
    (void)state;
    static const struct sample samples[] = {
        {SCHEMA1(""), DOCKER "distribution.manifest.v1+json", "", "manifest",
         "layer a (layer), layer b (layer)"},
        {SCHEMA1(",'signatures':[{'header':{'alg':'ES256','jwk':{'kid':'" D
                 "'}},'signature':'x','protected':'y'}]"),
         DOCKER "distribution.manifest.v1+prettyjws", "", "manifest", "layer a (layer), layer b (layer)"},
        {"{'mediaType':'" DOCKER "distribution.manifest.v1+json','schemaVersion':1,'fsLayers':null}",
         DOCKER "distribution.manifest.v1+json", "", "manifest", ""},
    };
    EXPECT_SAMPLES(samples);
}

static void docker_schema_2_names_config_and_layers(void **state) {
    (void)state;
    static const struct sample samples[] = {
        {"{'schemaVersion':2,'mediaType':'" DOCKER_MANIFEST
         "','config':" DESC(DOCKER_CONFIG, A, "7023") ",'layers':[" DESC(DOCKER_LAYER, B, "32654") "," DESC(
             DOCKER_LAYER, C, "16724") "]}",
         DOCKER_MANIFEST, "", "manifest",
         "config a (config) 7023, layer b (layer) 32654, layer c (layer) 16724"},
        {"{'schemaVersion':2,'mediaType':'" DOCKER_MANIFEST
         "','config':" DESC("application/octet-stream", A, "1") ",'layers':null}",
         DOCKER_MANIFEST, "", "manifest", "config a (config) 1"},
        {"{'schemaVersion':2,'mediaType':'" DOCKER_MANIFEST
         "','config':" DESC(DOCKER "plugin.v1+json", A, "1") ",'layers':[" DESC(DOCKER_LAYER, B, "1") "]}",
         DOCKER_MANIFEST, DOCKER "plugin.v1+json", "manifest,other",
         "config a (config) 1, layer b (layer,other) 1"},
    };
    EXPECT_SAMPLES(samples);
}

static void an_index_names_its_children(void **state) {
    (void)state;
    static const struct sample samples[] = {
        {"{'schemaVersion':2,'mediaType':'" DOCKER_LIST "','manifests':[{'mediaType':'" DOCKER_MANIFEST
         "','digest':'" A "','size':7143,'platform':{'architecture':'ppc64le','os':'linux'}}]}",
         DOCKER_LIST, "", "index", "child a (manifest) 7143"},
        {"{'schemaVersion':2,'mediaType':'" OCI_INDEX
         "','manifests':[" DESC(OCI_MANIFEST, A, "1") "," DESC(OCI_INDEX, B, "2") ",{'digest':'" C "'}]}",
         OCI_INDEX, "", "index", "child a (manifest) 1, child b (index) 2, child c"},
        {"{'schemaVersion':2,'mediaType':'" OCI_INDEX "','manifests':[]}", OCI_INDEX, "", "index", ""},
        {"{'schemaVersion':2,'mediaType':'" OCI_INDEX "','manifests':null}", OCI_INDEX, "", "index", ""},
    };
    EXPECT_SAMPLES(samples);
}

static void an_index_can_be_a_referrer(void **state) {
    (void)state;
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    assert_int_equal(parse_quoted(&manifest,
                                  "{'schemaVersion':2,'mediaType':'" OCI_INDEX
                                  "','artifactType':'application/vnd.acme','manifests':[" DESC(
                                      OCI_MANIFEST, A, "1") "],'subject':" DESC(OCI_MANIFEST, B, "2") "}",
                                  NULL),
                     0);
    assert_string_equal(refs_text(&manifest), "child a (manifest) 1, subject b 2");
    assert_string_equal(types_text(manifest.types), "index,other");
    assert_true(manifest.has_subject);
    assert_int_equal(manifest.subject.bytes[0], 0xbb);
}

static void layers_in_an_index_are_layers_as_in_buildkits_cache(void **state) {
    (void)state;
    expect_refs("{'schemaVersion':2,'mediaType':'" OCI_INDEX "','manifests':[" DESC(
                    OCI_LAYER, A, "1") "," DESC("application/vnd.buildkit.cacheconfig.v0", B,
                                                "2") "," DESC("application/vnd.acme.thing", C, "3") "]}",
                true, "layer a (layer) 1, layer b (config) 2, child c 3");
}

static void a_child_that_might_be_a_manifest_is_read_as_one(void **state) {
    (void)state;
    expect_refs("{'mediaType':'" OCI_INDEX "','manifests':["
                "{'mediaType':'application/vnd.acme.signature.manifest+json','digest':'" A
                "'},{'mediaType':5,'digest':'" B "'},{'mediaType':'application/json','digest':'" C "'}]}",
                true, "child a (signature), child b, child c");
    /* Whatever the index calls it, the registry gives it out as a manifest. */
    expect_refs("{'mediaType':'" OCI_INDEX
                "','manifests':[" DESC("application/vnd.acme.signature.v1+json", A,
                                       "1") "," DESC("application/vnd.cncf.helm.config.v1+json", B, "2") "]}",
                true, "child a (signature) 1, child b (other) 2");
}

static void oci_manifests_and_indexes_without_media_type_are_known_by_their_shape(void **state) {
    (void)state;
    static const struct sample samples[] = {
        {"{'schemaVersion':2,'config':" PLAIN_CONFIG ",'layers':[" DESC(OCI_LAYER, B, "2") "]}", OCI_MANIFEST,
         "", "manifest", "config a (config) 1, layer b (layer) 2"},
        {"{'config':" PLAIN_CONFIG ",'layers':[]}", OCI_MANIFEST, "", "manifest", "config a (config) 1"},
        {"{'schemaVersion':2,'config':" PLAIN_CONFIG "}", OCI_MANIFEST, "", "manifest",
         "config a (config) 1"},
        {"{'schemaVersion':2,'mediaType':'','config':" PLAIN_CONFIG ",'layers':null}", OCI_MANIFEST, "",
         "manifest", "config a (config) 1"},
        {"{'schemaVersion':2,'mediaType':null,'manifests':[" DESC(OCI_MANIFEST, A, "1") "]}", OCI_INDEX, "",
         "index", "child a (manifest) 1"},
    };
    EXPECT_SAMPLES(samples);
}

static void artifact_manifests_name_blobs_and_subject(void **state) {
    (void)state;
    static const struct sample samples[] = {
        {"{'mediaType':'" OCI_ARTIFACT "','artifactType':'application/vnd.example.sbom.v1','blobs':[" DESC(
             "application/gzip", A, "123") "],'subject':" DESC(OCI_MANIFEST, B, "1234") "}",
         OCI_ARTIFACT, "application/vnd.example.sbom.v1", "manifest,sbom",
         "layer a (layer,sbom) 123, subject b 1234"},
        {"{'mediaType':'" ORAS_ARTIFACT "','artifactType':'signature/example','blobs':[" DESC(
             "application/tar", A, "1") "],'subject':" DESC(OCI_MANIFEST, B, "2") "}",
         ORAS_ARTIFACT, "signature/example", "manifest,signature",
         "layer a (layer,signature) 1, subject b 2"},
        {"{'mediaType':'" OCI_ARTIFACT "'}", OCI_ARTIFACT, "", "manifest", ""},
    };
    EXPECT_SAMPLES(samples);
}

static void a_subject_is_told_and_its_absence_too(void **state) {
    (void)state;
    RSW_AUTO_MANIFEST with = RSW_MANIFEST_INIT;
    assert_int_equal(parse_quoted(&with, IMAGE_OF(PLAIN_CONFIG, "", ",'subject':{'digest':'" E "'}"), NULL),
                     0);
    assert_true(with.has_subject);
    assert_int_equal(with.subject.bytes[31], 0xee);
    RSW_AUTO_MANIFEST without = RSW_MANIFEST_INIT;
    assert_int_equal(parse_quoted(&without, IMAGE_OF(PLAIN_CONFIG, "", ",'subject':null"), NULL), 0);
    assert_false(without.has_subject);
    assert_int_equal(without.subject.alg, 0);
}

static void docker_manifests_have_no_subject(void **state) {
    (void)state;
    expect_refs("{'schemaVersion':2,'mediaType':'" DOCKER_MANIFEST "','config':" PLAIN_CONFIG
                ",'layers':[],'subject':" DESC(OCI_MANIFEST, B, "1") "}",
                true, "config a (config) 1");
}

static void signatures_attestations_and_sboms_are_told_apart(void **state) {
    (void)state;
    static const struct sample samples[] = {
        /* cosign sign */
        {IMAGE_OF(PLAIN_CONFIG, DESC("application/vnd.dev.cosign.simplesigning.v1+json", B, "2"), ""),
         OCI_MANIFEST, "", "manifest,signature", "config a (config) 1, layer b (layer,signature) 2"},
        /* cosign attest --type spdxjson */
        {IMAGE_OF(PLAIN_CONFIG,
                  "{'mediaType':'application/vnd.dsse.envelope.v1+json','digest':'" B
                  "','annotations':{'predicateType':'https://spdx.dev/Document'}}",
                  ""),
         OCI_MANIFEST, "", "manifest,attestation,sbom",
         "config a (config) 1, layer b (layer,attestation,sbom)"},
        /* cosign attach sbom */
        {IMAGE_OF(PLAIN_CONFIG, DESC("text/spdx+json", B, "2"), ""), OCI_MANIFEST, "", "manifest,sbom",
         "config a (config) 1, layer b (layer,sbom) 2"},
        /* cosign 3: a sigstore bundle as a referrer */
        {IMAGE_OF(DESC(OCI_EMPTY, EMPTY, "2"), DESC("application/vnd.dev.sigstore.bundle.v0.3+json", B, "2"),
                  ",'artifactType':'application/vnd.dev.sigstore.bundle.v0.3+json',"
                  "'annotations':{'dev.sigstore.bundle.content':'dsse-envelope'}"),
         OCI_MANIFEST, "application/vnd.dev.sigstore.bundle.v0.3+json", "manifest,signature,attestation",
         "config empty (config) 2, layer b (layer,signature,attestation) 2"},
        /* notation sign */
        {IMAGE_OF(DESC("application/vnd.cncf.notary.signature", EMPTY, "2"),
                  DESC("application/jose+json", B, "2"), ",'subject':" DESC(OCI_MANIFEST, C, "3")),
         OCI_MANIFEST, "application/vnd.cncf.notary.signature", "manifest,signature",
         "config empty (config) 2, layer b (layer,signature) 2, subject c 3"},
        /* docker buildx --attest */
        {IMAGE_OF(PLAIN_CONFIG, DESC("application/vnd.in-toto+json", B, "2"), ""), OCI_MANIFEST, "",
         "manifest,attestation", "config a (config) 1, layer b (layer,attestation) 2"},
        {"{'mediaType':'" OCI_INDEX "','manifests':[{'mediaType':'" OCI_MANIFEST "','digest':'" B
         "','annotations':{'vnd.docker.reference.type':'attestation-manifest','vnd.docker.reference.digest':"
         "'" C "'}},{'mediaType':'" OCI_MANIFEST
         "','artifactType':'application/vnd.cncf.notary.signature','digest':'" D "'}]}",
         OCI_INDEX, "", "index", "child b (manifest,attestation), child d (manifest,signature)"},
    };
    EXPECT_SAMPLES(samples);
}

static void artifacts_that_we_have_no_word_for_are_other(void **state) {
    (void)state;
    static const struct sample samples[] = {
        {IMAGE_OF(DESC("application/vnd.cncf.helm.config.v1+json", A, "1"),
                  DESC("application/vnd.cncf.helm.chart.content.v1.tar+gzip", B, "2"), ""),
         OCI_MANIFEST, "application/vnd.cncf.helm.config.v1+json", "manifest,other",
         "config a (config) 1, layer b (layer,other) 2"},
        {IMAGE_OF(DESC(OCI_EMPTY, EMPTY, "2"), DESC("text/plain", B, "2"),
                  ",'artifactType':'application/vnd.acme'"),
         OCI_MANIFEST, "application/vnd.acme", "manifest,other",
         "config empty (config) 2, layer b (layer,other) 2"},
        {IMAGE_OF(PLAIN_CONFIG, DESC("application/vnd.wasm.content.layer.v1+wasm", B, "2"), ""), OCI_MANIFEST,
         "", "manifest,other", "config a (config) 1, layer b (layer,other) 2"},
    };
    EXPECT_SAMPLES(samples);
}

static void the_empty_blob_is_not_taken_for_the_artifact_that_it_stands_in(void **state) {
    (void)state;
    expect_refs(IMAGE_OF(DESC(OCI_EMPTY, EMPTY, "2"), DESC(OCI_EMPTY, EMPTY, "2"),
                         ",'artifactType':'application/vnd.cncf.notary.signature'"),
                true, "config empty (config) 2, layer empty (layer) 2");
}

static void foreign_layers_are_told_apart(void **state) {
    (void)state;
    expect_refs(
        IMAGE_OF(PLAIN_CONFIG,
                 DESC(DOCKER "image.rootfs.foreign.diff.tar.gzip", B, "2") "," DESC(
                     OCI "image.layer.nondistributable.v1.tar+zstd", C,
                     "3") ",{'mediaType':'" OCI_LAYER "','digest':'" D "','urls':['https://x/']},"
                          "{'mediaType':'" OCI_LAYER "','digest':'" E "','urls':[]}",
                 ""),
        true,
        "config a (config) 1, foreign b (layer) 2, foreign c (layer) 3, foreign d (layer), layer e (layer)");
}

static void a_manifest_among_the_layers_is_a_layer_and_a_child(void **state) {
    (void)state;
    expect_refs(IMAGE_OF(PLAIN_CONFIG, DESC(OCI_MANIFEST, B, "2"), ""), true,
                "config a (config) 1, layer b (layer,manifest) 2, child b (manifest) 2");
}

static void one_blob_in_two_roles_is_named_twice_and_in_one_role_once(void **state) {
    (void)state;
    expect_refs(IMAGE_OF(DESC(OCI_CONFIG, A, "2"),
                         "{'mediaType':'text/spdx','digest':'" A
                         "'}," DESC("application/vnd.in-toto+json", A, "2"),
                         ",'subject':{'digest':'" A "'}"),
                true, "config a (config) 2, layer a (layer,attestation,sbom) 2, subject a");
}

static void references_come_in_the_order_of_their_mention(void **state) {
    (void)state;
    expect_refs("{'subject':{'digest':'" E "'},'layers':[" DESC(OCI_LAYER, D, "1") "," DESC(
                    OCI_LAYER, B, "1") "," DESC(OCI_LAYER, D, "1") "],'config':" PLAIN_CONFIG
                                                                   ",'mediaType':'" OCI_MANIFEST "'}",
                true, "subject e, layer d (layer) 1, layer b (layer) 1, config a (config) 1");
}

static void every_algorithm_of_the_registry_is_read(void **state) {
    (void)state;
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    assert_int_equal(
        parse_quoted(&manifest,
                     IMAGE_OF("{'digest':'sha384:" TEN("12345678") "1234567812345678'}",
                              "{'digest':'sha512:" TEN("1234567812") "1234567812345678123456781234'}", ""),
                     NULL),
        0);
    assert_int_equal(manifest.ref_count, 2);
    assert_int_equal(manifest.refs[0].digest.alg, RSW_SHA384);
    assert_int_equal(manifest.refs[1].digest.alg, RSW_SHA512);
}

static void data_urls_and_annotations_are_no_references(void **state) {
    (void)state;
    expect_refs(IMAGE_OF("{'mediaType':'" OCI_CONFIG "','digest':'" A "','data':'" B "','urls':['" C
                         "'],'annotations':{'" D "':'" E "'}}",
                         "", ",'annotations':{'org.opencontainers.image.base.digest':'" B "'}"),
                true, "config a (config)");
}

static void long_type_names_are_cut_between_characters(void **state) {
    (void)state;
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    /* 126 bytes, then a character of two: only its first byte would fit. */
    assert_int_equal(parse_quoted(&manifest,
                                  "{'mediaType':'" TEN("0123456789") "01234567890123456789012345\u00e9tail',"
                                                                     "'artifactType':'" TEN("0123456789")
                                                                         TEN("0123456789") "'}",
                                  NULL),
                     0);
    assert_string_equal(manifest.media_type, TEN("0123456789") "01234567890123456789012345");
    assert_int_equal(strlen(manifest.artifact_type), 127);
    assert_false(manifest.known);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docker_schema_1_names_its_layers_once_and_not_its_history),
        cmocka_unit_test(docker_schema_2_names_config_and_layers),
        cmocka_unit_test(an_index_names_its_children),
        cmocka_unit_test(an_index_can_be_a_referrer),
        cmocka_unit_test(layers_in_an_index_are_layers_as_in_buildkits_cache),
        cmocka_unit_test(a_child_that_might_be_a_manifest_is_read_as_one),
        cmocka_unit_test(oci_manifests_and_indexes_without_media_type_are_known_by_their_shape),
        cmocka_unit_test(artifact_manifests_name_blobs_and_subject),
        cmocka_unit_test(a_subject_is_told_and_its_absence_too),
        cmocka_unit_test(docker_manifests_have_no_subject),
        cmocka_unit_test(signatures_attestations_and_sboms_are_told_apart),
        cmocka_unit_test(artifacts_that_we_have_no_word_for_are_other),
        cmocka_unit_test(the_empty_blob_is_not_taken_for_the_artifact_that_it_stands_in),
        cmocka_unit_test(foreign_layers_are_told_apart),
        cmocka_unit_test(a_manifest_among_the_layers_is_a_layer_and_a_child),
        cmocka_unit_test(one_blob_in_two_roles_is_named_twice_and_in_one_role_once),
        cmocka_unit_test(references_come_in_the_order_of_their_mention),
        cmocka_unit_test(every_algorithm_of_the_registry_is_read),
        cmocka_unit_test(data_urls_and_annotations_are_no_references),
        cmocka_unit_test(long_type_names_are_cut_between_characters),
    };
    return cmocka_run_group_tests_name("manifests of every kind", tests, NULL, NULL);
}
