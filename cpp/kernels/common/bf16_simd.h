// Vectors of bf16: products of pairs added in float32, conversions.
#pragma once

#include "kernels/common/int_simd.h"

namespace zeroskip::ZS_ISA {

// Lane i of acc, a float: + a[2i + 1] * b[2i + 1], then + a[2i] * b[2i], each an FMA that rounds to nearest even and flushes
// denormals, as vdpbf16ps is specified. Products of two bf16 are exact in float32, so without FMAs the sums are the same
// unless a product overflows or is denormal. A macro on local variables, and no intrinsic: GCC 12 copies the accumulator
// before every one, and keeps accumulators in memory that are passed by reference.
#if ZS_MULTIPLIES_BF16
#define ZS_ADD_PAIRS(acc, a, b) asm("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b))
#else
#define ZS_ADD_PAIRS(acc, a, b) ((acc) = add_pairs(acc, a, b))
#endif

inline Vec add_pairs(Vec acc, ShortVec a, ShortVec b) {
  const auto x = reinterpret_cast<IntVec>(a), y = reinterpret_cast<IntVec>(b);
  const IntVec upper = IntVec{} + static_cast<int32_t>(0xffff0000u);
  acc += reinterpret_cast<Vec>(x & upper) * reinterpret_cast<Vec>(y & upper);
  acc += reinterpret_cast<Vec>(x << 16) * reinterpret_cast<Vec>(y << 16);
  return acc;
}

using HalfShortVec = uint16_t __attribute__((vector_size(kLanes * 2)));

// As vcvtneps2bf16 does: the nearest, of two equally near ones the even one; NaN stays one, denormals become zero.
inline HalfShortVec round_to_bf16(Vec x) {
#if ZS_MULTIPLIES_BF16
  return reinterpret_cast<HalfShortVec>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(x)));
#else
  using Words = uint32_t __attribute__((vector_size(kLanes * 4)));
  const auto bits = reinterpret_cast<Words>(x);
  const Words magnitude = bits & 0x7fffffffu, sign = bits & 0x80000000u;
  const Words rounded = bits + 0x7fffu + (bits >> 16 & 1u), quiet = bits | 0x00400000u;
  const Words value = magnitude > 0x7f800000u ? quiet : rounded;
  return __builtin_convertvector((magnitude < 0x00800000u ? sign : value) >> 16, HalfShortVec);
#endif
}

inline Vec widen_bf16(HalfShortVec x) {
  using Words = uint32_t __attribute__((vector_size(kLanes * 4)));
  return reinterpret_cast<Vec>(__builtin_convertvector(x, Words) << 16);
}

inline Vec load_bf16(const uint16_t* p) {
  HalfShortVec x;
  std::memcpy(&x, p, sizeof(x));
  return widen_bf16(x);
}

}  // namespace zeroskip::ZS_ISA
