#pragma once

namespace zeroskip::ZS_ISA {

// Asks for the cache line at p, into L2. Not __builtin_prefetch: GCC 12 counts that as doing nothing and
// removes loops that only prefetch.
inline void prefetch_to_l2(const void* p) {
#if defined(__x86_64__)
  asm volatile("prefetcht1 %0" : : "m"(*static_cast<const char*>(p)));
#elif defined(__aarch64__)
  asm volatile("prfm pldl2keep, %0" : : "Q"(*static_cast<const char*>(p)));
#else
  __builtin_prefetch(p, 0, 2);
#endif
}

}  // namespace zeroskip::ZS_ISA
