// The dense algorithm: implicit GEMM over lists of pixel pointers, a dozen pixels at a time.
#include <algorithm>

#include "ops/conv/conv.h"

namespace zeroskip {
namespace {

// Weights of as many taps as stay in L2 beside the activations are used for the whole tile before the next
// ones.
constexpr int64_t kWeightBytesInL2 = int64_t{512} << 10;

DconvFn dense_kernel(const KernelTable& kernels, int64_t blocks) {
  const DconvFn table[] = {kernels.f32_dconv_ukernel_12x16, kernels.f32_dconv_ukernel_12x32,
                           kernels.f32_dconv_ukernel_12x48, kernels.f32_dconv_ukernel_12x64};
  return table[blocks - 1];
}

// Calls fill(oy, ox, first entry) for every output pixel of the tile; its taps' entries lie kDconvPixels
// apart.
template <typename Tile, typename Fill>
void for_each_entry(const Tile& tile, int64_t taps, const float** pixels, const Fill& fill) {
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

void Conv::run_dense(const Operands& operands, const Task& task, const ThreadScratch& scratch) const {
  const int64_t taps = dense_taps(), pixels = task.tile.pixels();
  if (gathers_input_)
    list_gathered_pixels(operands.x, task, scratch.pixels);
  else
    list_pixels(operands, task, scratch.pixels);
  const int64_t tap_step = dense_tap_step();
  for (int64_t block = task.first_block; block < task.last_block; block += dense_blocks_) {
    const int64_t blocks = std::min(dense_blocks_, task.last_block - block);
    const DconvFn kernel = dense_kernel(kernels_, blocks);
    DconvArgs args{};
    args.channels = dense_channels();
    args.acc_stride = blocks * kChannelBlock;
    const ConvEpilogueArgs whole_tile = epilogue_at(operands, task, block, 0);
    for (int64_t tap = 0; tap < taps; tap += tap_step) {
      args.taps = std::min(tap_step, taps - tap);
      args.weights = dense_weights(task.group, block, blocks, tap, args.taps, scratch.weights);
      args.bias = tap == 0 ? bias_at(task.group, block) : nullptr;
      for (int64_t pixel = 0; pixel < pixels; pixel += kDconvPixels) {
        args.count = std::min<int64_t>(kDconvPixels, pixels - pixel);
        args.pixels = scratch.pixels + pixel * taps + tap * kDconvPixels;
        args.acc = scratch.acc + pixel * args.acc_stride;
        const ConvEpilogueArgs epilogue = advance(whole_tile, pixel);
        args.epilogue = tap + tap_step >= taps ? &epilogue : nullptr;
        kernel(args);
      }
    }
  }
}

// How many taps' weights the tile uses before it goes on to the next ones.
int64_t Conv::dense_tap_step() const {
  const int64_t tap_bytes = dense_channels() * kSlab * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kWeightBytesInL2 / tap_bytes, 1, dense_taps());
}

// The weights of `taps` taps as floats. 16-bit ones are expanded once per tile, which costs one conversion
// for a whole tile's FMAs; converting in the kernel would cost one per six pixels.
const float* Conv::dense_weights(int64_t group, int64_t block, int64_t blocks, int64_t tap, int64_t taps,
                                 float* expanded) const {
  const std::byte* from = weights_at(group, block, tap, 0);
  if (storage_ == WeightStorage::kFloat32) return reinterpret_cast<const float*>(from);
  const PackRowsFn expand =
      storage_ == WeightStorage::kBf16 ? kernels_.f32_bf16w_pack_rows : kernels_.f32_fp16w_pack_rows;
  expand({.rows = taps * dense_channels(),
          .blocks = blocks,
          .from = from,
          .from_stride = kSlab,
          .to = expanded,
          .to_stride = kSlab});
  return expanded;
}

// pixels: [tile pixel / 12][tap][12].
void Conv::list_pixels(const Operands& operands, const Task& task, const float** pixels) const {
  const ConvGeometry& g = geometry_;
  const Tile& tile = task.tile;
  const float* image = operands.x + task.group * layout_.in + tile.n * g.h * g.w * operands.x_stride;
  for_each_entry(tile, g.taps(), pixels, [&](int64_t oy, int64_t ox, const float** entry) {
    for (int64_t ky = 0; ky < g.kh; ++ky) {
      const int64_t iy = g.input_row(oy, ky);
      for (int64_t kx = 0; kx < g.kw; ++kx, entry += kDconvPixels) {
        const int64_t ix = ox * g.sw - g.pad_left + kx * g.dw;
        const bool inside = iy >= 0 && iy < g.h && ix >= 0 && ix < g.w;
        *entry = inside ? image + (iy * g.w + ix) * operands.x_stride : zeros_->data();
      }
    }
  });
}

void Conv::list_gathered_pixels(const float* gathered, const Task& task, const float** pixels) const {
  const ConvGeometry& g = geometry_;
  const int64_t padded_h = g.h + g.pad_top + g.pad_bottom, row = (g.w + g.pad_left + g.pad_right) * g.c;
  for_each_entry(task.tile, g.kh, pixels, [&](int64_t oy, int64_t ox, const float** entry) {
    for (int64_t ky = 0; ky < g.kh; ++ky, entry += kDconvPixels)
      *entry = gathered + (task.tile.n * padded_h + oy * g.sh + ky * g.dh) * row + ox * g.sw * g.c;
  });
}

PlainImage Conv::plain_input(const RunContext& context) const {
  const ConvGeometry& g = geometry_;
  const Tensor& x = context.inputs[0];
  const int64_t plane = g.h * g.w, pixel = input_is_nhwc_rows_ ? g.c : x.spec->pixel_stride;
  const bool is_nchw = x.spec->layout == Layout::kRow && !input_is_nhwc_rows_;
  return is_nchw ? PlainImage{x.data, g.c * plane, plane, g.w, 1}
                 : PlainImage{x.data, plane * pixel, 1, g.w * pixel, pixel};
}

void Conv::gather_input(const RunContext& context) const {
  const ConvGeometry& g = geometry_;
  const PlainImage x = plain_input(context);
  const int64_t padded_h = g.h + g.pad_top + g.pad_bottom, row = (g.w + g.pad_left + g.pad_right) * g.c;
  float* gathered = reinterpret_cast<float*>(context.scratch.data());
  parallel_for(context.num_threads, g.n * padded_h, [&](int64_t index, int) {
    const int64_t n = index / padded_h, iy = index % padded_h - g.pad_top;
    float* out = gathered + index * row;
    std::fill_n(out, row, 0.0f);
    if (iy < 0 || iy >= g.h) return;
    const float* in = x.data + n * x.image_stride + iy * x.row_stride;
    out += g.pad_left * g.c;
    if (x.column_stride == g.c && x.channel_stride == 1) {
      std::copy_n(in, g.w * g.c, out);
      return;
    }
    for (int64_t ix = 0; ix < g.w; ++ix)
      for (int64_t c = 0; c < g.c; ++c) out[ix * g.c + c] = in[ix * x.column_stride + c * x.channel_stride];
  });
}

}  // namespace zeroskip
