# ZEROSKIP_SANITIZE=address (AddressSanitizer and UndefinedBehaviorSanitizer) or thread (ThreadSanitizer): see
# .ci/sanitize, which builds and runs with it. The first finding ends the process.
set(ZEROSKIP_SANITIZE "" CACHE STRING "address or thread: build everything with these sanitizers")
set(ZS_KERNEL_OPTIMIZATION -O3 CACHE STRING "Optimization of the kernels")
set(ZS_SANITIZE_address address,undefined,float-cast-overflow,float-divide-by-zero)
set(ZS_SANITIZE_thread thread)
if(ZEROSKIP_SANITIZE)
  if(NOT DEFINED ZS_SANITIZE_${ZEROSKIP_SANITIZE})
    message(FATAL_ERROR "ZEROSKIP_SANITIZE is '${ZEROSKIP_SANITIZE}', needs 'address' or 'thread'")
  endif()
  add_compile_options(-fsanitize=${ZS_SANITIZE_${ZEROSKIP_SANITIZE}} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -g1)
  set(ZS_NOSTRIP NOSTRIP)  # reports name functions
  set(ZS_KERNEL_OPTIMIZATION -O1)  # unrolled and instrumented, kernels take minutes to compile
  add_link_options(-fsanitize=${ZS_SANITIZE_${ZEROSKIP_SANITIZE}})
endif()
