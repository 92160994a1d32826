foreach(part IN ITEMS records txn time process damage pack)
    regsweep_unit_test(index_${part} SOURCES index_${part}.c index_support.c MODULES index util
                       LIBS PkgConfig::LMDB PkgConfig::XXHASH PkgConfig::CRYPTO)
endforeach()
