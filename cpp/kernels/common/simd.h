// Vectors of the widest native width, by GCC vector extensions: one source, the same code as intrinsics.
#pragma once

#include <cstdint>
#include <cstring>

#if ZS_LANES >= 8
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace zeroskip::ZS_ISA {

inline constexpr int kLanes = ZS_LANES;          // floats in a vector; both from kernels/list/isa.inc,
inline constexpr int kRegisters = ZS_REGISTERS;  // by way of cmake/isa.cmake

// Vectors per channel block of 16.
inline constexpr int kVectorsPerBlock = 16 / kLanes;

using Vec = float __attribute__((vector_size(kLanes * 4)));
using IntVec = int32_t __attribute__((vector_size(kLanes * 4)));
// As it lies in memory, at any address of a float. The attributes stand behind the name: inside the type they
// count for GCC only, and Clang's loads would fault.
using UnalignedVec __attribute__((aligned(4), may_alias)) = Vec;
static_assert(alignof(UnalignedVec) == 4);

inline Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
// A load-broadcast: subtracting the zero vector compiles to the broadcasting load alone (x - 0 == x for every
// x).
inline Vec broadcast(float value) { return value - Vec{}; }

// Pins a loaded vector in a register, so that two FMAs share one load instead of each folding its own.
#if defined(ZS_EMULATED)  // no register is wide enough; memory keeps products and sums apart as well
#define ZS_PIN(vector) asm("" : "+m"(vector))
#elif defined(__aarch64__)
#define ZS_PIN(vector) asm("" : "+w"(vector))
#elif ZS_LANES == 16
#define ZS_PIN(vector) asm("" : "+v"(vector))
#else
#define ZS_PIN(vector) asm("" : "+x"(vector))
#endif

// x if x > threshold else 0; NaN -> 0.
inline Vec fatrelu(Vec x, Vec threshold) {
  const IntVec keep = x > threshold;
  return reinterpret_cast<Vec>(reinterpret_cast<IntVec>(x) & keep);
}
inline Vec min(Vec a, Vec b) { return a < b ? a : b; }
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }

// Bit i = lane i differs from zero (NaN does).
inline uint32_t nonzero_bits(Vec x) {
#if ZS_LANES == 16
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(x), _mm512_setzero_ps(), _CMP_NEQ_UQ);
#elif ZS_LANES == 8
  return static_cast<uint32_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(x), _mm256_setzero_ps(), _CMP_NEQ_UQ)));
#elif defined(__SSE2__)
  return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpneq_ps(reinterpret_cast<__m128>(x), _mm_setzero_ps())));
#else
  uint32_t bits = 0;
  for (int lane = 0; lane < kLanes; ++lane) bits |= static_cast<uint32_t>(x[lane] != 0.0f) << lane;
  return bits;
#endif
}

}  // namespace zeroskip::ZS_ISA
