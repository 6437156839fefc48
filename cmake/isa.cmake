# One set of kernel sources, compiled once per instruction set: each copy lives in its own namespace (ZS_ISA).
# Only these object files carry ISA flags, so the rest of the library runs on any CPU of the architecture. Which sets there
# are, and what each needs, stands in cpp/kernels/list/isa.inc.
set(ZS_ISA_LIST "${CMAKE_CURRENT_LIST_DIR}/../cpp/kernels/list/isa.inc")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${ZS_ISA_LIST}")

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" ZS_ARCHITECTURE)
string(REGEX REPLACE "^amd64$" "x86_64" ZS_ARCHITECTURE "${ZS_ARCHITECTURE}")
string(REGEX REPLACE "^arm64$" "aarch64" ZS_ARCHITECTURE "${ZS_ARCHITECTURE}")

set(ZS_ISAS "")
file(STRINGS "${ZS_ISA_LIST}" rows REGEX "^ZS_ISA_ROW")
foreach(row IN LISTS rows)
  if(NOT row MATCHES "^ZS_ISA_ROW\\([A-Za-z0-9]+, ([a-z0-9]+), ([a-z0-9_]+), ([0-9]+), ([0-9]+), ")
    message(FATAL_ERROR "cannot read this row of isa.inc: ${row}")
  endif()
  set(isa ${CMAKE_MATCH_1})
  set(architecture ${CMAKE_MATCH_2})
  set(ZS_LANES_${isa} ${CMAKE_MATCH_3})
  set(ZS_REGISTERS_${isa} ${CMAKE_MATCH_4})
  list(APPEND ZS_KNOWN_ISAS ${isa})
  if(architecture STREQUAL "any" OR architecture STREQUAL ZS_ARCHITECTURE)
    list(APPEND ZS_ISAS ${isa})
  endif()
  string(REGEX MATCHALL "ZS_NEEDS(_BIT)?\\([a-z0-9_]+" features "${row}")
  list(TRANSFORM features REPLACE "ZS_NEEDS(_BIT)?\\((.*)" "-m\\2")
  set(ZS_FLAGS_${isa} ${features})
  if(features AND ZS_ARCHITECTURE STREQUAL "x86_64")
    math(EXPR bits "32 * ${ZS_LANES_${isa}}")
    list(APPEND ZS_FLAGS_${isa} -mprefer-vector-width=${bits})
  endif()
endforeach()

set(ZEROSKIP_ISAS "" CACHE STRING "Instruction sets to compile, for builds that need not have all; generic is always one")
if(ZEROSKIP_ISAS)
  set(ZS_ISAS generic ${ZEROSKIP_ISAS})
  list(REMOVE_DUPLICATES ZS_ISAS)
endif()

# For tests on CPUs without 512-bit vectors: the same sources, compiled for AVX2 with SIMDe's functions in place of the
# intrinsics (.ci/emulate). Far too slow for anything else.
set(ZEROSKIP_EMULATE_ISAS "" CACHE STRING "512-bit instruction sets to emulate on AVX2; needs SIMDe's headers")
foreach(isa IN LISTS ZEROSKIP_EMULATE_ISAS)
  set(ZS_FLAGS_${isa} ${ZS_FLAGS_avx2} -include "${CMAKE_CURRENT_LIST_DIR}/../cpp/tests/emulated_avx512.h")
endforeach()

function(zeroskip_add_isa_kernels target)
  file(GLOB sources CONFIGURE_DEPENDS cpp/kernels/*/*.cc)
  list(FILTER sources EXCLUDE REGEX "/reference/")  # scalar, ISA-independent: only the tests link it
  foreach(isa IN LISTS ZS_ISAS)
    add_library(zeroskip_kernels_${isa} OBJECT ${sources})
    target_include_directories(zeroskip_kernels_${isa} PRIVATE cpp)
    target_compile_definitions(zeroskip_kernels_${isa} PRIVATE
      ZS_ISA=${isa} ZS_LANES=${ZS_LANES_${isa}} ZS_REGISTERS=${ZS_REGISTERS_${isa}})
    # Contraction stays on: a*b+c may become one FMA, as every peer does. -ffast-math does not: NaN and Inf are defined.
    target_compile_options(zeroskip_kernels_${isa} PRIVATE
      ${ZS_KERNEL_OPTIMIZATION} -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wall -Wextra -Wno-psabi ${ZS_FLAGS_${isa}})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:zeroskip_kernels_${isa}>)
  endforeach()
  foreach(isa IN LISTS ZS_KNOWN_ISAS)
    if(isa IN_LIST ZEROSKIP_EMULATE_ISAS)
      target_compile_definitions(${target} PRIVATE ZS_EMULATES_${isa}=1)
    else()
      target_compile_definitions(${target} PRIVATE ZS_EMULATES_${isa}=0)
    endif()
    if(isa IN_LIST ZS_ISAS)
      target_compile_definitions(${target} PRIVATE ZS_HAVE_${isa}=1)
    else()
      target_compile_definitions(${target} PRIVATE ZS_HAVE_${isa}=0)
    endif()
  endforeach()
endfunction()
