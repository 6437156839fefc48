#include "ops/conv/dense.h"

#include <algorithm>

namespace zeroskip {
namespace {

// Calls fill(oy, ox, first entry) for every output pixel of the tile; its taps' entries lie kDconvPixels
// apart.
template <typename Fill>
void for_each_entry(const ConvTile& tile, int64_t taps, const float** pixels, const Fill& fill) {
  int64_t in_group = 0;
  for (int64_t oy = tile.oy; oy < tile.oy + tile.rows; ++oy)
    for (int64_t ox = tile.ox; ox < tile.ox + tile.columns; ++ox) {
      fill(oy, ox, pixels + in_group);
      if (++in_group == kDconvPixels) in_group = 0, pixels += taps * kDconvPixels;
    }
}

ConvEpilogueArgs advance(ConvEpilogueArgs args, int64_t pixels) {
  if (args.residual) args.residual += pixels * args.residual_stride;
  args.y += pixels * args.y_stride;
  if (args.mask) args.mask += pixels * args.mask_stride;
  return args;
}

}  // namespace

DenseConv::DenseConv(const ConvLayer& layer, const KernelTable& kernels)
    : layer_(layer),
      kernels_by_blocks_(1),
      expand_(
          get_kernel<PackRowsFn>(kernels, {.kind = "pack_rows", .weight = layer.plan().storage}).function) {
  for (int64_t blocks = 1; blocks <= layer.plan().dense.blocks; ++blocks)
    kernels_by_blocks_.push_back(get_kernel<DconvFn>(kernels, {.kind = "dconv",
                                                               .input = DataType::kFloat32,
                                                               .weight = DataType::kFloat32,
                                                               .columns = blocks * kChannelBlock}));
}

void DenseConv::run(const ConvOperands& operands, const ConvTask& task,
                    const ConvThreadScratch& scratch) const {
  const DensePlan& dense = layer_.plan().dense;
  const int64_t pixels = task.tile.pixels();
  if (layer_.plan().gathers_input)
    list_gathered_pixels(operands.x, task, scratch.pixels);
  else
    list_pixels(operands, task, scratch.pixels);
  for (int64_t block = task.first_block; block < task.last_block; block += dense.blocks) {
    const int64_t blocks = std::min(dense.blocks, task.last_block - block);
    const DconvFn kernel = kernels_by_blocks_[static_cast<size_t>(blocks)].function;
    DconvArgs args{};
    args.channels = dense.channels;
    args.acc_stride = blocks * kChannelBlock;
    const ConvEpilogueArgs whole_tile = layer_.epilogue_at(operands, task, block, 0);
    for (int64_t tap = 0; tap < dense.taps; tap += dense.tap_step) {
      args.taps = std::min(dense.tap_step, dense.taps - tap);
      args.weights = weights(task.group, block, blocks, tap, args.taps, scratch.weights);
      args.bias = tap == 0 ? layer_.bias_at(task.group, block) : nullptr;
      for (int64_t pixel = 0; pixel < pixels; pixel += kDconvPixels) {
        args.count = std::min<int64_t>(kDconvPixels, pixels - pixel);
        args.pixels = scratch.pixels + pixel * dense.taps + tap * kDconvPixels;
        args.acc = scratch.acc + pixel * args.acc_stride;
        const ConvEpilogueArgs epilogue = advance(whole_tile, pixel);
        args.epilogue = tap + dense.tap_step >= dense.taps ? &epilogue : nullptr;
        kernel(args);
      }
    }
  }
}

// The weights of `taps` taps as floats. 16-bit ones are expanded once per tile, which costs one conversion
// for a whole tile's FMAs; converting in the kernel would cost one per six pixels.
const float* DenseConv::weights(int64_t group, int64_t block, int64_t blocks, int64_t tap, int64_t taps,
                                float* expanded) const {
  const std::byte* from = layer_.weights_at(group, block, tap, 0);
  if (layer_.plan().storage == DataType::kFloat32) return reinterpret_cast<const float*>(from);
  expand_({.rows = taps * layer_.plan().dense.channels,
           .blocks = blocks,
           .from = from,
           .from_stride = kSlab,
           .to = expanded,
           .to_stride = kSlab});
  return expanded;
}

// pixels: [tile pixel / 12][tap][12].
void DenseConv::list_pixels(const ConvOperands& operands, const ConvTask& task, const float** pixels) const {
  const ConvGeometry& g = layer_.plan().geometry;
  const float* image =
      operands.x + task.group * layer_.plan().layout.in + task.tile.n * g.h * g.w * operands.x_stride;
  const float* zeros = layer_.constants().zeros->data();
  for_each_entry(task.tile, g.taps(), pixels, [&](int64_t oy, int64_t ox, const float** entry) {
    for (int64_t ky = 0; ky < g.kh; ++ky) {
      const int64_t iy = g.input_row(oy, ky);
      for (int64_t kx = 0; kx < g.kw; ++kx, entry += kDconvPixels) {
        const int64_t ix = ox * g.sw - g.pad_left + kx * g.dw;
        const bool inside = iy >= 0 && iy < g.h && ix >= 0 && ix < g.w;
        *entry = inside ? image + (iy * g.w + ix) * operands.x_stride : zeros;
      }
    }
  });
}

void DenseConv::list_gathered_pixels(const float* gathered, const ConvTask& task,
                                     const float** pixels) const {
  const ConvGeometry& g = layer_.plan().geometry;
  const int64_t padded_h = g.h + g.pad_top + g.pad_bottom, row = (g.w + g.pad_left + g.pad_right) * g.c;
  for_each_entry(task.tile, g.kh, pixels, [&](int64_t oy, int64_t ox, const float** entry) {
    for (int64_t ky = 0; ky < g.kh; ++ky, entry += kDconvPixels)
      *entry = gathered + (task.tile.n * padded_h + oy * g.sh + ky * g.dh) * row + ox * g.sw * g.c;
  });
}

std::string DenseConv::kernel_name() const {
  return std::string(kernels_by_blocks_.back().name) +
         (layer_.plan().gathers_input ? " (gathered rows)" : "");
}

}  // namespace zeroskip
