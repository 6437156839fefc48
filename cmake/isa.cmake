# One set of kernel sources, compiled once per instruction set: each copy lives in its own namespace (ZS_ISA).
# Only these object files carry ISA flags, so the rest of the library runs on any CPU of the architecture.
set(ZS_FLAGS_generic "")
set(ZS_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi -mbmi2 -mlzcnt -mpopcnt -mprefer-vector-width=256)
set(ZS_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mfma -mf16c -mbmi -mbmi2 -mlzcnt
                    -mpopcnt -mprefer-vector-width=512)
set(ZS_FLAGS_neon "")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(ZS_ISAS generic avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(ZS_ISAS generic neon)
else()
  set(ZS_ISAS generic)
endif()

set(ZEROSKIP_ISAS "" CACHE STRING "Instruction sets to compile, for builds that need not have all; generic is always one")
if(ZEROSKIP_ISAS)
  set(ZS_ISAS generic ${ZEROSKIP_ISAS})
  list(REMOVE_DUPLICATES ZS_ISAS)
endif()

function(zeroskip_add_isa_kernels target)
  file(GLOB sources CONFIGURE_DEPENDS cpp/kernels/*/*.cc)
  list(FILTER sources EXCLUDE REGEX "/reference/")  # scalar, ISA-independent: only the tests link it
  foreach(isa IN LISTS ZS_ISAS)
    add_library(zeroskip_kernels_${isa} OBJECT ${sources})
    target_include_directories(zeroskip_kernels_${isa} PRIVATE cpp)
    target_compile_definitions(zeroskip_kernels_${isa} PRIVATE ZS_ISA=${isa} ZS_ISA_${isa}=1)
    # Contraction stays on: a*b+c may become one FMA, as every peer does. -ffast-math does not: NaN and Inf are defined.
    target_compile_options(zeroskip_kernels_${isa} PRIVATE
      ${ZS_KERNEL_OPTIMIZATION} -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wall -Wextra -Wno-psabi ${ZS_FLAGS_${isa}})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:zeroskip_kernels_${isa}>)
    target_compile_definitions(${target} PRIVATE ZS_HAVE_${isa}=1)
  endforeach()
endfunction()
