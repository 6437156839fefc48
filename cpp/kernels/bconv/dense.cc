// The dense tile of bf16 convolutions. The weights are those of the sparse kernel: the rows of a pair of channels are
// interleaved on the way, which the ports that multiply do not notice.
#include "kernels/bconv/finish.h"
#include "kernels/common/register_tile.h"

namespace zeroskip::ZS_ISA {
namespace {

template <int kPixels, int kVectors>
inline void bdconv_tile(const BdconvArgs& args, int64_t first) {
  Vec acc[kPixels][kVectors];
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) acc[p][i] = load(args.bias + kLanes * i);
  const auto* row = reinterpret_cast<const int16_t*>(args.weights);
  const Bf16* const* pixels = args.pixels + first;
  for (int64_t tap = 0; tap < args.taps; ++tap, pixels += kBconvPixels) {
    const int16_t* x[kPixels];
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) x[p] = reinterpret_cast<const int16_t*>(pixels[p]);
    for (int64_t k = 0; k < args.channels; k += 2, row += kBf16RowBytes) {  // two rows of 64
      ShortVec weight[kVectors];
#pragma GCC unroll 32
      for (int i = 0; i < kVectors / 2; ++i) {
        ShortVec a = load_shorts(row + i * kShorts), b = load_shorts(row + 64 + i * kShorts);
        ZS_PIN(a);  // or each of the two that use it loads it again
        ZS_PIN(b);
        weight[2 * i] = interleave_low(a, b);
        weight[2 * i + 1] = interleave_high(a, b);
      }
#pragma GCC unroll 32
      for (int p = 0; p < kPixels; ++p) {
        const ShortVec value = broadcast_pair(x[p] + k);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) ZS_ADD_PAIRS(acc[p][i], value, weight[i]);
      }
    }
  }
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p) finish_bf16<kVectors>(*args.epilogue, first + p, acc[p]);
}

template <int kOutputs>
inline void bdconv(const BdconvArgs& args) {
  constexpr int kVectors = kOutputs / kLanes, kAtOnce = pixels_in_registers<kVectors>(kBconvPixels);
  for_each_register_tile<kAtOnce>(
      args.count, [&]<int kPixels>(int64_t first) { bdconv_tile<kPixels, kVectors>(args, first); });
}

}  // namespace

void bf16_bdconv_ukernel_12x32(const BdconvArgs& args) { bdconv<32>(args); }
void bf16_bdconv_ukernel_12x64(const BdconvArgs& args) { bdconv<64>(args); }

}  // namespace zeroskip::ZS_ISA
