// The memory a convolution works in besides its tensors: the gathered input (if any), then for every thread
// its accumulators, its pixel list and weights that it expands.
#include <algorithm>

#include "base/memory.h"
#include "ops/conv/conv.h"

namespace zeroskip {

int64_t Conv::gathered_bytes() const {
  if (!gathers_input_) return 0;
  const ConvGeometry& g = geometry_;
  const int64_t h = g.h + g.pad_top + g.pad_bottom, w = g.w + g.pad_left + g.pad_right;
  return round_up(checked_product({g.n, h, w, g.c, sizeof(float)}) + kArenaSlackBytes, kAlignment);
}

int64_t Conv::acc_bytes() const {
  const int64_t pixels = round_up(row_tile_ * column_tile_, kDconvPixels);
  int64_t floats = pixels * std::max(dense_blocks_, uses_row_pairs_ ? 0 : max_blocks_) * kChannelBlock;
  if (uses_row_pairs_ && algorithm_ != ConvAlgorithm::kDense)
    floats = std::max(floats, round_up(row_tile_, 2) * (geometry_.w + 2) * max_pair_blocks_ * kChannelBlock);
  return round_up(floats * static_cast<int64_t>(sizeof(float)), kAlignment);
}

int64_t Conv::pixel_list_bytes() const {
  if (algorithm_ == ConvAlgorithm::kSparse) return 0;
  const int64_t pixels = round_up(row_tile_ * column_tile_, kDconvPixels);
  return round_up(checked_product({pixels, dense_taps(), sizeof(float*)}), kAlignment);
}

int64_t Conv::expanded_bytes() const {
  int64_t rows = 0;
  if (storage_ != WeightStorage::kFloat32 && algorithm_ != ConvAlgorithm::kSparse)
    rows = dense_tap_step() * dense_channels();
  if (expands_panels()) rows = std::max(rows, 3 * kMostPanelChannels);
  return checked_product({rows, kSlab, sizeof(float)});
}

int64_t Conv::thread_bytes() const { return acc_bytes() + pixel_list_bytes() + expanded_bytes(); }

size_t Conv::scratch_bytes() const {
  const auto direct = static_cast<size_t>(gathered_bytes() + checked_product({num_threads_, thread_bytes()}));
  if (!winograd_) return direct;
  const size_t image = phases_ ? static_cast<size_t>(phases_->bytes()) : 0;
  return std::max(direct, image + winograd_->scratch_bytes());
}

Conv::ThreadScratch Conv::thread_scratch(const RunContext& context, int thread) const {
  std::byte* acc = context.scratch.data() + gathered_bytes() + thread * thread_bytes();
  std::byte* pixels = acc + acc_bytes();
  return {reinterpret_cast<float*>(acc), reinterpret_cast<const float**>(pixels),
          reinterpret_cast<float*>(pixels + pixel_list_bytes())};
}

}  // namespace zeroskip
