#include "kernels/common/simd.h"
#include "kernels/spconv/spconv.h"

namespace zeroskip::ZS_ISA {

int64_t f32_mask_popcount(int64_t pixels, int64_t words, const uint16_t* mask, int64_t mask_stride) {
  if (mask_stride == words) {  // contiguous: one long run
    words *= pixels;
    pixels = 1;
  }
  int64_t count = 0;
  for (int64_t p = 0; p < pixels; ++p, mask += mask_stride) {
    int64_t word = 0;
    for (; word + 4 <= words; word += 4) {
      uint64_t bits;
      std::memcpy(&bits, mask + word, sizeof(bits));
      count += __builtin_popcountll(bits);
    }
    for (; word < words; ++word) count += __builtin_popcount(mask[word]);
  }
  return count;
}

}  // namespace zeroskip::ZS_ISA
