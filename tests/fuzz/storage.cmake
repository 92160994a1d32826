regsweep_fuzz_target(link SOURCES link.c MODULES storage util)
regsweep_fuzz_target(path SOURCES path.c MODULES storage util)
