#include "ops/conv/sparse.h"

#include <algorithm>
#include <utility>

namespace zeroskip {
namespace {

constexpr uint16_t kEmptyMask[4] = {0, 0, 0, 0};  // one 64-bit word: a row outside the image

uint64_t low_bits(int64_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

// The widest kernel for every number of blocks, from 0 (none) to what the plan asks for.
template <typename Fn>
std::vector<Kernel<Fn>> kernels_by_blocks(const KernelTable& table, const SparsePlan& sparse) {
  std::vector<Kernel<Fn>> kernels(1);
  for (int64_t blocks = 1; blocks <= sparse.blocks; ++blocks)
    kernels.push_back(find_widest_kernel<Fn>(table, {.kind = sparse.kernel_kind(),
                                                     .input = DataType::kFloat32,
                                                     .weight = sparse.weight,
                                                     .columns = blocks * kChannelBlock}));
  return kernels;
}

// The output pixels of a tile that a tap reaches inside the image, as runs that one call of a kernel takes: parts
// of rows, or, of an output one pixel wide, of the column, where rows would be runs of a single pixel.
struct Runs {
  int64_t count, pixels;  // in each
  int64_t first;          // the first run's first pixel in the tile; the others' lie a row of it further each
  int64_t input;          // the input pixel under it
  int64_t input_step;     // from run to run
  int64_t input_stride;   // from pixel to pixel of a run
};

Runs find_runs(const ConvGeometry& g, const ConvTile& tile, int64_t tap) {
  const int64_t kx = tap % g.kw, ky = tap / g.kw;
  int64_t top, bottom, left, right;
  g.valid_rows(ky, &top, &bottom);
  g.valid_columns(kx, &left, &right);
  top = std::max(top, tile.oy), bottom = std::max(top, std::min(bottom, tile.oy + tile.rows));
  left = std::max(left, tile.ox), right = std::max(left, std::min(right, tile.ox + tile.columns));
  Runs runs{.count = bottom - top,
            .pixels = right - left,
            .first = (top - tile.oy) * tile.columns + left - tile.ox,
            .input = (tile.n * g.h + g.input_row(top, ky)) * g.w + left * g.sw - g.pad_left + kx * g.dw,
            .input_step = g.sh * g.w,
            .input_stride = g.sw};
  if (g.ow == 1) {
    std::swap(runs.count, runs.pixels);
    std::swap(runs.input_step, runs.input_stride);
  }
  return runs;
}

}  // namespace

SparseConv::SparseConv(const ConvLayer& layer, const KernelTable& kernels)
    : layer_(layer), kernels_(kernels) {
  const SparsePlan& sparse = layer.plan().sparse;
  if (sparse.uses_row_pairs)
    row_pair_kernels_ = kernels_by_blocks<SpconvRowPairFn>(kernels, sparse);
  else
    point_kernels_ = kernels_by_blocks<SpconvPointFn>(kernels, sparse);
}

void SparseConv::run(const ConvOperands& operands, const ConvTask& task,
                     const ConvThreadScratch& scratch) const {
  const SparsePlan& sparse = layer_.plan().sparse;
  for (int64_t block = task.first_block; block < task.last_block;) {
    const auto most = static_cast<size_t>(std::min(sparse.blocks, task.last_block - block));
    const int64_t columns = sparse.uses_row_pairs ? row_pair_kernels_[most].columns.columns
                                                  : point_kernels_[most].columns.columns;
    const Range range{block, columns / kChannelBlock};
    if (sparse.uses_row_pairs)
      run_rows(operands, task, range, scratch);
    else
      run_points(operands, task, range, scratch);
    block += range.blocks;
  }
}

void SparseConv::run_rows(const ConvOperands& operands, const ConvTask& task, const Range& range,
                          const ConvThreadScratch& scratch) const {
  const ConvGeometry& g = layer_.plan().geometry;
  const SparsePlan& sparse = layer_.plan().sparse;
  const int64_t in = layer_.plan().layout.in, rows = round_up(task.tile.rows, 2);
  // The window of acc pixel j starts at input column j - 2.
  const int64_t acc_row = (g.w + 2) * range.blocks * kChannelBlock;
  const SpconvRowPairFn kernel = row_pair_kernels_[static_cast<size_t>(range.blocks)].function;
  SpconvRowPairArgs args{};
  args.pixels = g.w;
  args.x_stride = operands.x_stride;
  args.tap_stride = (sparse.expands_panels ? kMostPanelChannels : in) * kSlab;
  args.first_output = 2 - g.pad_left;
  args.outputs = g.ow;
  const int64_t next_rows = ceil_div(sparse.panel_channels * 2, rows);  // prefetched by each pair of rows
  const int64_t per_tap_row = panels(), steps = g.kh * per_tap_row;
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t ky = step / per_tap_row, channel = step % per_tap_row * sparse.panel_channels;
    const int64_t x_channel = task.group * in + channel;
    const int64_t channels = std::min(sparse.panel_channels, in - channel);
    args.channels = low_bits(channels);
    args.weights = panel_weights(task.group, range, ky * 3, channel, channels, 3, scratch.weights);
    args.bias = step == 0 ? layer_.bias_at(task.group, range.block) : nullptr;
    const std::byte* next_weights = next_rows_panel(task, range, step);
    for (int64_t row = 0; row < rows; row += 2) {
      args.next_weights = next_weights ? next_weights + row / 2 * next_rows * layer_.row_bytes() : nullptr;
      args.next_rows = std::min(next_rows, sparse.panel_channels - row / 2 * next_rows);
      ConvEpilogueArgs epilogue[2];
      for (int64_t i = 0; i < 2; ++i) {
        const bool exists = row + i < task.tile.rows, finishes = exists && step == steps - 1;
        const int64_t iy = g.input_row(task.tile.oy + row + i, ky);
        const bool inside = iy >= 0 && iy < g.h && exists;
        const int64_t pixel = inside ? (task.tile.n * g.h + iy) * g.w : 0;
        args.row[i].x = operands.x + pixel * operands.x_stride + x_channel;
        args.row[i].mask =
            inside ? operands.mask + pixel * operands.mask_stride + x_channel / kChannelBlock : kEmptyMask;
        args.row[i].mask_stride = inside ? operands.mask_stride : 0;
        args.row[i].acc = scratch.acc + (row + i) * acc_row;
        if (finishes) epilogue[i] = layer_.epilogue_at(operands, task, range.block, row + i);
        args.epilogue[i] = finishes ? &epilogue[i] : nullptr;
      }
      kernel(args);
    }
  }
}

void SparseConv::run_points(const ConvOperands& operands, const ConvTask& task, const Range& range,
                            const ConvThreadScratch& scratch) const {
  const ConvGeometry& g = layer_.plan().geometry;
  const SparsePlan& sparse = layer_.plan().sparse;
  const ConvTile& tile = task.tile;
  const int64_t in = layer_.plan().layout.in, width = range.blocks * kChannelBlock;
  const SpconvPointFn kernel = point_kernels_[static_cast<size_t>(range.blocks)].function;
  SpconvPointArgs args{};
  args.slab_stride = (sparse.expands_panels ? kMostPanelChannels : g.taps() * in) * kSlab;
  // The tap that reaches inside the image from every output pixel, if there is one, comes first, so that it
  // can start from the bias, and its last panel comes last, so that it can finish the pixels in registers.
  const int64_t steps = g.taps() * panels();
  const bool starts = sparse.full_tap >= 0, finishes = starts && (panels() > 1 || steps == 1);
  const float* bias = layer_.bias_at(task.group, range.block);
  if (!starts) kernels_.f32_conv_init(tile.pixels(), range.blocks, bias, scratch.acc);
  for (int64_t step = 0; step < steps; ++step) {
    const Panel panel = point_panel(step);
    const Runs runs = find_runs(g, tile, panel.tap);
    if (runs.count == 0 || runs.pixels == 0) continue;
    const bool is_last = finishes && step == steps - 1;
    const int64_t channel = panel.index * sparse.panel_channels, x_channel = task.group * in + channel;
    const int64_t channels = std::min(sparse.panel_channels, in - channel);
    args.pixels = runs.pixels;
    args.x_stride = operands.x_stride * runs.input_stride;
    args.mask_stride = operands.mask_stride * runs.input_stride;
    args.bias = starts && step == 0 ? bias : nullptr;
    args.channels = low_bits(channels);
    args.weights = panel_weights(task.group, range, panel.tap, channel, channels, 1, scratch.weights);
    const std::byte* next_weights = next_point_panel(task, range, step);
    const int64_t next_rows = ceil_div(sparse.panel_channels, runs.count);  // prefetched by each run
    for (int64_t run = 0; run < runs.count; ++run) {
      const int64_t pixel = runs.input + run * runs.input_step;
      args.x = operands.x + pixel * operands.x_stride + x_channel;
      args.mask = operands.mask + pixel * operands.mask_stride + x_channel / kChannelBlock;
      args.acc = scratch.acc + (runs.first + run * tile.columns) * width;
      args.next_weights = next_weights ? next_weights + run * next_rows * layer_.row_bytes() : nullptr;
      args.next_rows = std::min(next_rows, sparse.panel_channels - run * next_rows);
      ConvEpilogueArgs epilogue;
      if (is_last) epilogue = layer_.epilogue_at(operands, task, range.block, run);
      args.epilogue = is_last ? &epilogue : nullptr;
      kernel(args);
    }
  }
  if (!finishes) finish(operands, task, range, scratch.acc);
}

void SparseConv::finish(const ConvOperands& operands, const ConvTask& task, const Range& range,
                        const float* acc) const {
  ConvEpilogueArgs args = layer_.epilogue_at(operands, task, range.block, 0);
  args.pixels = task.tile.pixels();
  args.blocks = range.blocks;
  args.acc = acc;
  args.acc_stride = range.blocks * kChannelBlock;
  kernels_.f32_conv_epilogue(args);
}

// A panel's weights as the kernels read them: in place, or, of fp16, expanded. What is expanded lies
// [tap][slab][kMostPanelChannels][64]; only one of the first two extents exceeds one.
const std::byte* SparseConv::panel_weights(int64_t group, const Range& range, int64_t tap, int64_t channel,
                                           int64_t channels, int64_t taps, float* expanded) const {
  if (!layer_.plan().sparse.expands_panels) return layer_.weights_at(group, range.block, tap, channel);
  constexpr int64_t kSlabBlocks = kSlab / kChannelBlock, kPanel = kMostPanelChannels * kSlab;
  for (int64_t t = 0; t < taps; ++t)
    for (int64_t first = 0; first < range.blocks; first += kSlabBlocks)
      kernels_.f32_fp16w_pack_rows({.rows = channels,
                                    .blocks = std::min(kSlabBlocks, range.blocks - first),
                                    .from = layer_.weights_at(group, range.block + first, tap + t, channel),
                                    .from_stride = kSlab,
                                    .to = expanded + (t + first / kSlabBlocks) * kPanel,
                                    .to_stride = kSlab});
  return reinterpret_cast<const std::byte*>(expanded);
}

// The panel after this one, in this range of output channels or the next, or null at the end of the task; and
// where panels are expanded, which reads them in one stream.
const std::byte* SparseConv::next_rows_panel(const ConvTask& task, const Range& range, int64_t step) const {
  if (layer_.plan().sparse.expands_panels) return nullptr;
  const int64_t next = step + 1, panel_channels = layer_.plan().sparse.panel_channels;
  if (next < layer_.plan().geometry.kh * panels())
    return layer_.weights_at(task.group, range.block, next / panels() * 3, next % panels() * panel_channels);
  const int64_t block = range.block + range.blocks;
  return block < task.last_block ? layer_.weights_at(task.group, block, 0, 0) : nullptr;
}

const std::byte* SparseConv::next_point_panel(const ConvTask& task, const Range& range, int64_t step) const {
  if (layer_.plan().sparse.expands_panels) return nullptr;
  const bool is_last = step + 1 == layer_.plan().geometry.taps() * panels();
  const int64_t block = is_last ? range.block + range.blocks : range.block;
  if (block >= task.last_block) return nullptr;
  const Panel next = point_panel(is_last ? 0 : step + 1);
  return layer_.weights_at(task.group, block, next.tap, next.index * layer_.plan().sparse.panel_channels);
}

// Order of the panels: the full tap's panels but the last, every other tap's, the full tap's last. With a
// single panel per tap the full tap only starts (or, if it is the only tap, does both).
SparseConv::Panel SparseConv::point_panel(int64_t step) const {
  const int64_t count = panels(), full_tap = layer_.plan().sparse.full_tap;
  if (full_tap < 0) return {step / count, step % count};
  const int64_t leading = count > 1 ? count - 1 : 1;
  if (step < leading) return {full_tap, step};
  const int64_t other = (step - leading) / count;
  if (other >= layer_.plan().geometry.taps() - 1) return {full_tap, count - 1};
  return {other < full_tap ? other : other + 1, (step - leading) % count};
}

std::string SparseConv::kernel_name() const {
  return layer_.plan().sparse.uses_row_pairs ? row_pair_kernels_.back().name : point_kernels_.back().name;
}

}  // namespace zeroskip
