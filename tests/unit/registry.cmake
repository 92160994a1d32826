regsweep_unit_test(registry_challenge SOURCES registry_challenge.c MODULES registry util)
foreach(part IN ITEMS calls auth network)
    regsweep_unit_test(registry_${part} SOURCES registry_${part}.c registry_mock.c MODULES registry util
                       LIBS PkgConfig::MICROHTTPD)
endforeach()
