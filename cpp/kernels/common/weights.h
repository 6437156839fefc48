// Loading vectors of weights by storage format (see weight_format.h): the one thing in which the kernels of a
// family differ by weight type.
#pragma once

#include <cstddef>

#include "kernels/common/simd.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace zeroskip::ZS_ISA {

using UnalignedIntVec __attribute__((aligned(2), may_alias)) = IntVec;
static_assert(alignof(UnalignedIntVec) == 2);

// Each has kBytes, the size of a weight, and vector(row, i), weights [i * kLanes, (i + 1) * kLanes) of a row
// as floats. kAtOnce consecutive vectors share loads: walk rows in steps of it.
struct F32Weights {
  static constexpr int kBytes = 4, kAtOnce = 1;
  static Vec vector(const std::byte* row, int64_t i) {
    return load(reinterpret_cast<const float*>(row) + i * kLanes);
  }
};

struct Bf16Weights {
  static constexpr int kBytes = 2, kAtOnce = 2;
  static Vec vector(const std::byte* row, int64_t i) {
    const IntVec lanes = *reinterpret_cast<const UnalignedIntVec*>(row + i / 2 * kLanes * 4);
    return reinterpret_cast<Vec>(i % 2 ? lanes : lanes << 16);
  }
};

struct Fp16Weights {
  static constexpr int kBytes = 2, kAtOnce = 1;
  static Vec vector(const std::byte* row, int64_t i) {
    const std::byte* from = row + i * kLanes * kBytes;
#if ZS_LANES == 16
    // The masked form only because GCC 12 warns about the inside of the plain one; the code is the same.
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return reinterpret_cast<Vec>(_mm512_maskz_cvtph_ps(0xffff, halves));
#elif ZS_LANES == 8
    return reinterpret_cast<Vec>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__aarch64__)
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(from))));
#else
    using Halves = uint16_t __attribute__((vector_size(kLanes * 2)));
    Halves halves;
    std::memcpy(&halves, from, sizeof(halves));
    const IntVec bits = __builtin_convertvector(halves, IntVec);
    const IntVec magnitude = (bits & 0x7fff) << 13;
    // The exponent moves from bias 15 to bias 127. A subnormal half gets the exponent of the smallest normal
    // one, which is then subtracted: exact, and free of float32 denormals, which the engine flushes.
    const IntVec is_subnormal = magnitude < (1 << 23);
    const IntVec rebiased = magnitude + (112 << 23) - (is_subnormal << 23);  // is_subnormal is 0 or -1
    const Vec smallest = reinterpret_cast<Vec>(is_subnormal & (113 << 23));
    const Vec value = reinterpret_cast<Vec>(rebiased) - smallest;
    return reinterpret_cast<Vec>(reinterpret_cast<IntVec>(value) | (bits & 0x8000) << 16);
#endif
  }
};

}  // namespace zeroskip::ZS_ISA
