regsweep_unit_test(storage_contract
    SOURCES storage_backends.c storage_contract.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_layout
    SOURCES storage_layout.c
    MODULES storage util)
regsweep_unit_test(storage_fs
    SOURCES storage_fs.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_memory
    SOURCES storage_memory.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_place
    SOURCES storage_place.c storage_help.c
    MODULES storage util)

# storage_s3: for tests/e2e/s3.bats, which brings up a store.
add_executable(storage_s3 ${CMAKE_CURRENT_LIST_DIR}/storage_s3.c ${CMAKE_CURRENT_LIST_DIR}/storage_contract.c
               ${CMAKE_CURRENT_LIST_DIR}/storage_help.c)
target_link_libraries(storage_s3 PRIVATE regsweep_flags PkgConfig::CMOCKA regsweep_storage regsweep_util)
regsweep_unit_test(storage_s3_faults
    SOURCES storage_s3_faults.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_fips
    SOURCES storage_s3_fips.c s3_mock.c storage_help.c
    MODULES storage util)
target_link_options(unit_storage_s3_fips PRIVATE -Wl,--wrap=rsw_md5_of)
regsweep_unit_test(storage_s3_kept
    SOURCES storage_s3_kept.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_rights
    SOURCES storage_s3_rights.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_sign
    SOURCES storage_s3_sign.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_versions
    SOURCES storage_s3_versions.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_list
    SOURCES storage_s3_list.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_skim
    SOURCES storage_s3_skim.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_roles
    SOURCES storage_s3_roles.c s3_mock.c storage_help.c
    MODULES storage util)
regsweep_unit_test(storage_s3_credentials
    SOURCES storage_s3_credentials.c storage_help.c
    MODULES storage util)
