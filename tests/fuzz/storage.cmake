regsweep_fuzz_target(link SOURCES link.c MODULES storage util)
regsweep_fuzz_target(path SOURCES path.c MODULES storage util)
regsweep_fuzz_target(s3_xml SOURCES s3_xml.c MODULES storage util)
regsweep_fuzz_target(s3_profile SOURCES s3_profile.c MODULES storage util)
