foreach(part IN ITEMS parse judge)
    regsweep_unit_test(policy_${part} SOURCES policy_${part}.c MODULES policy util)
endforeach()
