// Max pooling of elements of less than 32 bits.
#include "kernels/common/narrow.h"
#include "kernels/pool/window.h"

namespace zeroskip::ZS_ISA {
namespace {

template <typename T>
inline void pool_block(const Window<T>& window, int64_t block, T* y, uint16_t* mask) {
  using N = Narrow<T>;
  constexpr int64_t kElements = kBlockElements<T>;
  const T* first = window.x + block * kElements;
  typename N::Wide largest[kElements];
  for (int64_t i = 0; i < kElements; ++i) largest[i] = N::widen(first[i]);
  for (int64_t row = 0; row < window.rows; ++row)
    for (int64_t column = row == 0 ? 1 : 0; column < window.columns; ++column) {
      const T* x = first + row * window.row_stride + column * window.column_stride;
      for (int64_t i = 0; i < kElements; ++i) {
        const auto value = N::widen(x[i]);
        largest[i] = value > largest[i] ? value : largest[i];
      }
    }
  y += block * kElements;
  for (int64_t i = 0; i < kElements; ++i) y[i] = N::narrow(largest[i]);
  if (mask) mask[block] = mask_word(y);
}

template <typename T>
inline void max_pool(const PoolArgs& args) {
  const Taps rows = taps_inside(args.first_row, args.kernel_h, args.dilation_h, args.in_h);
  for (int64_t p = 0; p < args.pixels; ++p) {
    const Window<T> window = window_at<T>(args, rows, p);
    T* y = reinterpret_cast<T*>(args.y) + p * args.y_stride;
    uint16_t* mask = args.mask ? args.mask + p * args.mask_stride : nullptr;
    for (int64_t block = 0; block < args.blocks; ++block) pool_block(window, block, y, mask);
  }
}

}  // namespace

void u8_max_pool(const PoolArgs& args) { max_pool<uint8_t>(args); }
void bf16_max_pool(const PoolArgs& args) { max_pool<Bf16>(args); }

}  // namespace zeroskip::ZS_ISA
