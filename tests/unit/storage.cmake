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
