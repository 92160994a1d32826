set(feed_modules util index oci feed)
set(feed_libs PkgConfig::LMDB PkgConfig::XXHASH PkgConfig::JANSSON PkgConfig::CRYPTO PkgConfig::MICROHTTPD)

regsweep_unit_test(feed_json SOURCES feed_json.c MODULES ${feed_modules} LIBS ${feed_libs})
foreach(part IN ITEMS envelope apply touch server tls durable)
    regsweep_unit_test(feed_${part} SOURCES feed_${part}.c feed_help.c MODULES ${feed_modules} LIBS ${feed_libs})
    target_compile_definitions(unit_feed_${part} PRIVATE
        FEED_EVENTS="${PROJECT_SOURCE_DIR}/tests/data/events")
endforeach()
