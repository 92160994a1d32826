regsweep_fuzz_target(image_name SOURCES ${CMAKE_CURRENT_LIST_DIR}/image_name.c MODULES workload registry oci util)
regsweep_fuzz_target(objects SOURCES ${CMAKE_CURRENT_LIST_DIR}/objects.c MODULES workload registry oci util)
