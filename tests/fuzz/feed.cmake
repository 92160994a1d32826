regsweep_fuzz_target(envelope SOURCES envelope.c MODULES util oci feed
    LIBS PkgConfig::JANSSON PkgConfig::CRYPTO PkgConfig::MICROHTTPD PkgConfig::LMDB PkgConfig::XXHASH)
target_link_libraries(fuzz_envelope PRIVATE regsweep_index)
