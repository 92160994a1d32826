regsweep_unit_test(util_base SOURCES util_base.c MODULES util)
regsweep_unit_test(util_digest SOURCES util_digest.c MODULES util)
regsweep_unit_test(util_text SOURCES util_text.c MODULES util)
