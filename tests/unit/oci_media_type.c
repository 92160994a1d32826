#include "oci/media_type.h"

#include "oci/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_type_has_its_meaning(void **state) {
    (void)state;
    static const struct {
        const char *type;
        const char *types;
    } table[] = {
        {"application/vnd.docker.distribution.manifest.v1+json", "manifest"},
        {"application/vnd.docker.distribution.manifest.v1+prettyjws", "manifest"},
        {"application/vnd.docker.distribution.manifest.v2+json", "manifest"},
        {"application/vnd.docker.distribution.manifest.list.v2+json", "index"},
        {"application/vnd.oci.image.manifest.v1+json", "manifest"},
        {"application/vnd.oci.image.index.v1+json", "index"},
        {"application/vnd.oci.artifact.manifest.v1+json", "manifest"},
        {"application/vnd.cncf.oras.artifact.manifest.v1+json", "manifest"},
        {"application/vnd.docker.image.rootfs.diff.tar.gzip", "layer"},
        {"application/vnd.docker.image.rootfs.diff.tar", "layer"},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "layer"},
        {"application/vnd.docker.container.image.rootfs.diff+x-gtar", "layer"},
        {"application/vnd.oci.image.layer.v1.tar", "layer"},
        {"application/vnd.oci.image.layer.v1.tar+zstd", "layer"},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "layer"},
        {"application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "layer"},
        {"application/vnd.acme.thing.tar+gzip", "layer"},
        {"application/vnd.docker.container.image.v1+json", "config"},
        {"application/vnd.docker.plugin.v1+json", "config"},
        {"application/vnd.oci.image.config.v1+json", "config"},
        {"application/vnd.buildkit.cacheconfig.v0", "config"},
        {"application/vnd.dev.cosign.simplesigning.v1+json", "signature"},
        {"application/vnd.dev.cosign.artifact.sig.v1+json", "signature"},
        {"application/vnd.dev.sigstore.bundle.v0.3+json", "signature"},
        {"application/vnd.dev.sigstore.bundle+json;version=0.2", "signature"},
        {"application/vnd.cncf.notary.signature", "signature"},
        {"application/jose+json", "signature"},
        {"application/cose", "signature"},
        {"application/vnd.dsse.envelope.v1+json", "attestation"},
        {"application/vnd.in-toto+json", "attestation"},
        {"application/vnd.in-toto.spdx+dsse", "attestation,sbom"},
        {"application/vnd.dev.cosign.artifact.sbom.v1+json", "sbom"},
        {"text/spdx", "sbom"},
        {"application/spdx+json", "sbom"},
        {"application/vnd.cyclonedx+xml", "sbom"},
        {"application/vnd.syft+json", "sbom"},
        {"application/vnd.cncf.helm.config.v1+json", "other"},
        {"application/vnd.cncf.helm.chart.content.v1.tar+gzip", "layer,other"},
        {"application/vnd.wasm.config.v1+json", "other"},
        {"application/wasm", "other"},
        {"application/vnd.oci.empty.v1+json", "unknown"},
        {"application/octet-stream", "unknown"},
        {"application/json", "unknown"},
        {"", "unknown"},
        /* Case, parameters and the blanks before them say nothing. */
        {"APPLICATION/VND.OCI.Image.Index.v1+JSON", "index"},
        {"application/cose; cose-type=\"cose-sign1\"", "signature"},
        {"application/vnd.oci.image.manifest.v1+json ; charset=utf-8", "manifest"},
        {"application/json; profile=spdx", "unknown"},
        /* Almost a manifest type is none. */
        {"application/vnd.oci.image.manifest.v2+json", "unknown"},
        {"application/vnd.oci.image.manifest.v1+json2", "unknown"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char text[96];
        rsw_types_format(rsw_types_of_media_type(table[i].type), text, sizeof text);
        if (strcmp(text, table[i].types) != 0) {
            fail_msg("'%s' means %s, not %s", table[i].type, text, table[i].types);
        }
    }
}

static void a_manifest_type_is_compared_to_the_letter_as_the_registry_does(void **state) {
    (void)state;
    assert_non_null(rsw_manifest_type_find("application/vnd.oci.image.index.v1+json"));
    assert_null(rsw_manifest_type_find("application/vnd.oci.image.Index.v1+json"));
    assert_null(rsw_manifest_type_find("application/vnd.oci.image.index.v1+json;a=b"));
    assert_null(rsw_manifest_type_find(""));
}

static void what_might_be_a_manifest_is_not_ruled_out(void **state) {
    (void)state;
    static const char *const doubtful[] = {
        "",
        "application/json",
        "application/octet-stream",
        "application/vnd.acme.thing",
        "application/vnd.oci.empty.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json; a=b",
        "application/vnd.acme.spdx.manifest+json",
        "application/vnd.acme.wasm.index+json",
        "application/vnd.acme.provenance.list",
        "application/vnd.acme.signature.v1+json",
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "text/spdx+json",
    };
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
        if (rsw_media_type_no_manifest(doubtful[i])) {
            fail_msg("'%s' was ruled out", doubtful[i]);
        }
    }
    assert_true(rsw_media_type_no_manifest("application/vnd.oci.image.layer.v1.tar+gzip"));
    assert_true(rsw_media_type_no_manifest("application/vnd.buildkit.cacheconfig.v0"));
}

static void foreign_and_empty_are_known(void **state) {
    (void)state;
    assert_true(rsw_media_type_foreign("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
    assert_true(rsw_media_type_foreign("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"));
    assert_false(rsw_media_type_foreign("application/vnd.oci.image.layer.v1.tar+zstd"));
    assert_true(rsw_media_type_empty("application/vnd.oci.empty.v1+json"));
    assert_false(rsw_media_type_empty(""));
    assert_true(rsw_media_type_image_config(""));
    assert_true(rsw_media_type_image_config("application/vnd.oci.image.config.v1+json"));
    assert_false(rsw_media_type_image_config("application/vnd.cncf.helm.config.v1+json"));
}

static void a_type_of_any_length_is_no_danger(void **state) {
    (void)state;
    char type[5000];
    memset(type, 'x', sizeof type - 1);
    type[sizeof type - 1] = 0;
    memcpy(type + 4000, "spdx", 4);
    assert_int_equal(rsw_types_of_media_type(type), 0);
    memcpy(type + 200, "spdx", 4);
    assert_int_equal(rsw_types_of_media_type(type), RSW_TYPE_SBOM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_meaning),
        cmocka_unit_test(a_manifest_type_is_compared_to_the_letter_as_the_registry_does),
        cmocka_unit_test(what_might_be_a_manifest_is_not_ruled_out),
        cmocka_unit_test(foreign_and_empty_are_known),
        cmocka_unit_test(a_type_of_any_length_is_no_danger),
    };
    return cmocka_run_group_tests_name("media types", tests, NULL, NULL);
}
