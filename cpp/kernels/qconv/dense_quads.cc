// The dense tile of u8 convolutions by products of quads: weights are interleaved once for all pixels of a tile.
#include "kernels/common/register_tile.h"
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int kQuadVectors = 4;  // of interleaved weights
constexpr int kAtOnce =
    kRegisters >= 32 ? 6 : 2;  // pixels whose sums stay in registers, beside rows on their way

// sums += x . w, whatever the values of x are.
inline void add_any_quads(IntVec& sums, ByteVec x, ByteVec w) {
  using Unsigned = uint8_t __attribute__((vector_size(sizeof(ByteVec))));
  auto rest = reinterpret_cast<Unsigned>(x);
  if constexpr (kMostQuadValue < 255)
    for (int left = 255 - kMostQuadValue; left > 0; left -= kMostQuadValue) {
      const Unsigned limit = Unsigned{} + static_cast<uint8_t>(kMostQuadValue);
      const Unsigned part = rest < limit ? rest : limit;
      add_quads(sums, reinterpret_cast<ByteVec>(part), w);
      rest -= part;
    }
  add_quads(sums, reinterpret_cast<ByteVec>(rest), w);
}

// kQuadOutputs outputs from `column` on.
template <int kPixels>
inline void qdconv_quads(const QdquadsArgs& args, const RequantizeArgs& epilogue, int64_t first,
                         int64_t column) {
  IntVec sums[kPixels][kQuadVectors] = {};
  const std::byte* rows = args.weights + column;
  const uint8_t* const* pixels = args.pixels + first;
  for (int64_t tap = 0; tap < args.taps; ++tap, pixels += kQconvPixels) {
    const uint8_t* x[kPixels];
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) x[p] = pixels[p];
    for (int64_t c = 0; c < args.channels; c += 4, rows += 4 * kSlabRowBytes) {
      const QuadRows weights = interleave_rows(rows, [](int i) { return i * kSlabRowBytes; });
#pragma GCC unroll 32
      for (int p = 0; p < kPixels; ++p) {
        const ByteVec value = broadcast_quad(x[p] + c);
#pragma GCC unroll 4
        for (int i = 0; i < kQuadVectors; ++i) add_any_quads(sums[p][i], value, weights.parts[i]);
      }
    }
  }
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p)
    finish_quads(sums[p], args.bias, args.blocks, epilogue, first + p, column);
}

}  // namespace

void u8_s8w_qdconv_quads_ukernel_12x64(const QdquadsArgs& args) {
  const RequantizeArgs epilogue = *args.epilogue;  // a copy, which no store to y can change
  for (int64_t column = 0; column < args.blocks * 16; column += kQuadOutputs)
    for_each_register_tile<kAtOnce>(args.count, [&]<int kPixels>(int64_t first) {
      qdconv_quads<kPixels>(args, epilogue, first, column);
    });
}

}  // namespace zeroskip::ZS_ISA
