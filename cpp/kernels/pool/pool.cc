#include "kernels/pool/pool.h"

#include "kernels/common/simd.h"
#include "kernels/pool/window.h"

namespace zeroskip::ZS_ISA {
namespace {

// Channel blocks worked on together: their vectors share one walk over the window.
constexpr int kBlocksAtOnce = kLanes >= 16 ? 4 : kLanes >= 8 ? 2 : 1;

struct MaxPool {
  static Vec combine(Vec a, Vec b) { return max(a, b); }
  static Vec finish(Vec v, Vec) { return v; }
};

struct AveragePool {
  static Vec combine(Vec a, Vec b) { return a + b; }
  static Vec finish(Vec v, Vec count) { return v / count; }
};

template <typename Pool, int kBlocks>
inline void pool_blocks(const Window<float>& window, int64_t block, float* y, uint16_t* mask) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  const float* first = window.x + block * 16;
  Vec acc[kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kVectors; ++i) acc[i] = load(first + i * kLanes);
  for (int64_t row = 0; row < window.rows; ++row) {
    for (int64_t column = row == 0 ? 1 : 0; column < window.columns; ++column) {
      const float* x = first + row * window.row_stride + column * window.column_stride;
#pragma GCC unroll 8
      for (int i = 0; i < kVectors; ++i) acc[i] = Pool::combine(acc[i], load(x + i * kLanes));
    }
  }
  uint32_t bits[kBlocks] = {};
#pragma GCC unroll 8
  for (int i = 0; i < kVectors; ++i) {
    const Vec value = Pool::finish(acc[i], broadcast(window.count));
    store(y + block * 16 + i * kLanes, value);
    bits[i / kVectorsPerBlock] |= nonzero_bits(value) << (i % kVectorsPerBlock * kLanes);
  }
  if (!mask) return;
  for (int b = 0; b < kBlocks; ++b) mask[block + b] = static_cast<uint16_t>(bits[b]);
}

template <typename Pool>
inline void pool(const PoolArgs& args) {
  const Taps rows = taps_inside(args.first_row, args.kernel_h, args.dilation_h, args.in_h);
  for (int64_t p = 0; p < args.pixels; ++p) {
    const Window<float> window = window_at<float>(args, rows, p);
    float* y = reinterpret_cast<float*>(args.y) + p * args.y_stride;
    uint16_t* mask = args.mask ? args.mask + p * args.mask_stride : nullptr;
    int64_t block = 0;
    for (; block + kBlocksAtOnce <= args.blocks; block += kBlocksAtOnce)
      pool_blocks<Pool, kBlocksAtOnce>(window, block, y, mask);
    for (; block < args.blocks; ++block) pool_blocks<Pool, 1>(window, block, y, mask);
  }
}

// The whole map is one window. Four partial results hide the latency of the chain and shorten the sum's
// rounding.
template <typename Pool>
inline Vec pool_all(const float* x, int64_t stride, int64_t pixels) {
  Vec part[4] = {};
  const int64_t parts = pixels < 4 ? pixels : 4;
  for (int64_t i = 0; i < parts; ++i) part[i] = load(x + i * stride);
  int64_t p = parts;
  for (; p + 4 <= pixels; p += 4)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) part[i] = Pool::combine(part[i], load(x + (p + i) * stride));
  for (; p < pixels; ++p) part[0] = Pool::combine(part[0], load(x + p * stride));
  for (int64_t i = 1; i < parts; ++i) part[0] = Pool::combine(part[0], part[i]);
  return Pool::finish(part[0], broadcast(static_cast<float>(pixels)));
}

template <typename Pool>
inline void global_pool(const GlobalPoolArgs& args) {
  for (int64_t block = 0; block < args.blocks; ++block) {
    uint32_t bits = 0;
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      const int64_t c = block * 16 + i * kLanes;
      const Vec value = pool_all<Pool>(args.x + c, args.x_stride, args.pixels);
      store(args.y + c, value);
      bits |= nonzero_bits(value) << (i * kLanes);
    }
    if (args.mask) args.mask[block] = static_cast<uint16_t>(bits);
  }
}

}  // namespace

void f32_max_pool(const PoolArgs& args) { pool<MaxPool>(args); }
void f32_avg_pool(const PoolArgs& args) { pool<AveragePool>(args); }
void f32_global_max_pool(const GlobalPoolArgs& args) { global_pool<MaxPool>(args); }
void f32_global_avg_pool(const GlobalPoolArgs& args) { global_pool<AveragePool>(args); }

}  // namespace zeroskip::ZS_ISA
