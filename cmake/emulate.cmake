# For tests on CPUs without 512-bit vectors, or without products of quads: the same sources, compiled for a narrower
# instruction set with SIMDe's functions in place of the intrinsics (.ci/emulate), and the product of quads as a loop. Far too
# slow for anything else.
set(ZEROSKIP_EMULATE_ISAS "" CACHE STRING "Instruction sets to emulate; needs SIMDe's headers")
set(ZEROSKIP_EMULATE_ON "" CACHE STRING "The instruction set they are compiled for instead, of 256 bits")
foreach(isa IN LISTS ZEROSKIP_EMULATE_ISAS)
  set(ZS_MULTIPLIES_BF16_${isa} 0)
  set(ZS_FLAGS_${isa} ${ZS_FLAGS_${ZEROSKIP_EMULATE_ON}} -include "${CMAKE_CURRENT_LIST_DIR}/../cpp/tests/emulated_isa.h")
endforeach()
