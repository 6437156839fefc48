#include "kernels/eltwise/quantize.h"

#include "kernels/common/int_simd.h"

namespace zeroskip::ZS_ISA {
namespace {

using ByteVec = uint8_t __attribute__((vector_size(kLanes)));
using UnalignedByteVec __attribute__((aligned(1), may_alias)) = ByteVec;
static_assert(alignof(UnalignedByteVec) == 1);

// Adding it to a number of magnitude up to 2^22 leaves that number, rounded half to even, in the lowest bits.
constexpr float kRounding = 12582912.0f;  // 1.5 * 2^23

// One vector: steps above `low`, the smallest number of steps that is kept, which is -zero_point.
struct Quantizer {
  Vec scale, low, high;

  explicit Quantizer(const QuantizeArgs& args)
      : scale(broadcast(args.scale)),
        low(broadcast(static_cast<float>(-args.zero_point))),
        high(broadcast(static_cast<float>(255 - args.zero_point))) {}

  IntVec operator()(Vec x) const {
    Vec steps = x / scale;
    steps = steps > low ? steps : low;  // NaN, too
    steps = steps < high ? steps : high;
    const Vec shifted = steps + broadcast(kRounding);
    return reinterpret_cast<IntVec>(shifted) - reinterpret_cast<IntVec>(low + broadcast(kRounding));
  }
};

}  // namespace

void f32_quantize(const QuantizeArgs& args, const float* x, uint8_t* y) {
  const Quantizer quantize(args);
  for (int64_t p = 0; p < args.pixels; ++p, x += args.x_stride, y += args.y_stride) {
    int64_t c = 0;
    for (; c + 16 <= args.channels; c += 16) {
      IntVec block[kVectorsPerBlock];
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) block[i] = quantize(load(x + c + i * kLanes));
      store_narrowed(block, y + c);
    }
    for (; c + kLanes <= args.channels; c += kLanes)
      *reinterpret_cast<UnalignedByteVec*>(y + c) = __builtin_convertvector(quantize(load(x + c)), ByteVec);
    if (c < args.channels) {
      Vec rest{};
      std::memcpy(&rest, x + c, static_cast<size_t>(args.channels - c) * sizeof(float));
      const ByteVec bytes = __builtin_convertvector(quantize(rest), ByteVec);
      std::memcpy(y + c, &bytes, static_cast<size_t>(args.channels - c));
    }
    std::memset(y + args.channels, 0, static_cast<size_t>(args.padded - args.channels));
  }
}

void u8_dequantize(const QuantizeArgs& args, const uint8_t* x, float* y) {
  const Vec scale = broadcast(args.scale);
  const auto dequantize = [&](ByteVec bytes) {
    return __builtin_convertvector(__builtin_convertvector(bytes, IntVec) - args.zero_point, Vec) * scale;
  };
  for (int64_t p = 0; p < args.pixels; ++p, x += args.x_stride, y += args.y_stride) {
    int64_t c = 0;
    for (; c + kLanes <= args.channels; c += kLanes)
      store(y + c, dequantize(*reinterpret_cast<const UnalignedByteVec*>(x + c)));
    if (c < args.channels) {
      ByteVec rest{};
      std::memcpy(&rest, x + c, static_cast<size_t>(args.channels - c));
      const Vec values = dequantize(rest);
      std::memcpy(y + c, &values, static_cast<size_t>(args.channels - c) * sizeof(float));
    }
    std::memset(y + args.channels, 0, static_cast<size_t>(args.padded - args.channels) * sizeof(float));
  }
}

}  // namespace zeroskip::ZS_ISA
