// The sparse algorithm: for every range of output channels and every weight panel, walk the tile's pixels
// once.
#include <algorithm>

#include "ops/conv/conv.h"

namespace zeroskip {
namespace {

constexpr uint16_t kEmptyMask[4] = {0, 0, 0, 0};  // one 64-bit word: a row outside the image

uint64_t low_bits(int64_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

SpconvPointFn point_kernel(const KernelTable& kernels, WeightStorage storage, int64_t blocks) {
  const SpconvPointFn table[2][8] = {
      {kernels.f32_spconv_ukernel_2x16, kernels.f32_spconv_ukernel_2x32, kernels.f32_spconv_ukernel_2x48,
       kernels.f32_spconv_ukernel_2x64, kernels.f32_spconv_ukernel_2x80, kernels.f32_spconv_ukernel_2x96,
       kernels.f32_spconv_ukernel_2x112, kernels.f32_spconv_ukernel_2x128},
      {kernels.f32_bf16w_spconv_ukernel_2x16, kernels.f32_bf16w_spconv_ukernel_2x32, nullptr,
       kernels.f32_bf16w_spconv_ukernel_2x64, nullptr, nullptr, nullptr,
       kernels.f32_bf16w_spconv_ukernel_2x128}};
  return table[storage == WeightStorage::kBf16][blocks - 1];
}

SpconvRowPairFn row_pair_kernel(const KernelTable& kernels, WeightStorage storage, int64_t blocks) {
  const SpconvRowPairFn table[2][4] = {
      {kernels.f32_spconv3row_ukernel_2x16, kernels.f32_spconv3row_ukernel_2x32,
       kernels.f32_spconv3row_ukernel_2x48, kernels.f32_spconv3row_ukernel_2x64},
      {kernels.f32_bf16w_spconv3row_ukernel_2x16, kernels.f32_bf16w_spconv3row_ukernel_2x32, nullptr,
       kernels.f32_bf16w_spconv3row_ukernel_2x64}};
  return table[storage == WeightStorage::kBf16][blocks - 1];
}

}  // namespace

void Conv::run_sparse(const Operands& operands, const Task& task, const ThreadScratch& scratch) const {
  const int64_t step = uses_row_pairs_ ? max_pair_blocks_ : max_blocks_;
  int64_t blocks;
  for (int64_t block = task.first_block; block < task.last_block; block += blocks) {
    blocks = kernel_blocks(step, task.last_block - block, storage_);
    if (uses_row_pairs_)
      sparse_rows(operands, task, block, blocks, scratch);
    else
      sparse_points(operands, task, block, blocks, scratch);
  }
}

void Conv::sparse_rows(const Operands& operands, const Task& task, int64_t block, int64_t blocks,
                       const ThreadScratch& scratch) const {
  const ConvGeometry& g = geometry_;
  const Tile& tile = task.tile;
  const int64_t width = blocks * kChannelBlock;
  const int64_t acc_row = (g.w + 2) * width;  // the window of acc pixel j starts at input column j - 2
  const int64_t rows = round_up(tile.rows, 2);
  const SpconvRowPairFn kernel = row_pair_kernel(kernels_, storage_, blocks);
  SpconvRowPairArgs args{};
  args.pixels = g.w;
  args.x_stride = operands.x_stride;
  args.tap_stride = (expands_panels() ? kMostPanelChannels : layout_.in) * kSlab;
  args.first_output = 2 - g.pad_left;
  args.outputs = g.ow;
  const int64_t panels = ceil_div(layout_.in, panel_channels_);
  for (int64_t step = 0; step < g.kh * panels; ++step) {
    const int64_t ky = step / panels, channel = step % panels * panel_channels_;
    const int64_t x_channel = task.group * layout_.in + channel;
    const int64_t channels = std::min(panel_channels_, layout_.in - channel);
    args.channels = low_bits(channels);
    args.weights = sparse_panel(task.group, block, blocks, ky * 3, channel, channels, 3, scratch.weights);
    args.bias = step == 0 ? bias_at(task.group, block) : nullptr;
    const std::byte* next_weights = nullptr;  // none where panels are expanded: that reads them in one stream
    if (!expands_panels() && step + 1 < g.kh * panels)
      next_weights =
          weights_at(task.group, block, (step + 1) / panels * 3, (step + 1) % panels * panel_channels_);
    else if (!expands_panels() && block + blocks < task.last_block)
      next_weights = weights_at(task.group, block + blocks, 0, 0);
    const int64_t next_rows = ceil_div(panel_channels_ * 2, rows);  // prefetched by each pair of rows
    for (int64_t row = 0; row < rows; row += 2) {
      args.next_weights = next_weights ? next_weights + row / 2 * next_rows * row_bytes() : nullptr;
      args.next_rows = std::min(next_rows, panel_channels_ - row / 2 * next_rows);
      ConvEpilogueArgs epilogue[2];
      for (int64_t i = 0; i < 2; ++i) {
        const int64_t iy = g.input_row(tile.oy + row + i, ky);
        const bool inside = iy >= 0 && iy < g.h && row + i < tile.rows;
        const int64_t pixel = inside ? (tile.n * g.h + iy) * g.w : 0;
        args.row[i].x = operands.x + pixel * operands.x_stride + x_channel;
        args.row[i].mask =
            inside ? operands.mask + pixel * operands.mask_stride + x_channel / kChannelBlock : kEmptyMask;
        args.row[i].mask_stride = inside ? operands.mask_stride : 0;
        args.row[i].acc = scratch.acc + (row + i) * acc_row;
        const bool finishes = step == g.kh * panels - 1 && row + i < tile.rows;
        if (finishes) epilogue[i] = epilogue_at(operands, task, block, row + i);
        args.epilogue[i] = finishes ? &epilogue[i] : nullptr;
      }
      kernel(args);
    }
  }
}

void Conv::sparse_points(const Operands& operands, const Task& task, int64_t block, int64_t blocks,
                         const ThreadScratch& scratch) const {
  const ConvGeometry& g = geometry_;
  const Tile& tile = task.tile;
  const int64_t width = blocks * kChannelBlock;
  const SpconvPointFn kernel = point_kernel(kernels_, storage_, blocks);
  SpconvPointArgs args{};
  args.x_stride = operands.x_stride * g.sw;
  args.mask_stride = operands.mask_stride * g.sw;
  args.slab_stride = (expands_panels() ? kMostPanelChannels : g.taps() * layout_.in) * kSlab;
  // The tap that reaches inside the image from every output pixel, if there is one, comes first, so that it
  // can start from the bias, and its last panel comes last, so that it can finish the pixels in registers.
  const int64_t panels = ceil_div(layout_.in, panel_channels_);
  const int64_t total = g.taps() * panels;
  const bool starts = full_tap_ >= 0, finishes = full_tap_ >= 0 && (panels > 1 || total == 1);
  if (!starts) kernels_.f32_conv_init(tile.pixels(), blocks, bias_at(task.group, block), scratch.acc);
  for (int64_t step = 0; step < total; ++step) {
    const PanelIndex panel = panel_at(step, panels);
    args.bias = starts && step == 0 ? bias_at(task.group, block) : nullptr;
    const bool last = finishes && step == total - 1;
    const int64_t ky = panel.tap / g.kw, kx = panel.tap % g.kw, channel = panel.index * panel_channels_;
    int64_t first, past;
    g.valid_columns(kx, &first, &past);
    first = std::max(first, tile.ox);
    past = std::min(past, tile.ox + tile.columns);
    if (first >= past) continue;
    args.pixels = past - first;
    const int64_t channels = std::min(panel_channels_, layout_.in - channel);
    args.channels = low_bits(channels);
    args.weights = sparse_panel(task.group, block, blocks, panel.tap, channel, channels, 1, scratch.weights);
    const std::byte* next_weights = next_panel(task, block, blocks, step, panels);
    const int64_t next_rows = ceil_div(panel_channels_, tile.rows);  // prefetched by each row of the tile
    const int64_t ix = first * g.sw - g.pad_left + kx * g.dw;
    const int64_t x_channel = task.group * layout_.in + channel;
    for (int64_t row = 0; row < tile.rows; ++row) {
      const int64_t iy = g.input_row(tile.oy + row, ky);
      if (iy < 0 || iy >= g.h) continue;
      const int64_t pixel = (tile.n * g.h + iy) * g.w + ix;
      args.x = operands.x + pixel * operands.x_stride + x_channel;
      args.mask = operands.mask + pixel * operands.mask_stride + x_channel / kChannelBlock;
      args.acc = scratch.acc + (row * tile.columns + first - tile.ox) * width;
      args.next_weights = next_weights ? next_weights + row * next_rows * row_bytes() : nullptr;
      args.next_rows = std::min(next_rows, panel_channels_ - row * next_rows);
      ConvEpilogueArgs epilogue;
      if (last) epilogue = epilogue_at(operands, task, block, row);
      args.epilogue = last ? &epilogue : nullptr;
      kernel(args);
    }
  }
  if (!finishes) finish(operands, task, block, blocks, scratch.acc);
}

// A panel's weights as the kernels read them: in place, or, of fp16, expanded. What is expanded lies
// [tap][slab][kMostPanelChannels][64]; only one of the first two extents exceeds one.
const std::byte* Conv::sparse_panel(int64_t group, int64_t block, int64_t blocks, int64_t tap,
                                    int64_t channel, int64_t channels, int64_t taps, float* expanded) const {
  if (!expands_panels()) return weights_at(group, block, tap, channel);
  constexpr int64_t kSlabBlocks = kSlab / kChannelBlock, kPanel = kMostPanelChannels * kSlab;
  for (int64_t t = 0; t < taps; ++t)
    for (int64_t first = 0; first < blocks; first += kSlabBlocks)
      kernels_.f32_fp16w_pack_rows({.rows = channels,
                                    .blocks = std::min(kSlabBlocks, blocks - first),
                                    .from = weights_at(group, block + first, tap + t, channel),
                                    .from_stride = kSlab,
                                    .to = expanded + (t + first / kSlabBlocks) * kPanel,
                                    .to_stride = kSlab});
  return reinterpret_cast<const std::byte*>(expanded);
}

// The panel after this one, in this range of output channels or the next, or null at the end of the task.
const std::byte* Conv::next_panel(const Task& task, int64_t block, int64_t blocks, int64_t step,
                                  int64_t panels) const {
  if (expands_panels()) return nullptr;  // expanding reads them in one stream
  const bool is_last = step + 1 == geometry_.taps() * panels;
  if (is_last && block + blocks >= task.last_block) return nullptr;
  const PanelIndex next = panel_at(is_last ? 0 : step + 1, panels);
  return weights_at(task.group, is_last ? block + blocks : block, next.tap, next.index * panel_channels_);
}

// Order of the panels: the full tap's panels but the last, every other tap's, the full tap's last. With a
// single panel per tap the full tap only starts (or, if it is the only tap, does both).
Conv::PanelIndex Conv::panel_at(int64_t step, int64_t panels) const {
  if (full_tap_ < 0) return {step / panels, step % panels};
  const int64_t leading = panels > 1 ? panels - 1 : 1;
  if (step < leading) return {full_tap_, step};
  const int64_t other = (step - leading) / panels;
  if (other >= geometry_.taps() - 1) return {full_tap_, panels - 1};
  return {other < full_tap_ ? other : other + 1, (step - leading) % panels};
}

}  // namespace zeroskip
